"""Decks: each plays one model in a process of its own, ahead of the speaker.

==================  ================================================================================
`rack`              decks A and B with their parameters
`loader`            starts decks, crossfades between them, and ends them
`supervisor`        restarts dead decks, mutes slow ones
`lookahead`         how far decks decode ahead
`player`            model, effects and parameter values of a letter
`client`            the host's side of a deck process
`deck_process`      the deck process itself
`deck`              its loop: events and live input in, audio into the ring
`offline`           one deck without processes or device, for tests and for rendering in the studio
==================  ================================================================================
"""

__all__ = [
    "client",
    "deck",
    "deck_process",
    "loader",
    "lookahead",
    "offline",
    "player",
    "rack",
    "supervisor",
]
