"""The spectral VAE: a decoder that draws partials at a given pitch and loudness."""
