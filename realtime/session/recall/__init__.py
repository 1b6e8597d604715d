"""Snapshots on the stage.

===============  ===========================================================
`recall`         saving, recalling, morphing
`deck_states`    the state of decks that snapshots restore: captured by the
                 decks, kept in files
===============  ===========================================================
"""

__all__ = ["deck_states", "recall"]
