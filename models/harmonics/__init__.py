"""Notes as harmonics and bands of noise: analysis and synthesis."""
