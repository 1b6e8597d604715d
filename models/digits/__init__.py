"""A VAE of handwritten digits: the smallest that there is to study, and to lead astray."""
