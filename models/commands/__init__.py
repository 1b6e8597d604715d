"""The commands of `glitch-lab` that have options enough for a file of their own."""
