"""Supervision: what a session does a few dozen times a second while it plays.

===============  ====================================================
`task_thread`    the thread, and its tasks
`osc_traffic`    counts of OSC messages, and notes about invalid ones
`device_return`  continuing with a device that was away
===============  ====================================================
"""

__all__ = ["device_return", "osc_traffic", "task_thread"]
