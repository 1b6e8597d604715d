"""The latent: its sources, their mix and its smoothing.

==============  ============================================
`latent_mixer`  sums the sources and smooths the sum
`walk`          a seeded walk, linear, spherical or Brownian
`latent_map`    the map of the training sounds
`looper`        gestures recorded and repeated
==============  ============================================
"""

__all__ = ["latent_map", "latent_mixer", "looper", "walk"]
