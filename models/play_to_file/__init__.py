"""Models played by the engine of the stage, offline, into sound files.

- `explore`, `latent_routes`: a latent space along a route
- `generate`: a walk without end
- `transform`: a sound file transformed by a model
- `named_parameters`: parameters of a deck, named on the command line
"""

__all__ = ["explore", "generate", "latent_routes", "named_parameters", "transform"]
