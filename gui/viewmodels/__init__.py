"""The content of the window, as objects with change signals and without widgets.

=================  =========================================================
`observable`       a value with a signal for its changes
`parameter_model`  a parameter as a fader shows it
`readings`         levels, load, underruns, latency: read from shared memory
`telemetry`        these readings of the running session, as observables
`spectrum`         the columns of the spectrogram
=================  =========================================================
"""

__all__ = ["observable", "parameter_model", "readings", "spectrum", "telemetry"]
