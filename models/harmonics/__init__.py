"""Harmonics-plus-noise model of a note: analysis, synthesis, and both without a network in between.

- `analysis`: harmonics, noise and loudness of a note, frame by frame
- `noise_bands`: the noise bands and their levels
- `harmonic_series`: the frequencies of the harmonics
- `synth`: oscillators and filtered noise as a stream
- `resynthesis`: analysis and synthesis, the ceiling of a playable model
"""

__all__ = ["analysis", "harmonic_series", "noise_bands", "resynthesis", "synth"]
