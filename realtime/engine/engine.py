"""What a deck plays, without the process around it: events in, audio out.

The engine holds the knobs of one deck, makes latent frames from them and decodes, or lets a model transform the live
input; guards against what is not a number, brings the model's rate to the stream's, adds the live input and runs the
effects. The deck process runs it against the clock; tests and rendering run it as fast as it goes, and get the same
samples.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from export.format.card import Card, Latent, is_bend_control
from export.format.io import load
from realtime.dsp.dry_path import DryPath
from realtime.dsp.framer import Framer
from realtime.dsp.nan_guard import NanGuard, rise
from realtime.dsp.resampler import Resampler
from realtime.effects.chain import Chain, Effect, rows
from realtime.engine.audio_method import AudioMethod
from realtime.engine.bends import Bends
from realtime.engine.decoder import Decoder
from realtime.engine.encoder import Encoder
from realtime.engine.graph import run_of
from realtime.engine.state import EngineState
from realtime.engine.transform_input import TransformInput
from realtime.engine.transformer import Transformer
from realtime.ipc.layout import CAPTURE, RAMP, RESTORE
from realtime.latent.mixer import LatentMixer, Smoother
from realtime.params.table import Parameter, Table, table


class Engine:
    """One deck's sound.

    Parameters
    ----------
    path
        The model file.
    sample_rate
        Of the stream; a model of another rate is resampled.
    seed
        Of the walk, and of the phase where magnitudes say nothing of it.
    inputs
        Channels of the live input; 0 is none.
    effects
        What the sound goes through, in this order.
    method
        `decode` or `transform`, where it is not to be what the model is played by.

    Attributes
    ----------
    decoder : AudioMethod
        What sounds: the model's `decode`, or its `transform` where it has none.
    frames : int
        Latent frames, or hops of live input, made so far.
    nonfinite : int
        Frames in which the model gave no numbers; they fade to silence, and the model goes back to rest.
    input_taken : int
        Samples of the live input taken so far.
    states : dict
        States by number: what `CAPTURE` keeps and `RESTORE` brings back.
    controls_at_once : bool
        Whether the model's live controls are where they are told to be within a frame, and don't follow as on stage.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: float,
        *,
        seed: int = 0,
        inputs: int = 0,
        effects: Sequence[Effect] = (),
        method: str | None = None,
    ) -> None:
        card = load(path)[1]
        name = method or card.played
        transforms = name == "transform"
        self.decoder: AudioMethod = (Transformer if transforms else Decoder)(path, seed=seed)
        self.table: Table = table(replace(card, methods={name: card.method(name)}), rows(effects))
        self.sample_rate = sample_rate
        self.channels, self.inputs = self.decoder.channels, inputs
        self.frames = self.nonfinite = 0
        self.states: dict[int, EngineState] = {}
        self.controls_at_once = False
        frame_rate = card.sample_rate / self.decoder.hop
        self.latents = LatentMixer(Latent.plain(0) if transforms else card.latent, frame_rate, seed)
        self.knobs = {row.address: row.default for row in self.table.by_index}
        if "/walk/seed" in self.knobs:
            self.knobs["/walk/seed"] = seed
        self._frame_rate = frame_rate
        self._controls = tuple(row.address for row in self.table.controls.values())
        self._control_ms = np.array([row.smoothing_ms for row in self.table.controls.values()])
        followed = {k: self.table.follows(address) for k, address in enumerate(self._controls)}
        self._follows = {k: pair for k, pair in followed.items() if pair is not None}
        self._smoother = Smoother(self._targets(), frame_rate)
        told = self.decoder.method
        self._bends = Bends(told, frame_rate)
        self._values = self.decoder.graph.rest.copy()  # of all controls
        self._plain = run_of(np.delete(np.arange(self._values.size), self._bends.places))  # those that bend nothing
        plain = [control for control in told.controls if not is_bend_control(control.name)]
        self._knob_of = np.repeat(np.arange(len(plain)), [control.size for control in plain])
        faders = {
            "manual": self.table.latents,
            "scale": self.table.scales,
            "bias": self.table.biases,
            "smoothing_ms": self.table.smoothings,
        }
        self._faders = {row.address: (name, k) for name, found in faders.items() for k, row in enumerate(found)}
        self._glide_ms = 0.0
        self._glides: dict[str, tuple[Parameter, float, float, int, int]] = {}
        self._restoring: EngineState | None = None
        self._guard = NanGuard(self.channels)
        self._ratio = sample_rate / card.sample_rate
        self._resampler = None
        if self._ratio != 1.0:
            self._resampler = Resampler(card.sample_rate, sample_rate, self.channels)
        self._intake = TransformInput(self.channels, self.decoder.hop, card.sample_rate) if transforms else None
        self._ears = self._listening(path, card) if inputs else None
        self._dry = DryPath(inputs, self.channels, self._dry_delay + 2 * self.hop) if inputs else None
        self.chain = Chain(effects, sample_rate, self.channels) if effects else None
        self._effect_rows = frozenset(row.address for row in rows(effects))
        self.input_taken = 0

    @property
    def hop(self) -> int:
        """Frames of audio that a latent frame makes at the stream's rate (rounded up where it varies)."""
        return math.ceil(self.decoder.hop * self._ratio)

    @property
    def delay(self) -> int:
        """Samples, at the stream's rate, by which the sound lags its latent: graph, inversion, resampler, effects."""
        resampler = self._resampler.delay if self._resampler else 0
        return round(self.decoder.delay * self._ratio + resampler) + (self.chain.latency if self.chain else 0)

    @property
    def input_delay(self) -> int:
        """Samples by which the model's answer lags the live input, inside the engine; the dry way waits as long."""
        return self._dry_delay + (self.chain.latency if self.chain else 0)

    @property
    def _dry_delay(self) -> int:
        """Samples by which the answer lags the input: until it is heard, in the model, until it is sound again."""
        if not self.inputs:
            return 0
        heard = 0
        if self._ears is not None:
            heard = self._ears.lag if isinstance(self._ears, Encoder) else self._ears.delay
        return round((heard + self.decoder.delay) * self._ratio)

    def _listening(self, path: str | os.PathLike[str], card: Card) -> Encoder | Framer | None:
        """Make what hears the live input: a latent frame of it, or a hop, for each frame; None where nothing does."""
        behind = self.decoder.delay
        if self._intake is not None:
            inside, hop = self.decoder.channels, self.decoder.hop
            return Framer(
                self.sample_rate,
                self.inputs,
                model_rate=card.sample_rate,
                model_channels=inside,
                hop=hop,
                model_delay=behind,
            )
        return Encoder(path, self.sample_rate, self.inputs, behind=behind) if "encode" in card.methods else None

    @property
    def problems(self) -> list[str]:
        """What is wrong with the effects, in sentences; there will only be more."""
        return self.chain.problems if self.chain is not None else []

    @property
    def input_wanted(self) -> int:
        """Samples of live input that the next frame takes; as many as frames give, in the long run."""
        return round((self.frames + 1) * self.decoder.hop * self._ratio) - self.input_taken

    def apply(self, parameter: int, value: float) -> None:
        """Apply an event: a deck parameter, by index, takes a value. `realtime.ipc.layout` lists the other events."""
        if not np.isfinite(value):
            return
        if parameter == RAMP:
            self._glide_ms = max(value, 0.0)
        elif parameter == CAPTURE:
            self.states[int(value)] = self.snapshot()
        elif parameter == RESTORE:
            self._restoring = self.states.get(int(value), self._restoring)
        elif 0 <= parameter < len(self.table.by_index):
            self._turn(self.table.by_index[parameter], self.table.by_index[parameter].clip(value))

    def snapshot(self) -> EngineState:
        """Copy what the next frame goes on from."""
        controls = np.concatenate([self._smoother.now, self._bends.now])
        heard = self._intake.snapshot() if self._intake is not None else ()
        return EngineState(self.decoder.snapshot(), self.latents.snapshot(), controls, heard)

    def reset(self) -> None:
        """Bring the model to rest; the next frame goes over from what would have been to what is."""
        before = self.snapshot()
        self._rest()
        rest = self.snapshot()
        self._restoring = EngineState(rest.decoder, before.latents, before.controls, rest.heard)
        self.decoder.restore(before.decoder)
        if self._intake is not None:
            self._intake.restore(before.heard)

    def settle(self, state: EngineState | None = None) -> None:
        """Let every knob be where it points, without a glide, or go on from a state: before the first frame."""
        if self._intake is None:
            self.latents.jump(self.knobs)
        self._smoother.now[:] = self._targets()
        self._bends.jump(self.knobs)
        if state is not None:
            self._restore(state)

    def next(self, given: np.ndarray | None = None) -> np.ndarray:
        """Make the next latent frame's audio [shape=(channels, samples)], at the stream's rate.

        `given` is `input_wanted` samples of the live input [shape=(inputs, input_wanted)].
        """
        self._glide()
        heard = None
        if self._dry is not None:
            assert given is not None
            self.input_taken += given.shape[1]
            given = self._dry.push(given, self.knobs["/input/gain"])
            heard = self._ears.push(given) if self._ears is not None else None
        if self._intake is not None:
            self._intake.hear(heard)
        audio = self._sound(heard)
        if self._restoring is not None:  # both what would have been and what is: the one fades into the other
            self._restore(self._restoring)
            self._restoring = None
            risen = rise(audio.shape[1])
            audio = audio * (1 - risen) + self._sound(heard) * risen
        self.frames += 1
        sound = bool(np.isfinite(audio).all())
        if not sound:
            self.nonfinite += 1
            self._rest()
        out = self._guard.pass_on(audio if sound else None, self.decoder.hop)
        if self._resampler is not None:
            out = self._resampler.push(out)
        if self._dry is not None:
            out = self._dry.mix(out, self.knobs["/input/mix"], self._dry_delay)
        if self.chain is not None and out.shape[1]:
            out = self.chain.process(out)
        return np.ascontiguousarray(out, np.float32)

    def _sound(self, heard: np.ndarray | None) -> np.ndarray:
        """Make a frame from where the knobs, the sources and the model are."""
        latent = self.latents.next(self.knobs, heard) if self._intake is None else None
        if self._controls:
            targets = self._targets()
            time_ms = 0.0 if self.controls_at_once else self._follow_ms(targets)
            self._values[self._plain] = self._smoother.next(targets, time_ms)[self._knob_of]
        if self._bends.next(self.knobs):
            self._values[self._bends.places] = self._bends.now
        if self._intake is None:
            assert latent is not None
            return self.decoder.step(latent, self._values)
        made = self.decoder.step(self._intake.next(self.knobs), self._values)
        self._intake.keep(made)
        return made

    def _rest(self) -> None:
        """Bring the model to rest, and let it not hear again what it has made."""
        self.decoder.reset()
        if self._intake is not None:
            self._intake.reset()

    def _targets(self) -> np.ndarray:
        return np.array([self.knobs[address] for address in self._controls])

    def _follow_ms(self, targets: np.ndarray) -> np.ndarray:
        """Say in what time each control follows: some rise in another than they fall in."""
        for k, (up, down) in self._follows.items():
            self._control_ms[k] = self.knobs[up if targets[k] >= self._smoother.now[k] else down]
        return self._control_ms

    def _turn(self, row: Parameter, value: float) -> None:
        """Give a knob a value, at once or over the time that was asked for."""
        frames = round(self._glide_ms / 1000.0 * self._frame_rate)
        if frames > 1 and row.kind != "trigger":
            self._glides[row.address] = (row, self.knobs[row.address], value, self.frames, frames)
            return
        self._glides.pop(row.address, None)
        self._put(row.address, value)

    def _glide(self) -> None:
        for row, begin, end, first, frames in list(self._glides.values()):
            t = min((self.frames + 1 - first) / frames, 1.0)
            value = row.between(begin, end, t)
            if value != self.knobs[row.address]:  # a seed that is set once more starts its walk again
                self._put(row.address, value)
            if t == 1.0:
                del self._glides[row.address]

    def _put(self, address: str, value: float) -> None:
        self.knobs[address] = value
        if address in self._faders:
            name, k = self._faders[address]
            getattr(self.latents, name)[k] = value
        elif address in self._bends.rows:
            self._bends.turn(address)
        elif address == "/reset":
            self.reset()
        elif address == "/walk/seed":
            self.latents.walk.seed(int(value))
        elif address == "/loop/clear":
            self.latents.loop.clear()
        elif address in self._effect_rows and self.chain is not None:
            self.chain.set(address, value)

    def _restore(self, state: EngineState) -> None:
        self.decoder.restore(state.decoder)
        self.latents.restore(state.latents)
        self._smoother.now[:] = state.controls[: self._smoother.now.size]
        self._bends.restore(state.controls[self._smoother.now.size :])
        if self._intake is not None:
            self._intake.restore(state.heard)
