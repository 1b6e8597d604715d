"""Commands of `glitch-lab`, a module for each family; `models.cli` gives them their names."""
