"""Commands of `glitch-lab`, one module each; `terminal` and `show` are what they share."""
