"""MIDI ports by name, in a process of their own.

===============  ==========================================================
`client`         the host's side: keeps the process running
`process`        the process that owns the ports
`port_owner`     opens ports when they appear, and transfers their messages
`rtmidi_driver`  back ends and port names of rtmidi
`jack_watch`     notices the end of a JACK server
`timestamps`     times of messages without the jitter of polling
`framing`        frames on the pipes between host and process
===============  ==========================================================

The process imports none of the rest of MIDI.
"""

__all__ = ["client", "framing", "jack_watch", "port_owner", "process", "rtmidi_driver", "timestamps"]
