"""Control from outside, beside the parameters.

=================  ================================================================
`commands`         OSC addresses that aren't parameters: snapshots, models, effects
`arguments`        the arguments of these commands, checked
`midi_connection`  MIDI, connected to a session
`window`           the window's process
=================  ================================================================
"""

__all__ = ["arguments", "commands", "midi_connection", "window"]
