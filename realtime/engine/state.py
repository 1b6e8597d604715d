"""All that an engine remembers from frame to frame, as one value: kept by snapshots, written to disk, brought back.

On disk it is a line of JSON that says what follows, and the arrays, raw. Reading and writing cost the processor next to
nothing, so a deck can do either beside its playing.
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
from realtime.latent.mixer import LatentMixerState

MAGIC = b"glitch state 1\n"
LARGEST_HEAD = 1 << 20


class StateError(GlitchError):
    """A file holds no state, or one of another model."""


@dataclass(frozen=True)
class EngineState:
    """What an engine goes on from.

    Attributes
    ----------
    decoder
        The model's caches and phase.
    latents
        The latents' sources.
    controls
        The controls on their way.
    heard
        State of a transform's input (`realtime.engine.transform_input.TransformInput`): the frozen loop and the
        feedback. Empty for a model that decodes.
    """

    decoder: AudioMethodState
    latents: LatentMixerState
    controls: np.ndarray
    heard: tuple[np.ndarray, ...] = ()

    def to_bytes(self) -> bytes:
        """Write it down."""
        told, sources = self.latents.pack()
        phase = self.decoder.phase
        parts = (self.decoder.caches, phase.arrays if phase else (), tuple(sources), (self.controls,), self.heard)
        head = {
            "parts": [[[str(array.dtype), list(array.shape)] for array in part] for part in parts],
            "phase": list(phase.settings) if phase else None,
            "latents": told,
        }
        arrays = [np.ascontiguousarray(array).tobytes() for part in parts for array in part]
        return b"".join([MAGIC, json.dumps(head).encode(), b"\n", *arrays])

    @classmethod
    def from_bytes(cls, data: bytes) -> EngineState:
        """Read what `to_bytes` wrote.

        Raises
        ------
        StateError
            It is something else.
        """
        try:
            return cls._read(data)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise StateError(f"A snapshot's memory cannot be read ({error}); save the snapshot again.") from None

    @classmethod
    def _read(cls, data: bytes) -> EngineState:
        end = data.index(b"\n", len(MAGIC), LARGEST_HEAD)
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
        caches, phase, sources, (controls,), *heard = parts  # there was no last part once
        inverter = None
        if head["phase"] is not None:
            settings = tuple(setting if isinstance(setting, str) else int(setting) for setting in head["phase"])
            inverter = PhaseSnapshot(settings, phase)
        latents = LatentMixerState.unpack(head["latents"], list(sources))
        return cls(AudioMethodState(caches, inverter), latents, controls, heard[0] if heard else ())


def store_state(folder: Path, data: bytes) -> str:
    """Write a state into a folder under a name made from its content, and give the name."""
    name = hashlib.sha256(data).hexdigest()[:32]
    path = folder / f"{name}.state"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{secrets.token_hex(4)}")
        scratch.write_bytes(data)
        os.replace(scratch, path)
    return name
