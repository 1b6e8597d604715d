"""The studio: sounds, models and their training. `glitch-lab` is its command."""
