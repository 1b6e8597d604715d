"""Lightning without its hints and banners."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lightning_logging(level: int = logging.ERROR) -> Iterator[None]:
    """Show Lightning's log messages from `level` on only, and none of the warnings, within a `with` block."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(level)
        try:
            yield
        finally:
            for logger, level_before in zip(loggers, before, strict=True):
                logger.setLevel(level_before)
