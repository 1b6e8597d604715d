"""Commands of `glitch-lab`, one module each."""
