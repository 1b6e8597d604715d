"""A deck compiles everything before it plays: the first event after an installation is as smooth as the second."""

import json
import subprocess
import sys
from pathlib import Path

from tests import reference

PROGRAM = """
import json, sys
from pathlib import Path
from realtime.ipc import rings
from realtime.decks.deck import Deck
from realtime.engine.engine import Engine
from realtime.ipc.memory_layout import HISTORY, RING, Geometry
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.ipc.segments import Segment

def compiled():
    functions = {name: getattr(rings, name) for name in dir(rings) if hasattr(getattr(rings, name), "signatures")}
    return {name: len(function.signatures) for name, function in functions.items()}

registry = SegmentRegistry(Path(sys.argv[2]))
with (
    Segment.create(Geometry("deck", 1, RING), registry) as segment,
    Segment.create(Geometry("stream", 1, HISTORY, 1), registry) as stream,
):
    deck = Deck(Engine(sys.argv[1], 48_000, inputs=1), segment, stream)
    deck.warm()
    deck.step()
    before = compiled()
    segment["events"][0] = (0, deck.engine.table["/latent/1"].index, 0.5)
    segment["event_index"][:] = 0
    segment["event_index"][int(sys.argv[3])] = 1
    segment["ring_index"][int(sys.argv[4])] = 1  # it is being played: from now on it follows the live input
    deck.step()
    print(json.dumps([before, compiled(), deck.engine.values["/latent/1"], int(deck.state["lost_done"])]))
registry.close()
"""


def test_the_first_event_triggers_no_compilation(tmp_path: Path) -> None:
    from realtime.ipc.memory_layout import READ, WRITE

    model = reference.level_model(tmp_path / "level.onnx")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model), str(tmp_path / "registry"), str(WRITE), str(READ)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    before, after, knob, lost = json.loads(done.stdout)
    assert (knob, lost) == (0.5, 0)
    assert before["push_done"] == 1
    assert after == before
