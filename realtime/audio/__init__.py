"""Audio output: the compiled callback, the device that calls it, and the process around them.

==================  ================================================================================
`callback`          mixes the decks' rings into a block, compiled
`mix_arrays`        the arrays that the callback works on, from their addresses
`mixer`             the host side of the callback: slots, commands, calls from Python
`devices`           listing and choosing devices, channels and sample rate
`stream`            a PortAudio stream, or the null device
`device_process`    the process that owns the device
`output`            the host's side of the device process
`watchdog`          reopens a device that was gone
==================  ================================================================================
"""

__all__ = [
    "callback",
    "device_process",
    "devices",
    "mix_arrays",
    "mixer",
    "output",
    "stream",
    "watchdog",
]
