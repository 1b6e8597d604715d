"""A session: one stream, its decks, its controllers, its window; what `glitch-live` runs and what Python plays.

with realtime.Session("vae.onnx") as session:
    session.set("/latent/1", 0.5)
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from export.errors import GlitchError
from export.format.card import Card
from export.format.io import load
from realtime.audio.output import Output
from realtime.audio.watchdog import DeviceWatchdog
from realtime.decks.client import DeckError, DeckProcess, start_deck_process, wait_for
from realtime.decks.player import Player
from realtime.decks.rack import Rack
from realtime.effects import chain as effects
from realtime.effects.chain import Effect
from realtime.ipc.child import ChildError
from realtime.ipc.folders import data_folder
from realtime.ipc.layout import HISTORY, LETTERS, MUTE_MS, READ, Geometry
from realtime.ipc.priority import reduce_pauses
from realtime.ipc.registry import Registry, sweep
from realtime.ipc.sample_clock import SampleClock
from realtime.ipc.segments import Segment
from realtime.library.library import Library, bundled_model
from realtime.library.opening import open_model
from realtime.osc.servers import OscSurface
from realtime.osc.udp import IMMEDIATELY, Counts
from realtime.params.table import Parameter, ParameterError
from realtime.session import persistence as persist
from realtime.session import status
from realtime.session.autosave import Autosave
from realtime.session.commands import commands, readings
from realtime.session.controls import Controls
from realtime.session.recall import Recall
from realtime.session.recordings import Recordings, check_take
from realtime.session.status import Status
from realtime.takes import journal
from realtime.takes.journal import Journal
from realtime.takes.recorder import Recorder, check_path

if TYPE_CHECKING:
    from realtime.midi import Midi

SUPERVISE_S = 0.02
FIRST_BLOCK_S = 2.0
NOTE_EVERY_S = 3.0
NOTES = 1000


class SessionError(GlitchError):
    """The session isn't playing."""


class Session:
    """Plays a model.

    Parameters
    ----------
    model
        The model file: ours (`.onnx`), or TorchScript of the nn~ kind, which is converted when it is opened first.
        None plays the bundled one.
    device
        Output device: index, part of a name, `"null"`, or None for the default one (and the null device where there is
        none).
    outputs
        The device's channels to play on, from 1 on; None takes as many as the model has, and two at least.
    input_device
        Input device, as `device`, `""` for the default one; None goes without live input.
    inputs
        The input's channels to hear, from 1 on; None takes the first.
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
    midi_outputs
        Parts of the names of MIDI outputs that are told what changes; None takes those of `midi` that are named.
    fx
        What the first deck's sound goes through: names of effects.
    session
        A session file: what it has is brought back, and everything is kept in it from then on.
    takes
        The folder for recordings and takes; None takes the user's own.
    seed
        Of everything random.
    record
        A file to record to, from the first sound on; `seconds` limits it.
    take
        A file to write the take to, from the first sound to the end.
    window
        Whether to open the window.
    tell
        Called with a sentence where opening the model takes long; None keeps such sentences among the notes.

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
        outputs: Sequence[int] | None = None,
        input_device: str | int | None = None,
        inputs: Sequence[int] | None = None,
        samplerate: float | None = None,
        blocksize: int = 0,
        latency: float | Literal["low", "high"] = "low",
        library: str | os.PathLike[str] | None = None,
        osc: tuple[str, int] | None = None,
        query_port: int | None = None,
        midi: Sequence[str] | None = None,
        midi_outputs: Sequence[str] | None = None,
        fx: Sequence[str] = (),
        session: str | os.PathLike[str] | None = None,
        takes: str | os.PathLike[str] | None = None,
        seed: int = 0,
        record: str | os.PathLike[str] | None = None,
        take: str | os.PathLike[str] | None = None,
        seconds: float | None = None,
        window: bool = False,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self.notes: list[str] = []  # what a player should be told, oldest first; the last of them
        self.said = 0  # how many there were in all
        self.library = Library(library)
        self._stored = persist.read(session, self.library, self.say) if session is not None else None
        kept = self._stored.models.get(LETTERS[0]) if self._stored is not None else None
        self._model = Path(model or kept or bundled_model()).absolute()
        playable = open_model(self._model, notify=tell or self.say).model
        self._card = load(playable)[1]  # what is no model is refused before anything starts
        self._card.method(self._card.played)
        self._effects = self._effects_of(fx)
        self.seconds = seconds
        self._blocksize, self._latency, self._osc_address = blocksize, latency, osc
        self._query_port, self._midi_names, self._midi_outputs = query_port, midi, midi_outputs
        self._record_path, self._take_path, self._wants_window, self._seed = record, take, window, seed
        self._takes = Path(takes) if takes is not None else data_folder() / "takes"
        self._outputs, self._input_device, self._inputs = outputs, input_device, inputs
        self._device_wanted, self._rate_wanted = device, samplerate
        self._closing = threading.Event()
        self._stack = contextlib.ExitStack()
        self._wrong = ((0, 0), 0.0)  # bad and unknown messages when that was said last, and when it may be said again
        self.controls = Controls(self)
        self._autosave: Autosave | None = None
        self._timed: Recorder | None = None  # what is recorded from the first sound on
        self.osc: OscSurface | None = None
        self.midi: Midi | None = None
        self.began = 0  # the clock at the first sound

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
            self.output.mute(True)
            clock = self.clock
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
        self._must_play()
        self.controls.set(address, *values, at=at)

    def get(self, address: str) -> float:
        """Give a parameter's value as it was set last."""
        self._must_play()
        return self.controls.get(address)

    @property
    def addresses(self) -> Mapping[str, Parameter]:
        """Every address there is now, with its row."""
        return self.controls.addresses

    def load(self, name: str, *, letter: str | None = None) -> Future[None]:
        """Load a model of the library on a deck (the one in focus), and cross over to it in `/model/fade`.

        The future ends when the old model is gone; it raises `GlitchError` where the new one cannot be played, and then
        the old one plays on.
        """
        letter = letter or self.focus
        if letter not in LETTERS:
            raise ParameterError(f"There is no deck '{letter}'; there are {' and '.join(LETTERS)}.")
        return self.rack.load(letter, self.library.find(name), fade_ms=self.get("/model/fade"))

    def set_effects(
        self,
        change: Callable[[tuple[Effect, ...]], Sequence[Effect]],
        *,
        letter: str | None = None,
    ) -> Future[None]:
        """Change what a deck's sound goes through: `change` is given what there is, and gives what there shall be.

        The future ends when it is heard. It raises `GlitchError` where an effect doesn't work; then all is as it was.
        """
        letter = letter or self.focus
        return self.rack.set_effects(letter, lambda now: tuple(change(now)), fade_ms=self.get("/model/fade"))

    def models(self) -> list[str]:
        """List the models that `load` knows, by name."""
        return self.library.names()

    @property
    def focus(self) -> str:
        """The letter of the deck that plain addresses mean."""
        return self.controls.focus

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
        if self.seconds is None or self.status().seconds < self.seconds:
            return True
        timed = self._timed  # is written a little later than it is played
        return timed is not None and not timed.done and not timed.error

    @property
    def clock(self) -> int:
        """Samples given to the device until now."""
        return int(self._stream_state["clock"])

    @property
    def recorder(self) -> Recorder | None:
        """The recording that runs, or ran last."""
        return self.recordings.recorder if self.began else None

    def status(self) -> Status:
        """Say how the session is, now."""
        self._must_play()
        return status.read(self)

    def latency_ms(self) -> dict[str, float]:
        """Break down the time from a control to the speaker, for the deck in focus: its parts, in ms, on average."""
        return status.latency_ms(self)

    def say(self, note: str) -> None:
        """Tell the player something."""
        self.notes.append(note)
        del self.notes[:-NOTES]
        self.said += 1

    def touch(self) -> None:
        """Note that there is something new to keep in the session file."""
        if self._autosave is not None:
            self._autosave.touch()

    def _start(self) -> None:
        keep = self._stack.enter_context
        for name in sweep():
            self.say(f"Removed {name}, which a session that crashed had left.")
        if self._record_path is not None:
            check_path(self._record_path)
        if self._take_path is not None:
            check_take(self._take_path)
        registry = keep(contextlib.closing(Registry()))
        early = start_deck_process()  # it takes longest, so it comes first
        try:
            self.output = Output()
            self._stack.callback(self.output.close)
            channels = self._card.method(self._card.played).channels
            self.device = self.output.choose(
                self._device_wanted,
                self._rate_wanted,
                self._card.sample_rate,
                model_channels=channels,
                input_device=self._input_device,
                outputs=self._outputs,
                inputs=self._inputs,
            )
            self.journal = Journal(data_folder() / "journals", self.say)
        except BaseException:
            early.close()
            raise
        self.sample_rate = self.device.sample_rate
        geometry = Geometry("stream", self.device.channels, HISTORY, self.device.inputs)
        self.segment: Segment = keep(Segment.create(geometry, registry))
        self._stack.callback(self.journal.close)
        self._stream_state = self.segment["stream"][0]
        self.timing = SampleClock(self._stream_state)
        self.output.use(self.segment)
        self._errands = ThreadPoolExecutor(1, thread_name_prefix="errands")
        if self._osc_address is not None:
            self.osc = OscSurface(
                self,
                *self._osc_address,
                query_port=self._query_port,
                readings=lambda: readings(self),
                commands=commands(self),
            )
            self._stack.callback(self.osc.close)
        states = self._stored.states if self._stored is not None else self.journal.folder / "kept"
        self.recall = Recall(self, states, self._errands)
        self.recordings = Recordings(self, self._takes, self._errands)
        self.rack = Rack(
            self.output,
            self.segment,
            registry,
            sample_rate=self.sample_rate,
            seed=self._seed,
            inputs=self.device.inputs,
            log=self.journal,
            known_states=self.recall.known,
            changed=self.changed,
            notify=self.say,
            child=early,
        )
        keep(contextlib.closing(self.rack))
        self._stack.callback(self.recordings.close)
        self._stack.callback(self._errands.shutdown)
        if self._stored is not None:
            self._stored.prepare(self)
        self.journal.start(
            self.segment, sample_rate=self.sample_rate, channels=self.device.channels, inputs=self.device.inputs
        )
        values = self._stored.values.get(LETTERS[0], {}) if self._stored is not None else {}
        first = self.rack.load(LETTERS[0], self._model, effects=self._effects, values=values)
        self.output.open(self.segment, block=self._blocksize, latency=self._latency)
        if not wait_for(lambda: self._stream_state["callbacks"] > 1, FIRST_BLOCK_S):
            raise ChildError(f"{self.device} was opened but asks for no sound; is its server running?")
        first.result()
        self.rack.lookahead.set_all()  # the deck may have been ready before the device told of its block
        self.began = self._first_sound()
        self.journal.add_to_head(began=self.began)
        if self.device.inputs:
            self.journal.start_input()
            self._stack.callback(self.journal.stop_input)
        self._describe()
        self._begin_what_is_timed()
        reduce_pauses()
        if self._stored is not None:
            self._stored.restore(self)
            self._autosave = self._stored.autosave(self)
            self.touch()  # a session that nobody turns a knob of is worth coming back to as well
            self._stack.callback(self._autosave.close)
            self._stack.callback(self.recall.settle)
        if self.osc is not None:
            self.osc.start()
        if self._midi_names is not None:
            self._start_midi(self._midi_names)
        if self._wants_window:
            self._open_window()
        self._watch = DeviceWatchdog(self.output, self.segment, self.say, self._device_is_back)
        supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        supervisor.start()
        self._stack.callback(supervisor.join)
        if told := journal.sweep(self.journal.folder.parent):
            self.say(told)

    def _begin_what_is_timed(self) -> None:
        """Begin recording and take at the first sound, and set the end, so that it comes without a click."""
        frames = None
        if self.seconds is not None:
            frames = round(self.seconds * self.sample_rate)
            fade = round((SUPERVISE_S + MUTE_MS / 1000.0) * self.sample_rate)
            self.output.mute(True, max(self.began + frames - fade, 1))
        if self._record_path is not None:
            self._timed = self.recordings.start(Path(self._record_path), self.began, frames)
            self.controls.show("/record", 1.0)
        if self._take_path is not None:
            self.recordings.take_to(Path(self._take_path), self.began)
            self.controls.show("/take", 1.0)

    def _start_midi(self, names: Sequence[str]) -> None:
        from realtime.midi import Midi  # a process and two threads, only for those who play it

        outputs = self._midi_outputs
        if outputs is None:  # what a controller is told goes to those named, not to every synth there is
            outputs = [name for name in names if name != "*"]
        self.midi = Midi(
            self,
            mapping=data_folder() / "midi.json",
            inputs=names,
            outputs=outputs,
            notify=self.say,
            recall=self.recall.program,
            tempo=lambda bpm: self.set("/tempo", bpm),
            transport=self._transport,
        )
        self._stack.callback(self.midi.close)
        self.midi.start()

    def _transport(self, running: bool, quarters: float) -> None:
        """Let walks that keep time begin with the beginning of the piece."""
        if not running or quarters != 0.0:
            return
        for letter, player in self.rack.players.items():
            if "/walk/beats" in player.table and self.get(f"/{letter}/walk/beats") > 0:
                self.set(f"/{letter}/walk/seed", self.get(f"/{letter}/walk/seed"))

    def _first_sound(self) -> int:
        """Wait for the deck to be heard, and give the sample of the clock at which its first frame sounded."""
        process = self.rack.players[LETTERS[0]].process
        assert process is not None
        if not wait_for(lambda: process.segment["ring_index"][READ] > 0, FIRST_BLOCK_S):
            raise ChildError(f"{self.device} was opened but takes no sound; is its server running?")
        return max(int(process.state["play_offset"]), 1)

    def changed(self) -> None:
        """Take in what plays where now: what addresses mean, and what those who attach should know."""
        self.controls.refresh()
        if self.began:
            self._describe()
            self.touch()

    def _effects_of(self, names: Sequence[str]) -> tuple[Effect, ...]:
        if not names:
            return self._stored.effects.get(LETTERS[0], ()) if self._stored is not None else ()
        return tuple(effects.find(name, self.library.folder) for name in names)

    def _must_play(self) -> None:
        if not self.began or self._closing.is_set():
            state = "closed" if self._closing.is_set() else "not started"
            raise SessionError(f"This session is {state}; use it inside 'with realtime.Session(…) as session:'.")

    def _supervise(self) -> None:
        """Tend the session a few dozen times a second."""
        while not self._closing.wait(SUPERVISE_S):
            self.tend()

    def tend(self) -> None:
        """Do once what keeps the audio going: act on what is due, supervise decks and device. Never waits."""
        self.timing.observe()
        self.controls.tend()
        if self.osc is not None:
            counts, stream = self.osc.counts, self._stream_state
            stream["osc_messages"], stream["osc_bad"] = counts.messages, counts.bad
            stream["osc_unknown"] = counts.unknown
            self._name_what_is_wrong(counts)
        self.recall.advance()
        self.rack.supervise()
        self.output.resend_commands()
        self.recordings.tend()
        self._watch.check()

    def _device_is_back(self) -> None:
        """Go on with a device that was away; where it has another rate now, with decks that play at that."""
        before, self.device = self.device, self.output.device
        if before.inputs and not self.device.inputs:
            self.say(f"The input {before.input} is not there any more; start again when it is.")
        rate = self.device.sample_rate
        if rate != self.sample_rate:
            self.say(f"{self.device} plays at {rate:.0f} Hz now.")
            self.recordings.interrupt(self.output.stopped_at, f"the device came back at {rate:.0f} Hz")
            self.sample_rate = rate
            self.rack.change_rate(rate)
        self._describe()

    def _name_what_is_wrong(self, counts: Counts) -> None:
        """Say, now and then, what it was that came in over OSC and could not be used."""
        wrong = (counts.bad, counts.unknown)
        now = time.monotonic()
        if wrong == self._wrong[0] or now < self._wrong[1]:
            return
        bad, unknown = (number - before for number, before in zip(wrong, self._wrong[0], strict=True))
        said = [counts.last_bad] * (bad > 0) + [f"there is no address {counts.last_unknown}"] * (unknown > 0)
        more = bad + unknown - len(said)
        told = "; ".join(one.removesuffix(".") for one in said)
        self.say(f"OSC: {told}{f' ({more} more were wrong)' if more else ''}.")
        self._wrong = (wrong, now + NOTE_EVERY_S)

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
