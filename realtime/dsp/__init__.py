"""Live signal processing: phase and mel inversion, resampling, framing, and what live input goes through."""
