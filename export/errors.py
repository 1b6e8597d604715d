"""Errors that a command prints as one sentence."""

from __future__ import annotations


class GlitchError(Exception):
    """An error for the user: what is wrong, what was expected, what to do."""


class ContractError(GlitchError):
    """A file is not a model of this format, or its card and its graph contradict each other."""
