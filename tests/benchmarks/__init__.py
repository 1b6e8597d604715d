"""Measurements: what the project claims in figures, taken again. ``python -m tests.benchmarks --list`` shows them.

A benchmark is a module of this package whose name does not begin with ``_``. Its docstring says what is measured and
how, the first line in one sentence. ``run()`` measures and returns a dictionary that JSON can hold;
``describe(result)`` may turn that into text to read.
"""
