"""The session: the parts of the stage, how they are built and started.

===============  ================================================================
`session`        the Python API, `realtime.Session`
`config`         its options
`startup_files`  the model, effects and session file, read before anything starts
`composition`    the composition root: builds every part from those that it uses
`startup`        the first sound, and all that follows
`controls`       the parameters, moved by hand or at a sample position
`host_actions`   the actions of the host's own parameters
`loading`        loading models and effects while it plays
`recall`         snapshots on the stage
`recordings`     `/record` and `/take`
`session_file`   the session file and its autosave
`status`         figures, the status line, the description for the window
`surfaces`       OSC commands, MIDI, the window
`supervision`    the supervisor's tasks
`stage_clock`    the clock in samples
`session_phase`  whether a session is not started, playing or closed
`notices`        sentences for the player
`signals`        how parts announce changes
`preshow_check`  `--check`: whether a model is fast enough on this machine
===============  ================================================================
"""

__all__ = [
    "composition",
    "config",
    "controls",
    "preshow_check",
    "recall",
    "session",
    "session_file",
    "startup",
    "status",
]
