"""One kind of sound turned into another, as it comes: TraVeLGAN on mel spectra, made in parts that fit together."""
