"""Audio output: the compiled callback, the device that calls it, and the process around them.

=================  =================================================================
`callback`         mixes the decks' rings into a block, compiled
`mix_arrays`       the arrays that the callback works on, from their addresses
`deck_mixer`       the host side of the callback: slots, commands, calls from Python
`devices`          listing and choosing devices, channels and sample rate
`stream`           a PortAudio stream, or the null device
`device_process`   the process that owns the device
`device_client`    the host's side of the device process
`device_watchdog`  reopens a device that was gone
=================  =================================================================
"""

__all__ = [
    "callback",
    "deck_mixer",
    "device_client",
    "device_process",
    "device_watchdog",
    "devices",
    "mix_arrays",
    "stream",
]
