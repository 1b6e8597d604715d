"""Rendering of one deck of a take, in a process of its own.

    python -m realtime.takes.deck_renderer

Decks run in separate processes on the stage, and so they do when they are rendered. Standard input takes a line of
JSON, `{"folder", "number", "model"}`. Standard output gives the deck's sound from its first frame on, in portions, as
long as it is read. A portion is a count of audio frames (int64) and the frames as float32, channel after channel. A
negative count is the number of bytes of an error message, which is the last portion.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
import soundfile as sf

from export.errors import GlitchError
from realtime.dsp.input_reader import InputReader
from realtime.effects.chain import Effect
from realtime.engine.engine import Engine
from realtime.engine.state import EngineState
from realtime.ipc.child_process import detached
from realtime.ipc.memory_layout import RESTORE, SEEK_INPUT
from realtime.takes.journal import INPUT
from realtime.takes.take import ILL_FORMED, Take, TakeError, brief, read_take

PORTION = 4096  # audio frames that are decoded at once
MAX_MESSAGE_BYTES = 10_000


class DeckRenderer:
    """Reads the sound of one deck of a take from the process that decodes it. It must be closed.

    Parameters
    ----------
    take
        With the deck.
    number
        Of the deck.
    model
        The model file.
    """

    def __init__(self, take: Take, number: int, model: Path) -> None:
        self._channels = int(take.decks[number]["channels"])
        self._name = model.name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime.takes.deck_renderer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **detached(),
        )
        order = {"folder": str(take.folder), "number": number, "model": str(model)}
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._process.stdin as pipe:  # if it has ended, `read` raises the reason
            pipe.write(json.dumps(order).encode() + b"\n")

    def read(self) -> np.ndarray:
        """Wait for the next portion of sound.

        Returns
        -------
        np.ndarray [shape=(channels, samples)], float32
            At least `PORTION` samples.

        Raises
        ------
        TakeError
            The take doesn't fit its model, or the process has ended.
        """
        count = int.from_bytes(self._bytes(8), "little", signed=True)
        if count < 0:
            raise TakeError(self._bytes(min(-count, MAX_MESSAGE_BYTES)).decode(errors="replace"))
        return np.frombuffer(self._bytes(4 * self._channels * count), np.float32).reshape(self._channels, count)

    def kill(self) -> None:
        """Kill the process; what it has already written can still be read."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill the process, and close its pipe."""
        self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _bytes(self, count: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(count)
        if len(data) < count:
            code = self._process.wait()
            raise TakeError(
                f"The process that renders {self._name} ended unexpectedly (code {code}); if a plug-in crashed, its "
                "output is above; else render once more."
            )
        return data


class _Deck:
    """An engine with the events that the deck had, applied before the same frames."""

    def __init__(self, take: Take, number: int, model: Path) -> None:
        description = self._description = take.decks[number]
        self._take = take
        self._entries = take.entries[take.entries["source"] == number]
        self._next = 0
        self._input: sf.SoundFile | None = None
        self._input_reader = InputReader(self._input_at, take.sample_rate)
        effects = [Effect.from_json(effect) for effect in description["effects"]]
        self._engine = Engine(
            model, description["sample_rate"], seed=description["seed"], inputs=description["inputs"], effects=effects
        )
        if description["state"] is not None:
            self._load_state(int(description["state"]))
        table = self._engine.table
        self._indices = [table[address].index if address in table else None for address in description["knobs"]]
        if gone := sorted(set(description["knobs"]) - table.keys()):
            print(f"{model.name} has no {', '.join(gone)} in this version, which is left out.", file=sys.stderr)
        for parameter, value in description["values"]:
            self._set(int(parameter), float(value))
        self._engine.settle(self._engine.states.get(description["state"]))

    def portion(self) -> np.ndarray:
        """Decode the next frames [shape=(channels, samples)], float32."""
        parts, count = [], 0
        while count < PORTION:
            self._apply_due()
            given = self._input_reader.read(self._engine.input_wanted) if self._engine.inputs else None
            parts.append(self._engine.next(given))
            count += parts[-1].shape[1]
        return np.concatenate(parts, axis=1)

    def _apply_due(self) -> None:
        while self._next < len(self._entries) and self._entries[self._next]["number"] <= self._engine.frames:
            entry = self._entries[self._next]
            if entry["kind"] == SEEK_INPUT:
                self._input_reader.jump(int(entry["value"]))
            elif entry["kind"] == RESTORE:  # logged only if the deck knew the state
                self._load_state(int(entry["value"]))
            self._set(int(entry["kind"]), float(entry["value"]))
            self._next += 1

    def _set(self, kind: int, value: float) -> None:
        """Apply an event; the index of a parameter may have changed since the take was made."""
        parameter = kind if kind < 0 else self._indices[kind]
        if parameter is not None:
            self._engine.apply(parameter, value)

    def _load_state(self, number: int) -> None:
        """Read a state that the engine hasn't captured itself."""
        if number not in self._engine.states:
            data = (self._take.folder / "states" / f"{number}.state").read_bytes()
            self._engine.states[number] = EngineState.from_bytes(data)

    def _input_at(self, samples: np.ndarray) -> np.ndarray:
        """Return the live input at sample positions; outside of the file it is silence."""
        audio = np.zeros((int(self._description["inputs"]), samples.size), np.float32)
        if not samples.size or samples[-1] < 0:
            return audio
        if self._input is None:
            self._input = sf.SoundFile(self._take.folder / INPUT)
        begin = int(samples[0]) - self._take.input_start
        first, last = max(begin, 0), min(begin + samples.size, self._input.frames)
        if first < last:
            self._input.seek(first)
            audio[:, first - begin : last - begin] = self._input.read(last - first, "float32", always_2d=True).T
        return audio


def _write_portions(order: dict[str, Any], out: IO[bytes]) -> None:
    """Write portions without end, or an error message."""
    try:
        deck = _Deck(read_take(Path(order["folder"])), order["number"], Path(order["model"]))
        while True:
            audio = deck.portion()
            out.write(audio.shape[1].to_bytes(8, "little", signed=True) + audio.tobytes())
            out.flush()
    except GlitchError as error:
        sentence = str(error)
    except OSError as error:
        if error.filename is None:  # the reader has gone
            return
        sentence = f"The take lacks {Path(error.filename).name} ({error.strerror}), so it cannot be rendered."
    except (*ILL_FORMED, sf.LibsndfileError) as error:
        sentence = f"The take doesn't fit its model ({brief(error)}), so it cannot be rendered."
    data = sentence.encode()[:MAX_MESSAGE_BYTES]
    out.write((-len(data)).to_bytes(8, "little", signed=True) + data)
    out.flush()


def main() -> None:
    """Run the process; see the module's docstring."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a plug-in that prints must not disturb the portions
    _write_portions(json.loads(sys.stdin.readline()), out)


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        main()
