"""Checkpoints of older versions, made from those of today."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def renamed(weights: Mapping[str, Tensor], prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    """Rename weights whose names begin with a prefix; every prefix must occur."""
    unused = [old for old in prefixes if not any(name.startswith(old) for name in weights)]
    assert not unused, unused
    made = {}
    for name, value in weights.items():
        old = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        made[prefixes.get(old, "") + name.removeprefix(old)] = value
    return made
