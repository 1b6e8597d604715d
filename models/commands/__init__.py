"""Commands of `glitch-lab`, one module each, named for its command; `shared` holds what several of them need.

`data` and `train` have a module for each of their commands.
"""
