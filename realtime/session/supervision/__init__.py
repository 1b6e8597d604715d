"""Supervision: what a session does a few dozen times a second while it plays.

===============  ===========================================================
`supervisor`     the thread, and its tasks
`osc_errors`     counts of OSC messages, and notes about invalid ones
`device_return`  continuing with a device that was away
===============  ===========================================================
"""

__all__ = ["device_return", "osc_errors", "supervisor"]
