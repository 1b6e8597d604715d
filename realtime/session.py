"""A session: one stream, its decks, its controllers, its window; what `glitch-live` runs and what Python plays.

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
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from export.contract import Card, GlitchError, load
from realtime.child import ChildError
from realtime.commands import commands, readings
from realtime.decks import DeckError, DeckProcess, start_deck, wait_for
from realtime.library import Library, bundled_model
from realtime.memory import HISTORY, LETTERS, MUTE_MS, READ, Geometry, Registry, Segment, sweep
from realtime.osc import IMMEDIATELY, BadPacketError, Counts, number
from realtime.osc_surface import OscSurface
from realtime.output import Output
from realtime.params import Parameter, ParameterError, table
from realtime.rack import Player, Rack, addresses
from realtime.record import Recorder, check_path
from realtime.status import Status

if TYPE_CHECKING:
    from realtime.midi import Midi

SUPERVISE_S = 0.02
FIRST_BLOCK_S = 2.0
DEVICE_GONE_S = 1.0
REOPEN_S = 1.0
NOTE_EVERY_S = 3.0
SILENT_DB = -80.0


class SessionError(GlitchError):
    """The session isn't playing."""


class Session:
    """Plays a model.

    Parameters
    ----------
    model
        The model file; None plays the bundled one.
    device
        Output device: index, part of a name, `"null"`, or None for the default one (and the null device where there is
        none).
    samplerate
        Of the stream; None takes the model's where the device can.
    blocksize
        Frames a block; 0 leaves it to the device.
    latency
        What the device is asked for: `"low"`, `"high"` or seconds.
    library
        The folder that models are loaded from by name; None takes the user's own. The bundled ones are always there.
    osc
        Host and port to listen on, over UDP and TCP, or None.
    query_port
        Port of OSCQuery; 0 takes a free one, None does without.
    midi
        Parts of the names of MIDI inputs to play from (`["*"]` is all), or None.
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
        model: str | os.PathLike[str] | None = None,
        *,
        device: str | int | None = None,
        samplerate: float | None = None,
        blocksize: int = 0,
        latency: float | Literal["low", "high"] = "low",
        library: str | os.PathLike[str] | None = None,
        osc: tuple[str, int] | None = None,
        query_port: int | None = None,
        midi: Sequence[str] | None = None,
        seed: int = 0,
        record: str | os.PathLike[str] | None = None,
        seconds: float | None = None,
        window: bool = False,
    ) -> None:
        model = model if model is not None else bundled_model()
        card = load(model)[1]  # what is no model is refused before anything starts
        card.method("decode")
        self._model_rate = card.sample_rate
        self._model, self._library = Path(model).absolute(), Library(library)
        self.seconds = seconds
        self._blocksize, self._latency, self._osc_address = blocksize, latency, osc
        self._query_port, self._midi_names = query_port, midi
        self._record_path, self._wants_window, self._seed = record, window, seed
        self._device_wanted, self._rate_wanted = device, samplerate
        self._closing = threading.Event()
        self._stack = contextlib.ExitStack()
        self._later: list[tuple[int, int, str, float]] = []  # (sample, arrival, address, value) of the host's own
        self._later_lock = threading.Lock()
        self._arrivals = itertools.count()
        self._panic_ends = 0.0
        self._beat = (0, 0.0)  # the callbacks counted last, and when they were
        self._reopen_at = 0.0
        self._wrong = ((0, 0), 0.0)  # bad and unknown messages when that was said last, and when it may be said again
        self._meant: dict[str, tuple[Player, Parameter]] = {}
        self._focus_index = table()["/focus"].index
        self.addresses: dict[str, Parameter] = {}
        self.osc: OscSurface | None = None
        self.midi: Midi | None = None
        self.recorder: Recorder | None = None
        self.began = 0  # the clock at the first sound
        self.notes: list[str] = []  # what a player should be told, oldest first

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

    def set(self, address: str, *values: object, at: float = IMMEDIATELY) -> None:
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
        player, row = self._find(address)
        sample = self._sample_at(at)
        if row.kind == "trigger":
            if values[:1] != (0,):  # what a button sends when it is let go
                self._apply(player, row, 1.0, sample)
            return
        try:
            numbers = [number(value, address) for value in values]
        except BadPacketError as error:
            raise ParameterError(f"{error}.") from None
        if row.kind == "list":
            if not 1 <= len(numbers) <= len(player.faders):
                raise ParameterError(f"{address} takes 1 to {len(player.faders)} numbers, not {len(numbers)}.")
            for target, value in zip(player.faders, numbers, strict=False):
                self._apply(player, target, target.clip(value), sample)
        elif len(numbers) != 1:
            raise ParameterError(f"{address} takes one number, not {len(numbers)}.")
        else:
            self._apply(player, row, row.clip(numbers[0]), sample)

    def get(self, address: str) -> float:
        """Give a parameter's value as it was set last."""
        player, row = self._find(address)
        return float(player.values[row.index])

    def load(self, name: str, *, letter: str | None = None) -> Future[None]:
        """Load a model of the library on a deck (the one in focus), and cross over to it in `/model/fade`.

        The future ends when the old model is gone; it raises `GlitchError` where the new one cannot be played, and then
        the old one plays on.
        """
        letter = letter or self.focus
        if letter not in LETTERS:
            raise ParameterError(f"There is no deck '{letter}'; there are {' and '.join(LETTERS)}.")
        return self.rack.load(letter, self._library.find(name), fade_ms=self.get("/model/fade"))

    def models(self) -> list[str]:
        """List the models that `load` knows, by name."""
        return self._library.names()

    @property
    def focus(self) -> str:
        """The letter of the deck that plain addresses mean."""
        return LETTERS[int(self.rack.players[LETTERS[0]].values[self._focus_index])]

    @property
    def player(self) -> Player:
        """The deck in focus and its knobs."""
        return self.rack.players[self.focus]

    @property
    def deck(self) -> DeckProcess:
        """The process of the deck in focus."""
        self._must_play()
        process = self.player.process
        if process is None:
            raise DeckError(f"Deck {self.focus.upper()} plays nothing; load a model on it first.")
        return process

    @property
    def card(self) -> Card:
        """What the model of the deck in focus says of itself."""
        card = self.player.card
        if card is None:
            raise DeckError(f"Deck {self.focus.upper()} plays nothing; load a model on it first.")
        return card

    @property
    def latents(self) -> np.ndarray:
        """The latent that is being played, in standard scores, in the order of `/latent/1` …"""
        return self.deck.segment["latents"][: len(self.player.faders)].astype(float)

    @property
    def playing(self) -> bool:
        """Whether there is anything left to wait for: the session goes on, and its seconds are not over."""
        if self._closing.is_set() or not self.began:
            return False
        if self.recorder is not None and self.seconds is not None and self.recorder.error is None:
            return not self.recorder.done
        over = self.seconds is not None and self.status().seconds >= self.seconds
        return not over

    def status(self) -> Status:
        """Say how the session is, now."""
        self._must_play()
        stream, meters = self._stream_state, self.segment["meters"]
        power = float(meters["power"].max())
        states = [p.process.state for p in self.rack.players.values() if p.process is not None]
        deadlines = [max(float(state["deadline_ms"]), 1e-9) for state in states]
        counts = self.osc.counts if self.osc is not None else Counts()
        clock = int(stream["clock"])
        return Status(
            device=str(self.device),
            latency_ms=self.latency_ms(),
            load=sum(float(s["decode_ms"]) / deadline for s, deadline in zip(states, deadlines, strict=True)),
            worst_load=max((float(s["worst_ms"]) / d for s, d in zip(states, deadlines, strict=True)), default=0.0),
            underruns=sum(player.underruns for player in self.rack.players.values()),
            device_underruns=int(stream["device_underruns"]),
            level_db=max(10 * math.log10(power) if power > 0 else -math.inf, SILENT_DB),
            osc_messages=counts.messages,
            osc_bad=counts.bad,
            osc_unknown=counts.unknown,
            nonfinite=sum(int(state["nonfinite"]) for state in states) + int(stream["nonfinite"]),
            clock=clock,
            seconds=(clock - self.began) / self.sample_rate,
            deck_alive=self.player.process is not None and self.player.process.alive,
        )

    def latency_ms(self) -> dict[str, float]:
        """Break down the time from a control to the speaker, for the deck in focus: its parts, in ms, on average."""
        per_ms = self.sample_rate / 1000.0
        process = self.player.process
        hop, ahead, delay = (int(process.state[k]) if process else 0 for k in ("hop", "ahead", "delay"))
        return {
            "wait for the next frame": 0.5 * hop / per_ms,
            "decoded ahead": ahead / per_ms,
            "model": delay / per_ms,
            "device": 1000.0 * self.output.latency_s,
        }

    def _start(self) -> None:
        keep = self._stack.enter_context
        self.notes += [f"Removed {name}, which a session that crashed had left." for name in sweep()]
        if self._record_path is not None:
            check_path(self._record_path)
        registry = keep(contextlib.closing(Registry()))
        early = start_deck()  # it takes longest, so it comes first
        try:
            self.output = Output()
            self._stack.callback(self.output.close)
            self.device = self.output.choose(self._device_wanted, self._rate_wanted, self._model_rate)
        except BaseException:
            early.close()
            raise
        self.sample_rate = self.device.sample_rate
        self.segment: Segment = keep(Segment.create(Geometry("stream", self.device.channels, HISTORY), registry))
        self._stream_state = self.segment["stream"][0]
        if self._osc_address is not None:
            self.osc = OscSurface(
                self,
                *self._osc_address,
                query_port=self._query_port,
                readings=lambda: readings(self),
                commands=commands(self),
            )
            self._stack.callback(self.osc.close)
        self.rack = Rack(
            self.output,
            self.segment,
            registry,
            sample_rate=self.sample_rate,
            seed=self._seed,
            changed=self._changed,
            note=self.notes.append,
            waiting=early,
        )
        keep(contextlib.closing(self.rack))
        first = self.rack.load(LETTERS[0], self._model)
        self.output.open(self.segment, block=self._blocksize, latency=self._latency)
        if not wait_for(lambda: self._stream_state["callbacks"] > 1, FIRST_BLOCK_S):
            raise ChildError(f"{self.device} was opened but asks for no sound; is its server running?")
        first.result()
        self.began = self._first_sound()
        self.rack.set_ahead()
        if self._record_path is not None:
            frames = None if self.seconds is None else round(self.seconds * self.sample_rate)
            self.recorder = Recorder(self._record_path, self.segment, frames)
            self._stack.callback(self.recorder.close)
            self.recorder.start(self.began)
        if self.osc is not None:
            self.osc.start()
        if self._midi_names is not None:
            self._start_midi(self._midi_names)
        if self._wants_window:
            self._open_window()
        supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        supervisor.start()
        self._stack.callback(supervisor.join)

    def _start_midi(self, names: Sequence[str]) -> None:
        from realtime.midi import Midi  # a process and two threads, only for those who play it

        mapping = self._library.folder.parent / "midi.json"
        outputs = [
            name for name in names if name != "*"
        ]  # what a controller is told goes to those named, not to synths
        self.midi = Midi(self, mapping=mapping, inputs=names, outputs=outputs, say=self.notes.append)
        self._stack.callback(self.midi.close)
        self.midi.start()

    def _first_sound(self) -> int:
        """Wait for the deck to be heard, and give the sample of the clock at which its first frame sounded."""
        process = self.rack.players[LETTERS[0]].process
        assert process is not None
        if not wait_for(lambda: process.segment["ring_index"][READ] > 0, FIRST_BLOCK_S):
            raise ChildError(f"{self.device} was opened but takes no sound; is its server running?")
        return max(int(process.state["play_offset"]), 1)

    def _changed(self) -> None:
        """Take in what plays where now: what addresses mean, and what those who attach should know."""
        self._meant = addresses(self.rack.players, self.focus)
        self.addresses = {address: row for address, (_, row) in self._meant.items()}
        if self.began:
            self._describe()

    def _find(self, address: str) -> tuple[Player, Parameter]:
        self._must_play()
        meant = self._meant.get(address)
        if meant is None:
            raise ParameterError(f"There is no parameter {address}; 'glitch-live --list-params' lists them.")
        return meant

    def _must_play(self) -> None:
        if not self.began or self._closing.is_set():
            state = "closed" if self._closing.is_set() else "not started"
            raise SessionError(f"This session is {state}; use it inside 'with realtime.Session(…) as session:'.")

    def _sample_at(self, at: float) -> int:
        if at == IMMEDIATELY:
            return 0
        return int(self._stream_state["clock"]) + round((at - time.time()) * self.sample_rate)

    def _apply(self, player: Player, row: Parameter, value: float, sample: int = 0) -> None:
        if row.where == "deck":
            self.rack.send(player, row, value, sample)
            return
        if sample > int(self._stream_state["clock"]):
            with self._later_lock:
                heapq.heappush(self._later, (sample, next(self._arrivals), row.address, value))
            return
        self.rack.host_value(row, value)
        if row.address == "/gain":
            self._stream_state["gain"] = 10 ** (value / 20) if value > SILENT_DB else 0.0
        elif row.address == "/mute":
            self._stream_state["mute"] = 1 if value else int(self._panic_ends > 0)
        elif row.address == "/panic":
            self._panic()
        elif row.address == "/crossfade":
            self.rack.cross()
        elif row.address == "/focus":
            self._changed()
        elif row.address == "/ahead":
            self.rack.set_ahead()

    def _panic(self) -> None:
        """Fade out, bring every deck to rest; the supervisor fades in when what was decoded before has gone by."""
        self._stream_state["mute"] = 1
        away = 0
        for player in self.rack.players.values():
            if player.process is not None:
                player.process.send(player.table["/reset"].index, 1.0)
                away = max(away, int(player.process.state["ahead"]) + 3 * int(player.process.state["hop"]))
        self._panic_ends = time.monotonic() + MUTE_MS / 1000.0 + away / self.sample_rate

    def _supervise(self) -> None:
        """Look after what the audio needs, a few dozen times a second, without ever touching it."""
        stream = self._stream_state
        fade = (2 * SUPERVISE_S + MUTE_MS / 1000.0) * self.sample_rate
        while not self._closing.wait(SUPERVISE_S):
            self._apply_what_is_due(int(stream["clock"]))
            if self._panic_ends and time.monotonic() >= self._panic_ends:
                self._panic_ends = 0.0
                stream["mute"] = int(self.get("/mute"))
            if self.osc is not None:
                counts = self.osc.counts
                stream["osc_messages"], stream["osc_bad"] = counts.messages, counts.bad
                stream["osc_unknown"] = counts.unknown
                self._name_what_is_wrong(counts)
            if self.seconds is not None and stream["clock"] > self.began + self.seconds * self.sample_rate - fade:
                stream["mute"] = 1  # so that what was timed ends without a click
            self.rack.supervise()
            self._watch_the_device()

    def _name_what_is_wrong(self, counts: Counts) -> None:
        """Say, now and then, what it was that came in over OSC and could not be used."""
        wrong = (counts.bad, counts.unknown)
        now = time.monotonic()
        if wrong == self._wrong[0] or now < self._wrong[1]:
            return
        said = counts.last_bad if counts.bad != self._wrong[0][0] else f"there is no address {counts.last_unknown}"
        self.notes.append(f"OSC: {said}.")
        self._wrong = (wrong, now + NOTE_EVERY_S)

    def _apply_what_is_due(self, clock: int) -> None:
        while self._later and self._later[0][0] <= clock:
            with self._later_lock:
                _, _, address, value = heapq.heappop(self._later)
            self._apply(*self._meant[address], value)

    def _watch_the_device(self) -> None:
        """Notice a device that asks for nothing any more, and open it again, by name, when it is back."""
        now, callbacks = time.monotonic(), int(self._stream_state["callbacks"])
        if callbacks != self._beat[0]:
            self._beat = (callbacks, now)
            return
        gone = not self.output.alive or now - self._beat[1] > DEVICE_GONE_S
        if not gone or now < self._reopen_at:
            return
        if not self._reopen_at:
            self.notes.append(f"{self.device} is gone; waiting for it to come back.")
        with contextlib.suppress(ChildError):
            self.output.reopen()
            self._beat = (-1, time.monotonic())
            self._reopen_at = 0.0
            self.notes.append(f"{self.device} is back.")
            self._describe()
            return
        self._reopen_at = time.monotonic() + REOPEN_S

    def _describe(self) -> None:
        """Tell those who attach what they can't find in the numbers."""
        parts = self.latency_ms()
        self.segment.write_info(
            {
                "pid": os.getpid(),
                "model": str(self.player.model),
                "model_name": self.player.card.name if self.player.card else "",
                "device": str(self.device),
                "osc": [self.osc.host, self.osc.port] if self.osc else None,
                "focus": self.focus,
                "decks": {k: p.process.segment.name for k, p in self.rack.players.items() if p.process is not None},
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
