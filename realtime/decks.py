"""The host's side of a deck: starts the process, hears what it says, sends it events, ends it."""

from __future__ import annotations

import collections
import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from typing import Any

from export.contract import Card, GlitchError
from realtime import rings
from realtime.memory import RING, Geometry, Registry, Segment

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 2.0


class DeckError(GlitchError):
    """A deck could not be started, or has died."""


class DeckProcess:
    """A deck process and its segment.

    Parameters
    ----------
    model
        Path of the model file, and `card`, what it says of itself.
    sample_rate
        Of the stream.
    seed
        Of everything random in the deck.
    values
        Pairs (parameter, value) that the deck starts with.
    ahead
        Frames to decode ahead of the speaker.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        card: Card,
        registry: Registry,
        *,
        sample_rate: float,
        seed: int = 0,
        values: list[tuple[int, float]] | None = None,
        ahead: int,
    ) -> None:
        method = card.method("decode")
        hop = math.ceil(method.hop * sample_rate / card.sample_rate)
        capacity = max(RING, 1 << (8 * hop - 1).bit_length())
        self.segment = Segment.create(Geometry("deck", min(method.channels, 2), capacity), registry)
        self.state = self.segment["deck"][0]
        self.state["ahead"] = ahead
        self.state["hop"] = hop
        self.notes: collections.deque[str] = collections.deque(maxlen=100)
        self.error: str | None = None
        self._lock = threading.Lock()
        self._said_ready = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime.deck", self.segment.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **_apart(),
        )
        order = {"model": os.fspath(model), "sample_rate": sample_rate, "seed": seed, "values": values or []}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self.error = "it ended before it had begun"
        threading.Thread(target=self._listen, name="deck", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the deck decodes.

        Raises
        ------
        DeckError
            It ended first, with the sentence it gave as the reason; or it took too long.
        """
        if not self._said_ready.wait(timeout_s):
            raise DeckError(f"The deck did not start within {timeout_s:.0f} s; is the machine overloaded?")
        if self.error is not None:
            raise DeckError(self.error)

    def send(self, parameter: int, value: float, sample: int = 0) -> None:
        """Put an event into the deck's ring; it acts at `sample` of the stream's clock, or with the next frame."""
        with self._lock:
            events = self.segment.arrays.get("events")
            if events is None:
                return
            if not rings.push_event(self.segment["event_index"], events, sample, parameter, value):
                self.state["lost_events"] += 1

    def close(self) -> None:
        """End the process, kindly and then not, and remove its segment. Nothing may read the segment any more."""
        self.state["stop"] = 1
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._lock:
            self.state = self.state.copy()  # what it told last stays to be read
            self.segment.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                message: dict[str, Any] = json.loads(line)
            except ValueError:
                self.notes.append(line.strip())
                continue
            if "error" in message:
                self.error = message["error"]
            if "note" in message:
                self.notes.append(message["note"])
            if "ready" in message:
                self._said_ready.set()
        code = self._process.wait()
        if self.error is None and not self._said_ready.is_set():
            self.error = f"The deck ended with code {code} before it could play; run with --debug to see why."
        self._said_ready.set()

    def __enter__(self) -> DeckProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _apart() -> dict[str, Any]:
    """Keep Ctrl-C from reaching the child: the host decides how to end it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def wait_for(condition: Any, timeout_s: float, interval_s: float = 0.002) -> bool:
    """Wait until `condition()` holds, for at most `timeout_s`; say whether it did."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval_s)
    return True
