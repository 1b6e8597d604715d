"""Sources of the latent (walk, map, looper), their mix and its smoothing."""
