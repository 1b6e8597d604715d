"""A deck of a take, decoded again in a process of its own: `python -m realtime.takes.deck_renderer`.

Decks share no interpreter on stage, so they share none when they are rendered. Standard input brings a line of JSON,
`{"folder", "number", "model"}`; standard output gives the deck's sound from its first frame on, portion by portion,
for as long as somebody reads. A portion is a count (int64) and so many frames of float32, channel after channel; a
count below zero is that of the bytes of a sentence which says what is wrong, the last that comes.
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
from realtime.ipc.child import detached
from realtime.ipc.layout import RESTORE, SEEK_INPUT
from realtime.takes.journal import INPUT
from realtime.takes.take import ILL_FORMED, Take, TakeError, brief, read_take

PORTION = 4096  # frames that are decoded at once
LONGEST_SENTENCE = 10_000


class DeckRenderer:
    """The sound of one deck of a take, read from the process that decodes it. Close it, whatever happens."""

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
        with contextlib.suppress(OSError), self._process.stdin as pipe:  # one that has ended tells so when it is read
            pipe.write(json.dumps(order).encode() + b"\n")

    def read(self) -> np.ndarray:
        """Wait for the next portion [shape=(channels, frames)].

        Raises
        ------
        TakeError
            The take doesn't fit its model, or the process has ended.
        """
        count = int.from_bytes(self._bytes(8), "little", signed=True)
        if count < 0:
            raise TakeError(self._bytes(min(-count, LONGEST_SENTENCE)).decode(errors="replace"))
        return np.frombuffer(self._bytes(4 * self._channels * count), np.float32).reshape(self._channels, count)

    def kill(self) -> None:
        """End the process at once; what it has made can still be read."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process, and let go of it."""
        self.kill()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _bytes(self, count: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(count)
        if len(data) < count:
            code = self._process.wait()
            raise TakeError(
                f"What plays {self._name} again ended unexpectedly (code {code}); if a plug-in crashed, what it "
                "printed stands above; else render once more."
            )
        return data


class _Deck:
    """An engine that is told, frame by frame, what the deck was told."""

    def __init__(self, take: Take, number: int, model: Path) -> None:
        said = self._said = take.decks[number]
        self._take = take
        self._done = take.entries[take.entries["source"] == number]
        self._next = 0
        self._input: sf.SoundFile | None = None
        self._input_reader = InputReader(self._heard, take.sample_rate)
        effects = [Effect.from_json(effect) for effect in said["effects"]]
        self._engine = Engine(model, said["sample_rate"], seed=said["seed"], inputs=said["inputs"], effects=effects)
        if said["state"] is not None:
            self._learn(int(said["state"]))
        table = self._engine.table
        self._knobs = [table[address].index if address in table else None for address in said["knobs"]]
        if gone := sorted(set(said["knobs"]) - table.keys()):
            print(f"{model.name} has no {', '.join(gone)} in this version, which is left out.", file=sys.stderr)
        for parameter, value in said["values"]:
            self._turn(int(parameter), float(value))
        self._engine.settle(self._engine.states.get(said["state"]))

    def portion(self) -> np.ndarray:
        """Make the sound of the next frames [shape=(channels, samples)]."""
        parts, count = [], 0
        while count < PORTION:
            self._apply()
            given = self._input_reader.read(self._engine.input_wanted) if self._engine.inputs else None
            parts.append(self._engine.next(given))
            count += parts[-1].shape[1]
        return np.concatenate(parts, axis=1)

    def _apply(self) -> None:
        while self._next < len(self._done) and self._done[self._next]["number"] <= self._engine.frames:
            entry = self._done[self._next]
            if entry["kind"] == SEEK_INPUT:
                self._input_reader.jump(int(entry["value"]))
            elif entry["kind"] == RESTORE:  # only noted by a deck that knew the state
                self._learn(int(entry["value"]))
            self._turn(int(entry["kind"]), float(entry["value"]))
            self._next += 1

    def _turn(self, kind: int, value: float) -> None:
        """Act as the deck did; a knob may have another number now than it had in the take."""
        parameter = kind if kind < 0 else self._knobs[kind]
        if parameter is not None:
            self._engine.apply(parameter, value)

    def _learn(self, number: int) -> None:
        """Give the engine a state that it hasn't captured itself."""
        if number not in self._engine.states:
            data = (self._take.folder / "states" / f"{number}.state").read_bytes()
            self._engine.states[number] = EngineState.from_bytes(data)

    def _heard(self, samples: np.ndarray) -> np.ndarray:
        """Read the live input; what lies before or beyond the file is silence."""
        heard = np.zeros((int(self._said["inputs"]), samples.size), np.float32)
        if not samples.size or samples[-1] < 0:
            return heard
        if self._input is None:
            self._input = sf.SoundFile(self._take.folder / INPUT)
        begin = int(samples[0]) - self._take.heard_from
        first, last = max(begin, 0), min(begin + samples.size, self._input.frames)
        if first < last:
            self._input.seek(first)
            heard[:, first - begin : last - begin] = self._input.read(last - first, "float32", always_2d=True).T
        return heard


def _play(order: dict[str, Any], out: IO[bytes]) -> None:
    """Write portions without end, or what is wrong."""
    try:
        deck = _Deck(read_take(Path(order["folder"])), order["number"], Path(order["model"]))
        while True:
            audio = deck.portion()
            out.write(audio.shape[1].to_bytes(8, "little", signed=True) + audio.tobytes())
            out.flush()
    except GlitchError as error:
        sentence = str(error)
    except OSError as error:
        if error.filename is None:  # nobody reads any more
            return
        sentence = f"The take lacks {Path(error.filename).name} ({error.strerror}), so it cannot be rendered."
    except (*ILL_FORMED, sf.LibsndfileError) as error:
        sentence = f"The take doesn't fit its model ({brief(error)}), so it cannot be rendered."
    data = sentence.encode()[:LONGEST_SENTENCE]
    out.write((-len(data)).to_bytes(8, "little", signed=True) + data)
    out.flush()


def main() -> None:
    """Be the process."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a plug-in that prints must not speak in between
    _play(json.loads(sys.stdin.readline()), out)


if __name__ == "__main__":
    with contextlib.suppress(OSError):
        main()
