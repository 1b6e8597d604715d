"""Playing on a real audio server with a real clock: JACK with its dummy driver."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jack import JackServer

pytestmark = pytest.mark.plays

PLAY = """
import json, sys, time
import numpy as np
from realtime import Session
from realtime.decks.deck_client import wait_for
with Session(sys.argv[1], blocksize=int(sys.argv[2])) as session:
    stream = session.segment["stream"][0]
    session.set("/walk/radius", 0)
    first = int(stream["callbacks"]), int(stream["clock"])
    assert wait_for(lambda: session.status().level_db > -20, 10), "no sound"
    assert wait_for(lambda: stream["clock"] > first[1] + 48_000, 10), "the clock stopped"
    status = session.status()
    blocks = (int(stream["clock"]) - first[1]) / (int(stream["callbacks"]) - first[0])
    print(json.dumps({
        "device": status.device, "largest_block": int(stream["largest_block"]), "mean_block": blocks,
        "latency_ms": status.latency_ms, "rate": session.sample_rate, "level_db": status.level_db,
    }))
"""


@pytest.mark.parametrize(
    ("rate", "block", "asked"), [(48_000, 64, 0), (48_000, 64, 64), (48_000, 128, 100), (44_100, 256, 0)]
)
def test_jack_is_played_without_underruns_at_any_block_size(
    models: dict[str, Path], rate: int, block: int, asked: int
) -> None:
    with JackServer(rate=rate, block=block) as server:
        done = subprocess.run(
            [sys.executable, "-c", PLAY, str(models["tone"]), str(asked)],
            env=server.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    assert "JACK" in reported["device"]
    assert reported["rate"] == rate
    assert reported["largest_block"] == (asked or block)
    assert reported["mean_block"] == pytest.approx(asked or block)
    assert reported["latency_ms"]["device"] > 0
    assert -14 < reported["level_db"] < -10


def test_a_missing_server_prints_nothing(models: dict[str, Path]) -> None:
    """JACK and ALSA write to the terminal from C when they find no server or card; that is suppressed."""
    done = subprocess.run(
        [sys.executable, "-m", "realtime.cli", "--list-devices"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**JackServer().environment, "JACK_DEFAULT_SERVER": "nowhere"},
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert "null" in done.stdout
