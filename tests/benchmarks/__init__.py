"""Benchmarks: the figures that the project claims, measured again. ``python -m tests.benchmarks --list`` names them.

A benchmark is a module of `live` (plays through an audio device) or `offline`. The first line of its docstring is
``NAME: what it measures``; the rest documents the result. It has

- ``QUICK_S, FULL_S``: about how many seconds its two forms take on two cores;
- ``LENGTHS``, where environment variables change how much it measures: their names;
- ``run(job)``: measures, and returns a dictionary that JSON can hold. `support.job.Job` says which form to run, and
  takes progress and partial results;
- ``describe(result)``: the result as text.

The quick form has the same keys as the full one, from less material; ``tests/benchmarks/test_quick.py`` runs them all.
"""
