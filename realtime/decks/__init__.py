"""Decks: each plays one model in a process of its own, ahead of the speaker.

=================  ===============================================================================
`rack`             decks A and B with their parameters
`deck_loader`      starts decks, crossfades between them, and ends them
`deck_supervisor`  restarts dead decks, mutes slow ones
`lookahead`        how far decks decode ahead
`player`           model, effects and parameter values of a letter
`deck_client`      the host's side of a deck process
`deck_process`     the deck process itself
`deck`             its loop: events and live input in, audio into the ring
`offline_deck`     one deck without processes or device, for tests and for rendering in the studio
=================  ===============================================================================
"""

__all__ = [
    "deck",
    "deck_client",
    "deck_loader",
    "deck_process",
    "deck_supervisor",
    "lookahead",
    "offline_deck",
    "player",
    "rack",
]
