"""The deck process: loads a model, decodes it ahead of the speaker, and reads and writes its states.

    python -m realtime.decks.deck_process

The host sends requests as lines of JSON on standard input; each is answered by a line. When the pipe ends, the process
ends.

- `{"segment", "stream", "model", "sample_rate", "seed", "inputs", "effects"}`: load the model. Answer:
  `{"loaded": true}`.
- `{"values", "states", "state"}`: set the values (pairs of parameter and value), learn the files of states (pairs of
  number and file), continue from the state of that number (null: from rest), and play. Answer: `{"ready": true}`.
- `{"save_state": number, "path"}`: write the state that was captured under that number to a file.
- `{"load_state": number, "path"}`: read a state, for a later restore.

Audio, events and telemetry go through the segments alone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from export.errors import GlitchError
from realtime.decks.deck import Deck
from realtime.effects.chain import Effect
from realtime.engine.engine import Engine
from realtime.engine.state import EngineState
from realtime.ipc import rings
from realtime.ipc.child_process import Requests, reply
from realtime.ipc.priority import drop_priority, lock_memory, request_realtime
from realtime.ipc.segments import Segment

CAPTURE_TIMEOUT_S = 2.0
POLL_S = 2e-3


def main() -> int:
    """Run a deck process; see the module's docstring."""
    _redirect_prints()
    requests = Requests(grace_s=0.0)
    request = requests.next()
    if request is None:
        return 0
    with Segment.attach(request["segment"]) as segment, Segment.attach(request["stream"]) as stream:
        try:
            return _play(requests, request, segment, stream)
        except GlitchError as error:
            reply(error=str(error))
            return 1


def load_engine(request: dict[str, Any]) -> Engine:
    """Make the engine for a request to load."""
    effects = [Effect.from_json(effect) for effect in request["effects"]]
    inputs, seed = request["inputs"], request["seed"]
    return Engine(request["model"], request["sample_rate"], seed=seed, inputs=inputs, effects=effects)


def prepare_deck(
    engine: Engine, request: dict[str, Any], segment: Segment, stream: Segment
) -> tuple[Deck, dict[int, str]]:
    """Make the deck for a request to play.

    Returns
    -------
    deck : Deck
        With its values set, at rest or in the state to continue from.
    states : dict[int, str]
        The files of the states that are still to be read, by number.
    """
    states = dict(request["states"])
    if request["state"] in states:
        engine.states[request["state"]] = read_state(states.pop(request["state"]))
    for parameter, value in request["values"]:
        engine.apply(int(parameter), float(value))
    engine.settle(engine.states.get(request["state"]))
    deck = Deck(engine, segment, stream)
    deck.state["hop"], deck.state["delay"] = engine.hop, engine.delay
    deck.state["deadline_ms"] = 1e3 * engine.decoder.hop / engine.decoder.card.sample_rate
    return deck, states


def read_state(path: str) -> EngineState:
    """Read the state of an engine from a file.

    Returns
    -------
    EngineState
        For an engine with the same model.

    Raises
    ------
    StateError
        The file contains no state.
    """
    return EngineState.from_bytes(Path(path).read_bytes())


def _redirect_prints() -> None:
    """Keep the pipe to the host for replies: plug-ins print to standard output, which goes to standard error now."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(pipe, "w")


def _play(requests: Requests, request: dict[str, Any], segment: Segment, stream: Segment) -> int:
    engine = load_engine(request)
    cost_s = engine.decoder.warm()
    reply(loaded=True)
    begin = requests.next()
    if begin is None:
        return 0
    deck, states = prepare_deck(engine, begin, segment, stream)
    state = deck.state
    lock_memory()
    gc.collect()
    gc.freeze()
    gc.disable()
    sys.setswitchinterval(1e-4)  # so that the thread below doesn't hold up the decoder
    deck.warm()
    while rings.fill(segment["ring_index"]) < state["lookahead"]:
        deck.step()
    state["priority"] = request_realtime()  # only now: loading must not take time from decks that play
    state["decode_ms"] = state["worst_ms"] = 1e3 * cost_s  # the first frames load code, so their cost means nothing
    state["fill"] = state["lookahead"]
    state["ready"] = 1
    reply(ready=True)
    threading.Thread(target=_serve_states, args=(requests, engine, states), name="states", daemon=True).start()
    deck.run()
    drop_priority()
    return 0


def _serve_states(requests: Requests, engine: Engine, states: dict[int, str]) -> None:
    """Read and write states for the host while the deck plays."""
    for number, path in states.items():
        with contextlib.suppress(GlitchError, OSError):  # a snapshot whose state is missing still has its values
            engine.states[number] = read_state(path)
    while (request := requests.next()) is not None:
        try:
            if "load_state" in request:
                engine.states[request["load_state"]] = read_state(request["path"])
            else:
                Path(request["path"]).write_bytes(_captured_state(engine, request["save_state"]).to_bytes())
            reply(done=True)
        except (GlitchError, OSError) as error:
            reply(failed=str(error))


def _captured_state(engine: Engine, number: int) -> EngineState:
    """Wait for a state that the deck was asked to capture."""
    end = time.monotonic() + CAPTURE_TIMEOUT_S
    while number not in engine.states:
        if time.monotonic() > end:
            raise GlitchError("The deck decoded no frame, so its state could not be captured.")
        time.sleep(POLL_S)
    return engine.states[number]


if __name__ == "__main__":
    os._exit(main())  # skip unloading, in which some plug-ins crash
