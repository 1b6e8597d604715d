"""MIDI's protocol: bytes to messages to events of controls.

================  ============================================================
`messages`        the table of message types, named as in mido
`parser`          the byte stream of a port to messages
`controllers`     controller and parameter numbers with a meaning of their own
`control_events`  messages to events of controls: 14-bit pairs, NRPN, bends
================  ============================================================
"""

__all__ = ["control_events", "controllers", "messages", "parser"]
