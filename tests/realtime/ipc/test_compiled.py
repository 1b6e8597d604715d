"""Compiled code is kept from one start to the next, and never that of another version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CALL = """
import numpy as np
from realtime.dsp import mel_inversion
from realtime.ipc import compiled
mel_inversion.warm()
print(sum(mel_inversion.begin.stats.cache_hits.values()), compiled.config.CACHE_DIR)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Copy the files of the stage to a folder that the test may change."""
    for package in ("realtime", "export"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def kept(program: Path) -> list[Path]:
    return sorted((program / "realtime" / "__pycache__").glob("glitch-live-*"))


def hits(program: Path) -> int:
    """Start the program and count the functions that were loaded instead of compiled."""
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        env=environment | {"PYTHONPATH": str(program)},
        cwd=program,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found, *others_folder = done.stdout.split()
    assert not others_folder, "where other code is kept was changed"
    return int(found)


def test_compiled_code_is_kept_until_any_file_changes(program: Path) -> None:
    assert hits(program) == 0
    assert hits(program) == 1
    with (program / "realtime" / "dsp" / "propagation.py").open("a") as file:
        file.write("# `begin` calls functions of this file\n")
    assert hits(program) == 0
    assert len(kept(program)) == 2, "somebody may still be playing with the code of before"


def test_unused_code_of_other_versions_is_removed(program: Path) -> None:
    assert hits(program) == 0
    with (program / "realtime" / "ipc" / "layout.py").open("a") as file:
        file.write("# another version\n")
    (old,) = kept(program)
    os.utime(old, (time.time() - 100_000,) * 2)
    assert hits(program) == 0
    assert old not in kept(program)


def test_compiled_code_is_kept_among_the_users_data_where_the_package_is_read_only(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program / "realtime" / "__pycache__").write_text("no folder can be made here")
    monkeypatch.setenv("XDG_DATA_HOME", str(program / "data"))
    monkeypatch.setenv("APPDATA", str(program / "data"))
    monkeypatch.setenv("HOME", str(program))
    assert hits(program) == 0
    assert hits(program) == 1
    assert list(program.rglob("compiled/glitch-live-*"))
