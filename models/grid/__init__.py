"""Grid search: the same training at every point of a grid, shared by any number of workers.

| module | contents |
| --- | --- |
| `points` | the points of a grid, and the settings of each |
| `storage` | the database or file that workers share |
| `study` | which points wait, run, or are done |
| `worker` | one worker: takes points and trains |
| `results` | table, CSV file and page of the results |
"""

__all__ = ["points", "results", "storage", "study", "worker"]
