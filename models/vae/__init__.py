"""Parts of any variational auto-encoder, of pictures, sounds or spectra; `docs/vae.md` introduces them.

`glitch-lab train vae` trains another network, the one of `models.spectral_vae`.

| module | contents |
| --- | --- |
| `vae` | `Vae`, its bound and loss, and the likelihood by importance sampling |
| `networks` | encoders and decoders |
| `likelihoods` | Bernoulli, Gaussian, discretised logistic and Gaussian |
| `priors` | standard normal, mixture, VampPrior |
| `conditions` | conditions of the decoder, which are live controls on stage |
| `fitting` | training, epoch by epoch |
| `export` | a streaming VAE of sound as a model file |
| `gaussian`, `frame_objective` | the posterior, and terms of the objective of VAEs of frames |
"""

__all__ = ["conditions", "export", "fitting", "frame_objective", "gaussian", "likelihoods", "networks", "priors", "vae"]
