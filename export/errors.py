"""Errors that the commands print as one sentence, without a traceback."""

from __future__ import annotations


class GlitchError(Exception):
    """An error for the user: what is wrong, what was expected, and what to do."""


class ContractError(GlitchError):
    """A file is not a valid model, or a model can't be made from it."""
