"""MIDI ports by name, in a process of their own.

==============  ==========================================================
`port_client`   the host's side: keeps the process running
`port_process`  the process that owns the ports
`port_owner`    opens ports when they appear, and transfers their messages
`rtmidi_names`  back ends and port names of rtmidi
`jack_watch`    notices the end of a JACK server
`timestamps`    times of messages without the jitter of polling
`framing`       frames on the pipes between host and process
==============  ==========================================================

The process imports none of the rest of MIDI.
"""

__all__ = ["framing", "jack_watch", "port_client", "port_owner", "port_process", "rtmidi_names", "timestamps"]
