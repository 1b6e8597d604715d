"""Atomic writing of files: complete or not at all, even if the process is killed."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically: under a temporary name, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    scratch.write_bytes(content)
    put(scratch, path)


def put(scratch: Path, path: Path) -> None:
    """Rename a temporary file once its content is on the disk."""
    with scratch.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(scratch, path)
