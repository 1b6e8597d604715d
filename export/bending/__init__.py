"""Network bending: scale and shift of chosen layers as live controls."""
