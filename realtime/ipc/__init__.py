"""Shared memory, rings between processes, child processes, priorities, the clock, and compiled code."""
