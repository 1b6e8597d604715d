"""The status of a session.

=============  =============================================================
`status`       figures: load, latency, underruns, levels
`greeting`     the first line that `glitch-live` prints
`stream_info`  names and numbers in shared memory, for the window and others
`status_line`  the line that `glitch-live` shows in the terminal
=============  =============================================================
"""

__all__ = ["greeting", "status", "status_line", "stream_info"]
