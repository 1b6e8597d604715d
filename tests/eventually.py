"""Waiting for an event, in the one way that all tests share."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 60.0  # only a test that fails takes this long
POLL_S = 0.002


def eventually(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; fail if it doesn't within `timeout_s`."""
    assert became(condition, timeout_s), f"the condition did not hold within {timeout_s:g} s"


def became(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> bool:
    """Wait until a condition holds, for at most `timeout_s`; return whether it does."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return bool(condition())
        time.sleep(POLL_S)
    return True
