"""Child processes: how long the host waits for a reply."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from realtime.ipc.child_process import ChildError, ChildProcess

SLOW = """
import time
from realtime.ipc.child_process import Requests, ask_for_time, reply

requests = Requests()
while (request := requests.next()) is not None:
    if request["more"]:
        ask_for_time(60.0)
    time.sleep(1.0)
    if request["more"]:
        ask_for_time(60.0)
    reply(done=True)
"""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChildProcess:
    (tmp_path / "slow_child.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(Path(__file__).parents[3]))))
    return ChildProcess("slow_child", "The slow child")


def test_a_child_that_asks_for_time_gets_it(slow: ChildProcess) -> None:
    assert slow.ask(30.0, more=False) == {"done": True}
    assert slow.ask(0.3, more=True) == {"done": True}
    slow.close()


def test_a_child_that_stays_silent_is_given_up(slow: ChildProcess) -> None:
    with pytest.raises(ChildError, match=r"The slow child has not answered for 0 s"):
        slow.ask(0.3, more=False)
    slow.close()
