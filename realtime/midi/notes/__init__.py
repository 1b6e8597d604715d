"""Notes: keys, pedal, bends and MPE to pitch, loudness and gate of a model's voices.

=================  ===================================================
`settings`         how notes are played, as in the mapping file
`monophonic`       one voice: the latest key has priority
`polyphonic`       several voices: each note takes one
`note_router`      messages to the voices of their channel or MPE zone
`note_parameters`  actions of voices to parameters
=================  ===================================================
"""

__all__ = ["monophonic", "note_parameters", "note_router", "polyphonic", "settings"]
