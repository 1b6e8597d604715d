"""The state of an engine as one value, which can be written to disk and restored.

On disk it is a line of JSON that describes the arrays, and then their raw bytes. Reading and writing take next to no
processor time, so a deck can do either while it plays.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.errors import GlitchError
from realtime.dsp.rtpghi import PhaseSnapshot
from realtime.engine.audio_method import AudioMethodState
from realtime.latent.latent_mixer import LatentMixerState

MAGIC = b"glitch state 1\n"
MAX_HEAD_BYTES = 1 << 20


class StateError(GlitchError):
    """A file holds no state, or the state of another model."""


@dataclass(frozen=True)
class EngineState:
    """All that an engine keeps from frame to frame.

    Attributes
    ----------
    decoder : AudioMethodState
        The model's caches and phases.
    latents : LatentMixerState
        The sources of the latent.
    controls : np.ndarray [shape=(values,)]
        The smoothed values of the controls, then those of the bends.
    transform_input : tuple of np.ndarray
        State of a transform's input (`realtime.engine.transform_input.TransformInput`): the frozen loop and the
        feedback. Empty for a model that decodes.
    """

    decoder: AudioMethodState
    latents: LatentMixerState
    controls: np.ndarray
    transform_input: tuple[np.ndarray, ...] = ()

    def to_bytes(self) -> bytes:
        """Serialise the state."""
        meta, sources = self.latents.pack()
        phase = self.decoder.phase
        parts = (
            self.decoder.caches,
            phase.arrays if phase else (),
            tuple(sources),
            (self.controls,),
            self.transform_input,
        )
        head = {
            "parts": [[[str(array.dtype), list(array.shape)] for array in part] for part in parts],
            "phase": list(phase.settings) if phase else None,
            "latents": meta,
        }
        arrays = [np.ascontiguousarray(array).tobytes() for part in parts for array in part]
        return b"".join([MAGIC, json.dumps(head).encode(), b"\n", *arrays])

    @classmethod
    def from_bytes(cls, data: bytes) -> EngineState:
        """Read a state that `to_bytes` wrote.

        Returns
        -------
        EngineState
            Its arrays are copies.

        Raises
        ------
        StateError
            The bytes are not such a state.
        """
        try:
            return cls._read(data)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise StateError(f"A snapshot's memory cannot be read ({error}); save the snapshot again.") from None

    @classmethod
    def _read(cls, data: bytes) -> EngineState:
        end = data.index(b"\n", len(MAGIC), MAX_HEAD_BYTES)
        if not data.startswith(MAGIC):
            raise ValueError("it does not begin as one")
        head: dict[str, Any] = json.loads(data[len(MAGIC) : end])
        at = end + 1
        parts: list[tuple[np.ndarray, ...]] = []
        for part in head["parts"]:
            arrays = []
            for name, shape in part:
                kind = np.dtype(name)
                count = int(np.prod(shape, dtype=np.int64))
                if kind.hasobject or count < 0:
                    raise ValueError("it holds something else than numbers")
                arrays.append(np.frombuffer(data, kind, count, at).reshape(shape).copy())
                at += count * kind.itemsize
            parts.append(tuple(arrays))
        caches, phase, sources, (controls,), *last = parts  # older files have no last part
        inverter = None
        if head["phase"] is not None:
            settings = tuple(setting if isinstance(setting, str) else int(setting) for setting in head["phase"])
            inverter = PhaseSnapshot(settings, phase)
        latents = LatentMixerState.unpack(head["latents"], list(sources))
        return cls(AudioMethodState(caches, inverter), latents, controls, last[0] if last else ())


def store_state(folder: Path, data: bytes) -> str:
    """Write a state into a folder, under a name made from its content.

    Parameters
    ----------
    folder
        Made if missing.
    data
        From `EngineState.to_bytes`.

    Returns
    -------
    name : str
        The file's name without `.state`.
    """
    name = hashlib.sha256(data).hexdigest()[:32]
    path = folder / f"{name}.state"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{secrets.token_hex(4)}")
        scratch.write_bytes(data)
        os.replace(scratch, path)
    return name
