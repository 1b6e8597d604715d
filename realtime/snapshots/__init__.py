"""Snapshots: the values of all parameters under a name and a number, and what lies between several of them.

===================  =======================================================================
`snapshot`           one snapshot, and taking it from the decks that play
`recall_exclusions`  which parameters a recall leaves alone
`store`              all snapshots of a session, with the rules and the corners of the morph
`morph`              interpolation between snapshots, and timed recalls
===================  =======================================================================
"""

__all__ = ["morph", "recall_exclusions", "snapshot", "store"]
