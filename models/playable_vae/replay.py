"""Replay of whole sounds by a playable model file: `encode` gives latents, `decode` plays them.

Frames are aligned as in the analysis: frame t belongs to sample t * hop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from export.errors import ContractError
from export.format.card import Card
from export.format.graph import split
from models.harmonics.analysis import Analysis, analyse
from models.harmonics.synth import AMPLITUDE, OVERLAP

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """Controls and latents of a performance, frame by frame.

    Attributes
    ----------
    pitch, loudness : np.ndarray [shape=(frames,)]
        MIDI note number and dBFS.
    latent : np.ndarray [shape=(latents, frames)]
        In the model's own order and scale; None for the mean.
    instrument : float
        Value of the control of that name.
    """

    pitch: NDArray[np.floating]
    loudness: NDArray[np.floating]
    latent: NDArray[np.floating] | None = None
    instrument: float = 0.0


class Replay:
    """Plays a model file with a pitch and a loudness.

    Parameters
    ----------
    model, card
        Model file and card, as `export.format.io.load` gives them.

    Raises
    ------
    ContractError
        The model doesn't give audio by pitch and loudness.
    """

    def __init__(self, model: onnx.ModelProto, card: Card) -> None:
        self.card = card
        self.decode, self.encode = card.method("decode"), card.method("encode")
        controls = {control.name for control in self.decode.controls}
        if self.decode.output != "audio" or not {"pitch", "loudness"} <= controls:
            raise ContractError(
                f"The model '{card.name}' doesn't give audio by pitch and loudness; "
                "take one that 'glitch-lab train playable' made."
            )
        self._sessions = {name: _session(split(model, name)) for name in ("decode", "encode")}

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        return self.decode.hop

    def latents(self, audio: Floats, frames: int) -> Floats:
        """Encode audio [samples] to latents [latents, frames]."""
        late = round(self.encode.delay / self.encode.hop)
        padded = np.zeros((frames + late) * self.encode.hop, np.float32)
        padded[: min(len(audio), len(padded))] = audio[: len(padded)]
        states = {f"encode.state.{k}": np.zeros_like(rest) for k, rest in enumerate(self.encode.rest)}
        (found,) = self._sessions["encode"].run(["encode.output"], {"encode.input": padded[None, None], **states})
        return np.asarray(found[0, :, late:], np.float32)

    def play(self, score: Score) -> Floats:
        """Play a score from silence: audio whose sample 0 is that of frame 0."""
        frames = len(score.pitch)
        latent = score.latent
        if latent is None:
            latent = np.repeat(np.array(self.card.latent.mean)[:, None], frames, axis=1)
        controls: dict[str, NDArray[np.floating] | float] = {"pitch": score.pitch, "loudness": score.loudness}
        return self.play_controls(latent, controls | {"instrument": score.instrument})

    def play_controls(
        self, latent: NDArray[np.floating], controls: Mapping[str, NDArray[np.floating] | float]
    ) -> Floats:
        """Play latents [latents, frames] with these controls, numbers or [frames], and the others at their defaults."""
        frames = latent.shape[1]
        feeds = {"decode.input": np.asarray(latent, np.float32)[None]}
        for control in self.decode.controls:
            values = np.broadcast_to(np.asarray(controls.get(control.name, control.default), np.float32), (frames,))
            feeds[f"decode.control.{control.name}"] = np.clip(values, control.minimum, control.maximum)[None, None]
        states = {f"decode.state.{k}": rest for k, rest in enumerate(self.decode.rest)}
        for k in (AMPLITUDE, OVERLAP):  # silence
            states[f"decode.state.{k}"] = np.zeros_like(self.decode.rest[k])
        (audio,) = self._sessions["decode"].run(["decode.output"], {**feeds, **states})
        return np.asarray(audio[0, 0, self.hop :], np.float32)

    def resynthesise(self, audio: Floats, note: float | None, latent: Floats | None = None) -> Floats:
        """Reconstruct audio at its own pitch and loudness.

        Parameters
        ----------
        audio : np.ndarray [shape=(samples,)]
        note
            Its MIDI note number, if known.
        latent : np.ndarray [shape=(latents, frames)], optional
            Latents to play; None for those that `encode` gives.

        Returns
        -------
        audio : np.ndarray [shape=(samples,)]
            Aligned with the input.
        """
        found = analyse(audio, Analysis(self.card.sample_rate, self.hop), note)
        played = self.latents(audio, len(found.pitch)) if latent is None else latent
        made = self.play(Score(found.pitch, found.loudness, played))
        return np.pad(made, (0, max(0, len(audio) - len(made))))[: len(audio)]


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
