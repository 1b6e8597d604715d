"""`--check`: measure before the show whether a model is fast enough on this machine."""

from __future__ import annotations

import gc
import os
import time
from dataclasses import dataclass

import numpy as np

from realtime.engine.engine import Engine
from realtime.ipc.priority import drop_priority, request_realtime

SAFE_SHARE = 0.7  # of the deadline, for one hop in a thousand
RECOMMENDED_BLOCKS = (64, 128, 256, 512, 1024)
WAKE_MS = 1.5
SLIGHT_BEND = 1.001
NOISE_LEVEL = 0.1  # of the input for a model that transforms live input


@dataclass(frozen=True)
class Check:
    """The measured time per hop."""

    median_ms: float
    p999_ms: float
    worst_ms: float
    deadline_ms: float
    hops: int
    priority: int
    sample_rate: float

    @property
    def holds(self) -> bool:
        """Whether hops are ready in time, all but one in a thousand."""
        return self.p999_ms <= SAFE_SHARE * self.deadline_ms

    @property
    def lookahead_ms(self) -> float:
        """The look-ahead beyond a block, in ms, that hides even the slowest hop."""
        return self.worst_ms + WAKE_MS

    def sentence(self, name: str) -> str:
        """Return the result as a sentence about the model of that name."""
        share = 100 * self.p999_ms / self.deadline_ms
        figures = (
            f"a hop costs {self.median_ms:.2f} ms (p99.9 {self.p999_ms:.2f}, worst {self.worst_ms:.2f}) "
            f"of the {self.deadline_ms:.2f} ms it may take"
        )
        if self.holds:
            block = next(
                (b for b in RECOMMENDED_BLOCKS if 1e3 * b / self.sample_rate >= 0.25 * self.lookahead_ms), 1024
            )
            return f"{name} holds on this machine: {figures}; play it with --blocksize {block}."
        if self.median_ms <= SAFE_SHARE * self.deadline_ms:
            ahead = round(2 * self.worst_ms * self.sample_rate / 1000)
            return (
                f"{name} is at risk on this machine: {figures}, so slow hops reach {share:.0f} % of the deadline; "
                f"close other programs, or send /ahead {ahead} over OSC and live with the latency."
            )
        return f"{name} does not hold on this machine: {figures}; use a smaller model or a faster machine."


def measure(path: str | os.PathLike[str], *, sample_rate: float | None = None, seconds: float = 3.0) -> Check:
    """Run a model in real time for a few seconds, as on stage, and measure each hop.

    Parameters
    ----------
    path
        The model file.
    sample_rate
        Of the audio device, in Hz. Default: the model's.
    seconds
        The time to run, in s.

    Returns
    -------
    Check
        Figures of at least 10 hops.

    Raises
    ------
    ContractError
        The file isn't a model.
    """
    from export.format.io import load

    card = load(path)[1]
    rate = sample_rate or card.sample_rate
    engine = Engine(path, rate, inputs=1 if card.live_method == "transform" else 0)
    noise = NOISE_LEVEL * np.random.default_rng(0).standard_normal((1, engine.hop + 1), np.float32)
    for row in engine.table.bends:  # a bent model takes the longest
        if row.address.endswith("/scale"):
            engine.apply(row.index, SLIGHT_BEND)
    engine.decoder.warm()
    deadline = engine.decoder.hop / engine.decoder.card.sample_rate
    priority = request_realtime()
    gc.collect()
    gc.freeze()
    gc.disable()
    costs = []
    due = time.perf_counter()
    try:
        for _ in range(max(int(seconds / deadline), 10)):
            began = time.perf_counter()
            engine.next(noise[:, : engine.input_wanted] if engine.inputs else None)
            costs.append(time.perf_counter() - began)
            due = max(due + deadline, began)
            time.sleep(max(0.0, due - time.perf_counter()))
    finally:
        gc.enable()
        gc.unfreeze()
        drop_priority()  # so that processes started from here don't inherit it
    ms = 1e3 * np.array(costs)
    return Check(
        median_ms=float(np.median(ms)),
        p999_ms=float(np.percentile(ms, 99.9)),
        worst_ms=float(ms.max()),
        deadline_ms=1e3 * deadline,
        hops=len(ms),
        priority=priority,
        sample_rate=rate,
    )
