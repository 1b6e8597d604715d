"""Parameters of a session: their meaning, their values, and moving them.

============  ===================================================================
`parameters`  the current meaning of each address; applying a value, now or later
`schedule`    actions that wait for their sample position
`panic`       panic, and muting while it lasts
`controls`    parameters moved by hand: by control surfaces and from Python
============  ===================================================================
"""

__all__ = ["controls", "panic", "parameters", "schedule"]
