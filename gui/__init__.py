"""The window: a process that draws shared memory and sends OSC to the host.

=============  ===========================================
`window`       the window with its timer and its keys
`viewmodels`   its content, as objects with change signals
`panels`       its regions
`widgets`      fader and meter
`host_memory`  the session's shared memory, read only
`osc_sender`   OSC to the host
`style`        colours, fonts and sizes
=============  ===========================================

`python -m gui SEGMENT` opens it; `glitch-live` does that unless it runs with `--headless`. The window plays nothing
itself: closing it, or a crash, leaves the sound untouched.
"""

__all__ = ["host_memory", "osc_sender", "panels", "style", "viewmodels", "widgets", "window"]
