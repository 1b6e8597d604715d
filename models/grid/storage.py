"""The storage that workers share: a database, or an append-only file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from export.errors import GlitchError

_MAX_LOCK_SECONDS = 120
_PAUSES_S = (0.05, 0.1, 0.2, 0.4)


class GridError(GlitchError):
    """A study or its storage cannot be used."""


def open_storage(url: str) -> BaseStorage:
    """Open a storage that workers share.

    Parameters
    ----------
    url
        A database (`sqlite:///FILE`, `postgresql://…`), or the path of an append-only file, which also works on
        network drives.

    Returns
    -------
    storage : BaseStorage
        A `JournalStorage` for a path, else a database.

    Raises
    ------
    GridError
        It cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if "://" not in url:
            Path(url).parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(url))
        if url.startswith("sqlite:///"):
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            storage = _database(url, {"connect_args": {"timeout": _MAX_LOCK_SECONDS}})
            _lock_before_reading(storage)
            return storage
        return _database(url, {})
    except (OSError, ImportError, ValueError, StorageInternalError, SQLAlchemyError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise GridError(
            f"The storage {url} cannot be opened ({text}); give sqlite:///FILE, or a file's path."
        ) from None


def _database(url: str, engine: dict[str, Any]) -> RDBStorage:
    """Open a database; retry while another worker creates its tables."""
    for pause_s in _PAUSES_S:
        try:
            return RDBStorage(url, engine_kwargs=engine)
        except (OperationalError, IntegrityError, ProgrammingError):
            time.sleep(pause_s)
    return RDBStorage(url, engine_kwargs=engine)


def _lock_before_reading(storage: RDBStorage) -> None:
    """Make each transaction of SQLite take the lock when it begins.

    Otherwise two workers may both read that a trial waits, before either of them takes it.
    """

    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver doesn't begin transactions by itself

    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    storage.engine.dispose()
    event.listen(storage.engine, "connect", connected)
    event.listen(storage.engine, "begin", begun)
