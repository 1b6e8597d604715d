"""Recordings, and takes, which can be rendered again to the same samples.

===================  ======================================================
`recorder`           records the output, the live input or decks into files
`soundfile_writer`   sound files that can be read while they grow
`journal`            the continuous log of a session
`leftover_journals`  the logs of killed sessions
`take`               reading of a part of it in one file
`renderer`           renders a take
`deck_renderer`      renders one deck of a take, in a process of its own
===================  ======================================================
"""

__all__ = [
    "deck_renderer",
    "journal",
    "leftover_journals",
    "recorder",
    "renderer",
    "soundfile_writer",
    "take",
]
