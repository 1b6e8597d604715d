"""A deck's sound without its process: events and live input in, audio out.

The engine holds the parameter values of a deck, mixes its latent and decodes it, or transforms the live input. It then
guards against NaN, resamples to the stream's rate, mixes in the dry path and runs the effects. The deck process runs it
against the clock; tests and rendering run it as fast as possible and get the same samples.
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
from realtime.engine.loaded_method import run_of
from realtime.engine.state import EngineState
from realtime.engine.transform_input import TransformInput
from realtime.engine.transformer import Transformer
from realtime.ipc.memory_layout import CAPTURE, RAMP, RESTORE
from realtime.latent.latent_mixer import LatentMixer, Smoother
from realtime.params.table import Parameter, Table, table


class Engine:
    """The sound of one deck.

    Parameters
    ----------
    path
        The model file.
    sample_rate
        Of the stream, in Hz; a model of another rate is resampled.
    seed
        Of the walk, and of phases that the magnitudes leave open.
    inputs
        Channels of the live input; 0 for none.
    effects
        The chain of effects, in order.
    method
        `decode` or `transform`; None takes the one that the card names.

    Attributes
    ----------
    decoder : AudioMethod
        The model's `decode` or `transform`.
    table : Table
        The deck's parameters.
    values : dict[str, float]
        Their values by address.
    channels : int
        Of the audio.
    latents : LatentMixer
        The sources of the latent.
    frames : int
        Latent frames, or hops of live input, decoded so far.
    nonfinite : int
        Frames in which the model gave NaN or infinity; they fade to silence, and the model returns to rest.
    input_taken : int
        Samples of the live input read so far.
    states : dict[int, EngineState]
        States by number: `CAPTURE` adds one, `RESTORE` continues from one.
    controls_at_once : bool
        Whether the model's live controls reach their values within a frame, without the smoothing of the stage.
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
        name = method or card.live_method
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
        self.values = {row.address: row.default for row in self.table.by_index}
        if "/walk/seed" in self.values:
            self.values["/walk/seed"] = seed
        self._frame_rate = frame_rate
        self._controls = tuple(row.address for row in self.table.controls.values())
        self._control_ms = np.array([row.smoothing_ms for row in self.table.controls.values()])
        followed = {k: self.table.follows(address) for k, address in enumerate(self._controls)}
        self._rise_fall = {k: pair for k, pair in followed.items() if pair is not None}
        self._smoother = Smoother(self._targets(), frame_rate)
        played = self.decoder.method
        self._bends = Bends(played, frame_rate)
        self._control_values = self.decoder.graph.rest.copy()  # of all controls
        self._unbent_places = run_of(np.delete(np.arange(self._control_values.size), self._bends.places))
        plain = [control for control in played.controls if not is_bend_control(control.name)]
        self._control_of = np.repeat(np.arange(len(plain)), [control.size for control in plain])
        faders = {
            "manual": self.table.latents,
            "scale": self.table.scales,
            "bias": self.table.biases,
            "smoothing_ms": self.table.smoothings,
        }
        self._faders = {row.address: (name, k) for name, found in faders.items() for k, row in enumerate(found)}
        self._ramp_ms = 0.0
        self._ramps: dict[str, tuple[Parameter, float, float, int, int]] = {}
        self._restoring: EngineState | None = None
        self._guard = NanGuard(self.channels)
        self._ratio = sample_rate / card.sample_rate
        self._resampler = None
        if self._ratio != 1.0:
            self._resampler = Resampler(card.sample_rate, sample_rate, self.channels)
        self._transform_input = (
            TransformInput(self.channels, self.decoder.hop, card.sample_rate) if transforms else None
        )
        self._input_encoder = self._make_input_encoder(path, card) if inputs else None
        self._dry_path = DryPath(inputs, self.channels, self._dry_delay + 2 * self.hop) if inputs else None
        self.chain = Chain(effects, sample_rate, self.channels) if effects else None
        self._effect_rows = frozenset(row.address for row in rows(effects))
        self.input_taken = 0

    @property
    def hop(self) -> int:
        """Samples per frame at the stream's rate, rounded up."""
        return math.ceil(self.decoder.hop * self._ratio)

    @property
    def delay(self) -> int:
        """Samples at the stream's rate by which the sound lags its latent: graph, inversion, resampler, effects."""
        resampler = self._resampler.delay if self._resampler else 0
        return round(self.decoder.delay * self._ratio + resampler) + (self.chain.latency if self.chain else 0)

    @property
    def input_delay(self) -> int:
        """Samples by which the output lags the live input inside the engine; the dry path is delayed to match."""
        return self._dry_delay + (self.chain.latency if self.chain else 0)

    @property
    def _dry_delay(self) -> int:
        """Samples by which the model's output lags the input: framing or encoding, model, phase inversion."""
        if not self.inputs:
            return 0
        delay = 0
        if self._input_encoder is not None:
            delay = self._input_encoder.lag if isinstance(self._input_encoder, Encoder) else self._input_encoder.delay
        return round((delay + self.decoder.delay) * self._ratio)

    def _make_input_encoder(self, path: str | os.PathLike[str], card: Card) -> Encoder | Framer | None:
        """Make the encoder of the live input, or for a transform its framer; None if the model uses no input."""
        behind = self.decoder.delay
        if self._transform_input is not None:
            inside, hop = self.decoder.channels, self.decoder.hop
            return Framer(
                self.sample_rate,
                self.inputs,
                model_rate=card.sample_rate,
                model_channels=inside,
                hop=hop,
                model_delay=behind,
            )
        return Encoder(path, self.sample_rate, self.inputs, model_delay=behind) if "encode" in card.methods else None

    @property
    def problems(self) -> list[str]:
        """Problems of the effects so far, a sentence each."""
        return self.chain.problems if self.chain is not None else []

    @property
    def input_wanted(self) -> int:
        """Samples of live input that the next frame reads; in the long run as many as frames give."""
        return round((self.frames + 1) * self.decoder.hop * self._ratio) - self.input_taken

    def apply(self, parameter: int, value: float) -> None:
        """Apply an event before the next frame.

        Parameters
        ----------
        parameter
            Index of a parameter of the deck, or one of `CAPTURE`, `RESTORE`, `RAMP` (see `realtime.ipc.memory_layout`).
        value
            Its new value, which is clipped to its range; a number that is not finite is ignored.
        """
        if not np.isfinite(value):
            return
        if parameter == RAMP:
            self._ramp_ms = max(value, 0.0)
        elif parameter == CAPTURE:
            self.states[int(value)] = self.snapshot()
        elif parameter == RESTORE:
            self._restoring = self.states.get(int(value), self._restoring)
        elif 0 <= parameter < len(self.table.by_index):
            self._set_parameter(self.table.by_index[parameter], self.table.by_index[parameter].clip(value))

    def snapshot(self) -> EngineState:
        """Copy the state that the next frame continues from."""
        controls = np.concatenate([self._smoother.now, self._bends.now])
        input_state = self._transform_input.snapshot() if self._transform_input is not None else ()
        return EngineState(self.decoder.snapshot(), self.latents.snapshot(), controls, input_state)

    def reset(self) -> None:
        """Return the model to its rest state; the next frame crossfades to it."""
        before = self.snapshot()
        self._rest()
        rest = self.snapshot()
        self._restoring = EngineState(rest.decoder, before.latents, before.controls, rest.transform_input)
        self.decoder.restore(before.decoder)
        if self._transform_input is not None:
            self._transform_input.restore(before.transform_input)

    def settle(self, state: EngineState | None = None) -> None:
        """Before the first frame: jump to all values without smoothing, or continue from a state."""
        if self._transform_input is None:
            self.latents.jump(self.values)
        self._smoother.now[:] = self._targets()
        self._bends.jump(self.values)
        if state is not None:
            self._restore(state)

    def next(self, live: np.ndarray | None = None) -> np.ndarray:
        """Decode the next frame.

        Parameters
        ----------
        live : np.ndarray [shape=(inputs, input_wanted)], float32
            The live input, if the engine has one.

        Returns
        -------
        audio : np.ndarray [shape=(channels, samples)], float32
            At the stream's rate.
        """
        self._advance_ramps()
        encoded = None
        if self._dry_path is not None:
            assert live is not None
            self.input_taken += live.shape[1]
            live = self._dry_path.push(live, self.values["/input/gain"])
            encoded = self._input_encoder.push(live) if self._input_encoder is not None else None
        if self._transform_input is not None:
            self._transform_input.push(encoded)
        audio = self._decode(encoded)
        if self._restoring is not None:  # decode the frame twice and crossfade
            self._restore(self._restoring)
            self._restoring = None
            weight = rise(audio.shape[1])
            audio = audio * (1 - weight) + self._decode(encoded) * weight
        self.frames += 1
        finite = bool(np.isfinite(audio).all())
        if not finite:
            self.nonfinite += 1
            self._rest()
        out = self._guard.pass_on(audio if finite else None, self.decoder.hop)
        if self._resampler is not None:
            out = self._resampler.push(out)
        if self._dry_path is not None:
            out = self._dry_path.mix(out, self.values["/input/mix"], self._dry_delay)
        if self.chain is not None and out.shape[1]:
            out = self.chain.process(out)
        return np.ascontiguousarray(out, np.float32)

    def _decode(self, encoded: np.ndarray | None) -> np.ndarray:
        """Decode a frame from the present values and state."""
        latent = self.latents.next(self.values, encoded) if self._transform_input is None else None
        if self._controls:
            targets = self._targets()
            time_ms = 0.0 if self.controls_at_once else self._smoothing_ms(targets)
            self._control_values[self._unbent_places] = self._smoother.next(targets, time_ms)[self._control_of]
        if self._bends.next(self.values):
            self._control_values[self._bends.places] = self._bends.now
        if self._transform_input is None:
            assert latent is not None
            return self.decoder.step(latent, self._control_values)
        audio = self.decoder.step(self._transform_input.next(self.values), self._control_values)
        self._transform_input.feed_back(audio)
        return audio

    def _rest(self) -> None:
        """Return the model to rest, and clear its feedback."""
        self.decoder.reset()
        if self._transform_input is not None:
            self._transform_input.reset()

    def _targets(self) -> np.ndarray:
        return np.array([self.values[address] for address in self._controls])

    def _smoothing_ms(self, targets: np.ndarray) -> np.ndarray:
        """Give the smoothing time of each control in ms; some rise and fall at different speeds."""
        for k, (up, down) in self._rise_fall.items():
            self._control_ms[k] = self.values[up if targets[k] >= self._smoother.now[k] else down]
        return self._control_ms

    def _set_parameter(self, row: Parameter, value: float) -> None:
        """Set a parameter, at once or with the ramp in force."""
        frames = round(self._ramp_ms / 1000.0 * self._frame_rate)
        if frames > 1 and row.kind != "trigger":
            self._ramps[row.address] = (row, self.values[row.address], value, self.frames, frames)
            return
        self._ramps.pop(row.address, None)
        self._set_value(row.address, value)

    def _advance_ramps(self) -> None:
        for row, begin, end, first, frames in list(self._ramps.values()):
            t = min((self.frames + 1 - first) / frames, 1.0)
            value = row.between(begin, end, t)
            if value != self.values[row.address]:  # setting a seed restarts the walk, even to the same value
                self._set_value(row.address, value)
            if t == 1.0:
                del self._ramps[row.address]

    def _set_value(self, address: str, value: float) -> None:
        self.values[address] = value
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
        if self._transform_input is not None:
            self._transform_input.restore(state.transform_input)
