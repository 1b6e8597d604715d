"""Grid search: the same training at every point of a grid, shared by any number of workers."""
