"""A session: one stream, its deck, its controllers, its window; what `glitch-live` runs and what Python plays.

with realtime.Session("vae.onnx") as session:
    session.set("/latent/1", 0.5)
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from export.contract import GlitchError, load
from realtime.decks import DeckProcess, wait_for
from realtime.memory import HISTORY, MAX_CHANNELS, Geometry, Registry, Segment, sweep
from realtime.mixer import MUTE_MS, Mixer
from realtime.osc import IMMEDIATELY, BadPacketError, Counts, OscServer, UnknownAddressError, number
from realtime.params import Parameter, ParameterError, Table, table
from realtime.record import Recorder, check_path
from realtime.stream import Device, DeviceError, choose, fitting_rate, open_stream

DECK_SLOT = 0
MARGIN_MS = 2.6  # decoded ahead beyond a block: what a wake-up may be late
WIDEN_MS = 1.0  # what an underrun adds
WIDEST_MS = 250.0
SUPERVISE_S = 0.02
FIRST_BLOCK_S = 2.0
RESTARTS = 5
RESTART_WINDOW_S = 30.0
SILENT_DB = -80.0


@dataclass(frozen=True)
class Status:
    """How the session is, now."""

    device: str
    latency_ms: dict[str, float]
    load: float  # share of the time to its deadline that a hop takes
    worst_load: float
    underruns: int
    device_underruns: int
    level_db: float
    osc_messages: int
    osc_bad: int
    osc_unknown: int
    nonfinite: int
    clock: int
    seconds: float
    deck_alive: bool

    @property
    def total_ms(self) -> float:
        """Control to speaker, on average."""
        return sum(self.latency_ms.values())


class Session:
    """Plays a model.

    Parameters
    ----------
    model
        The model file.
    device
        Output device: index, part of a name, `"null"`, or None for the default one (and the null device where there is
        none).
    samplerate
        Of the stream; None takes the model's where the device can.
    blocksize
        Frames a block; 0 leaves it to the device.
    latency
        What the device is asked for: `"low"`, `"high"` or seconds.
    osc
        Host and port to listen on, or None.
    seed
        Of everything random.
    record
        A file to record to, from the first sound on; `seconds` limits it.
    window
        Whether to open the window.

    Raises
    ------
    GlitchError
        With one sentence, where something doesn't work; nothing is left behind.
    """

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        device: str | int | None = None,
        samplerate: float | None = None,
        blocksize: int = 0,
        latency: float | Literal["low", "high"] = "low",
        osc: tuple[str, int] | None = None,
        seed: int = 0,
        record: str | os.PathLike[str] | None = None,
        seconds: float | None = None,
        window: bool = False,
    ) -> None:
        self.model = Path(model).absolute()
        _, self.card = load(model)
        self.card.method("decode")
        self.table: Table = table(self.card)
        self.seconds = seconds
        self._blocksize, self._latency, self._osc_address = blocksize, latency, osc
        self._record_path, self._wants_window, self._seed = record, window, seed
        self._device_wanted, self._rate_wanted = device, samplerate
        self._faders = [row.index for row in self.table.latents]
        self._closing = threading.Event()
        self._stack = contextlib.ExitStack()
        self._later: list[tuple[int, int, int, float]] = []  # (sample, arrival, parameter, value) of the host's own
        self._later_lock = threading.Lock()
        self._arrivals = itertools.count()
        self._panic_ends = 0.0
        self._seen_underruns = 0
        self._restarts: list[float] = []
        self.osc: OscServer | None = None
        self.recorder: Recorder | None = None
        self.began = 0  # the clock at the first sound
        self.notes: list[str] = []  # what a player should be told, oldest first
        self.error: str | None = None  # why the session cannot go on

    def start(self) -> Self:
        """Open the stream, start the deck, and play; a session that plays already plays on."""
        if self.began:
            return self
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Fade out, stop, and leave nothing behind. May be called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self.began:
            self._stream_state["mute"] = 1
            clock = int(self._stream_state["clock"])
            fade = 2 * MUTE_MS / 1000.0 * self.sample_rate
            wait_for(lambda: self._stream_state["clock"] >= clock + fade, 4 * MUTE_MS / 1000.0)
            self._stream_state["stopping"] = 1
        self._stack.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def set(self, address: str, *values: float, at: float = IMMEDIATELY) -> None:
        """Set a parameter, at once or at a unix time.

        Parameters
        ----------
        address
            As in OSC: `/latent/1`, `/latent` (with several values), `/gain`, `/panic`, …
        values
            One number; several for a list; for a trigger none, or anything but 0.

        Raises
        ------
        ParameterError
            There is no such parameter, or the values don't fit it.
        """
        row = self.table[address]
        if row.kind == "trigger":
            if values[:1] != (0,):  # what a button sends when it is let go
                self._apply(row, 1.0, self._sample_at(at))
            return
        try:
            numbers = [number(value, address) for value in values]
        except BadPacketError as error:
            raise ParameterError(f"{error}.") from None
        if row.kind == "list":
            if not 1 <= len(numbers) <= len(self._faders):
                raise ParameterError(f"{address} takes 1 to {len(self._faders)} numbers, not {len(numbers)}.")
            rows = [self.table.by_index[k] for k in self._faders[: len(numbers)]]
        elif len(numbers) != 1:
            raise ParameterError(f"{address} takes one number, not {len(numbers)}.")
        else:
            rows = [row]
        sample = self._sample_at(at)
        for target, value in zip(rows, numbers, strict=True):
            self._apply(target, target.clip(value), sample)

    def get(self, address: str) -> float:
        """Give a parameter's value as it was set last."""
        return float(self.values[self.table[address].index])

    @property
    def latents(self) -> np.ndarray:
        """The latent that is being played, in standard scores, in the order of `/latent/1` …"""
        return self.deck.segment["latents"][: len(self._faders)].astype(float)

    @property
    def playing(self) -> bool:
        """Whether there is anything left to wait for: the session goes on, and its seconds are not over."""
        if self.error is not None or self._closing.is_set():
            return False
        if self.recorder is not None and self.seconds is not None and self.recorder.error is None:
            return not self.recorder.done
        over = self.seconds is not None and self.status().seconds >= self.seconds
        return not over

    def status(self) -> Status:
        """Say how the session is, now."""
        stream, deck, meters = self._stream_state, self.deck.state, self.segment["meters"]
        power = float(meters["power"].max())
        deadline = max(float(deck["deadline_ms"]), 1e-9)
        counts = self.osc.counts if self.osc is not None else Counts()
        clock = int(stream["clock"])
        return Status(
            device=str(self.device),
            latency_ms=self.latency_ms(),
            load=float(deck["decode_ms"]) / deadline,
            worst_load=float(deck["worst_ms"]) / deadline,
            underruns=int(deck["underruns"]),
            device_underruns=int(stream["device_underruns"]),
            level_db=max(10 * math.log10(power) if power > 0 else -math.inf, SILENT_DB),
            osc_messages=counts.messages,
            osc_bad=counts.bad,
            osc_unknown=counts.unknown,
            nonfinite=int(deck["nonfinite"]) + int(stream["nonfinite"]),
            clock=clock,
            seconds=(clock - self.began) / self.sample_rate,
            deck_alive=self.deck.alive,
        )

    def latency_ms(self) -> dict[str, float]:
        """Break down the time from a control to the speaker: its parts, in ms, on average."""
        per_ms = self.sample_rate / 1000.0
        deck = self.deck.state
        return {
            "wait for the next frame": 0.5 * int(deck["hop"]) / per_ms,
            "decoded ahead": int(deck["ahead"]) / per_ms,
            "model": int(deck["delay"]) / per_ms,
            "device": 1000.0 * self.stream.latency_s,
        }

    def _start(self) -> None:
        keep = self._stack.enter_context
        self.notes += [f"Removed {name}, which a session that crashed had left." for name in sweep()]
        if self._record_path is not None:
            check_path(self._record_path)
        self._registry: Registry = keep(contextlib.closing(Registry()))
        self.device: Device = choose(self._device_wanted, self.card.sample_rate)
        self.sample_rate = fitting_rate(self.device, self._rate_wanted, self.card.sample_rate)
        channels = min(MAX_CHANNELS, self.device.channels)
        self.segment: Segment = keep(Segment.create(Geometry("stream", channels, HISTORY), self._registry))
        self._stream_state = self.segment["stream"][0]
        self.values = self.segment["values"]
        self.values[: len(self.table)] = [row.default for row in self.table.by_index]
        self.values[self.table["/walk/seed"].index] = self._seed
        if self._osc_address is not None:
            self.osc = OscServer(*self._osc_address, self._on_osc)
            self._stack.callback(self.osc.close)
        self.deck = self._start_deck()
        self._stack.callback(self._close_deck)
        self.mixer = Mixer(self.segment, self.sample_rate, channels)
        self.stream = open_stream(
            self.mixer, self.device, sample_rate=self.sample_rate, block=self._blocksize, latency=self._latency
        )
        self._stack.callback(self.stream.close)
        self.stream.start()
        if not wait_for(lambda: self._stream_state["callbacks"] > 1, FIRST_BLOCK_S):
            raise DeviceError(f"{self.device} was opened but asks for no sound; is its server running?")
        self.deck.wait_ready()
        self._plug()
        if self._record_path is not None:
            frames = None if self.seconds is None else round(self.seconds * self.sample_rate)
            self.recorder = Recorder(self._record_path, self.segment, frames)
            self._stack.callback(self.recorder.close)
            self.recorder.start(self.began)
        if self.osc is not None:
            self.osc.start()
        if self._wants_window:
            self._open_window()
        supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        supervisor.start()
        self._stack.callback(supervisor.join)

    def _start_deck(self) -> DeckProcess:
        values = [(row.index, float(self.values[row.index])) for row in self.table.by_index if row.where == "deck"]
        settings = [(k, value) for k, value in values if self.table.by_index[k].kind not in ("trigger", "list")]
        return DeckProcess(
            self.model,
            self.card,
            self._registry,
            sample_rate=self.sample_rate,
            seed=self._seed,
            values=settings,
            ahead=self._ms(MARGIN_MS),
        )

    def _close_deck(self) -> None:
        self.deck.close()

    def _plug(self) -> None:
        self._set_ahead()
        self._seen_underruns = 0
        self.mixer.plug(DECK_SLOT, self.deck.segment)
        self.began = self.began or max(int(self._stream_state["clock"]), 1)

    def _ms(self, milliseconds: float) -> int:
        return math.ceil(milliseconds * self.sample_rate / 1000.0)

    def _set_ahead(self) -> None:
        """Decode ahead what was asked for; else a block, and what a wake-up or two decodes may take."""
        asked = int(self.values[self.table["/ahead"].index])
        block = int(self._stream_state["largest_block"])
        margin = max(MARGIN_MS, 2.0 * float(self.deck.state["decode_ms"]))
        self.deck.state["ahead"] = max(asked, block) if asked else block + self._ms(margin)
        self._stream_state["block"] = block
        self._describe()

    def _sample_at(self, at: float) -> int:
        if at == IMMEDIATELY:
            return 0
        return int(self._stream_state["clock"]) + round((at - time.time()) * self.sample_rate)

    def _on_osc(self, address: str, arguments: Sequence[object], at: float) -> None:
        if address not in self.table:
            raise UnknownAddressError(address)
        try:
            self.set(address, *arguments, at=at)  # type: ignore[arg-type]
        except ParameterError as error:
            raise BadPacketError(str(error)) from None

    def _apply(self, row: Parameter, value: float, sample: int = 0) -> None:
        if row.where == "host" and sample > int(self._stream_state["clock"]):
            with self._later_lock:
                heapq.heappush(self._later, (sample, next(self._arrivals), row.index, value))
            return
        self.values[row.index] = value
        if row.where == "deck":
            self.deck.send(row.index, value, sample)
        elif row.address == "/gain":
            self._stream_state["gain"] = 10 ** (value / 20) if value > SILENT_DB else 0.0
        elif row.address == "/mute":
            self._stream_state["mute"] = 1 if value else int(self._panic_ends > 0)
        elif row.address == "/panic":
            self._stream_state["mute"] = 1
            self.deck.send(self.table["/reset"].index, 1.0)
            away = int(self.deck.state["ahead"]) + 3 * int(self.deck.state["hop"])
            self._panic_ends = time.monotonic() + MUTE_MS / 1000.0 + away / self.sample_rate
        elif row.address == "/ahead":
            self._set_ahead()

    def _supervise(self) -> None:
        """Look after what the audio needs, a few dozen times a second, without ever touching it."""
        while not self._closing.wait(SUPERVISE_S):
            stream = self._stream_state
            self._apply_what_is_due(int(stream["clock"]))
            if self._panic_ends and time.monotonic() >= self._panic_ends:
                self._panic_ends = 0.0
                stream["mute"] = int(self.get("/mute"))
            if int(stream["largest_block"]) > int(stream["block"]):  # the device asks for more than it did
                self._set_ahead()
            self._widen_after_underruns()
            if self.osc is not None:
                counts = self.osc.counts
                stream["osc_messages"], stream["osc_bad"] = counts.messages, counts.bad
                stream["osc_unknown"] = counts.unknown
            if not self.deck.alive and not self._closing.is_set():
                self._restart_deck()

    def _apply_what_is_due(self, clock: int) -> None:
        while self._later and self._later[0][0] <= clock:
            with self._later_lock:
                _, _, index, value = heapq.heappop(self._later)
            self._apply(self.table.by_index[index], value)

    def _widen_after_underruns(self) -> None:
        deck = self.deck.state
        underruns = int(deck["underruns"])
        if underruns > self._seen_underruns and not self.get("/ahead/lock"):
            widest = max(self._ms(WIDEST_MS), 2 * int(deck["hop"]))
            deck["ahead"] = min(int(deck["ahead"]) + self._ms(WIDEN_MS), widest)
            self._describe()
        self._seen_underruns = underruns

    def _restart_deck(self) -> None:
        """Put a fresh deck with the same knobs in the place of one that died."""
        now = time.monotonic()
        self._restarts = [when for when in self._restarts if now - when < RESTART_WINDOW_S] + [now]
        if len(self._restarts) > RESTARTS:
            self.error = f"The deck died {RESTARTS} times in {RESTART_WINDOW_S:.0f} s; the model cannot be played here."
            return
        callbacks = int(self._stream_state["callbacks"])
        self.mixer.unplug(DECK_SLOT)
        wait_for(lambda: self._stream_state["callbacks"] > callbacks + 1, FIRST_BLOCK_S)
        dead, self.deck = self.deck, self._start_deck()
        dead.close()
        try:
            self.deck.wait_ready()
        except GlitchError as error:
            self.notes.append(str(error))
            return
        self._plug()
        self.notes.append("The deck died and was started again.")

    def _describe(self) -> None:
        """Tell those who attach what they can't find in the numbers."""
        parts = self.latency_ms()
        self.segment.write_info(
            {
                "pid": os.getpid(),
                "model": str(self.model),
                "model_name": self.card.name,
                "device": str(self.device),
                "osc": [self.osc.host, self.osc.port] if self.osc else None,
                "decks": {"a": self.deck.segment.name},
                "latency": {"parts": list(parts.items()), "total_ms": sum(parts.values())},
                "sample_rate": self.sample_rate,
                "block": int(self._stream_state["block"]),
            }
        )

    def _open_window(self) -> None:
        """Open the window, a process that only reads; what becomes of it is no concern of the sound."""
        window = subprocess.Popen(
            [sys.executable, "-m", "gui", self.segment.name], stdin=subprocess.PIPE, start_new_session=True
        )
        self._stack.callback(_end, window)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a child by closing the pipe it lives by; kill it if it doesn't listen."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(1.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
