"""The examples are played by the programs that they are for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from realtime import Session
from realtime.decks import wait_for

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_pure_data_patch_plays_a_latent(models: dict[str, Path], tmp_path: Path) -> None:
    if shutil.which("pd") is None:
        pytest.fail("Pure Data is not installed; install it (Debian: apt install puredata-core)")
    with Session(models["level"], device="null", osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        session.set("/walk/radius", 0)
        patch = (EXAMPLES / "glitch-live.pd").read_text()
        assert "connect 127.0.0.1 9000" in patch
        copy = tmp_path / "glitch-live.pd"  # the port is the test's own
        copy.write_text(patch.replace("127.0.0.1 9000", f"127.0.0.1 {session.osc.port}"))
        pd = subprocess.Popen(
            ["pd", "-nogui", "-noaudio", "-open", str(copy), "-send", "glitch-latent-1 2.5"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert wait_for(lambda: session.get("/latent/1") == 2.5, 10), "the slider was not heard"
        finally:
            pd.terminate()
            _, said = pd.communicate(timeout=10)
        assert "error" not in said
        assert "failed" not in said
