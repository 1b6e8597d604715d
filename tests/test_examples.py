"""The examples run in the programs that they are for, or are checked for consistency without them."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from export.format.io import load
from realtime import Session
from realtime.layouts.layout_file import KINDS
from realtime.library.library import bundled_model
from realtime.osc.codec import messages, write_bundle, write_message
from realtime.params.table import Table, table
from tests.eventually import eventually

pytestmark = pytest.mark.plays

EXAMPLES = Path(__file__).parent.parent / "examples"
COMMANDS = {"/subscribe", "/unsubscribe"}  # what the patches send beside parameters
READINGS = {"/meter/rms"}  # what they show beside them

# The messages of each slider and button of the Pure Data patch when it is moved, by the name that it listens to.
PD_CONTROLS = {
    **{f"glitch-latent-{n}": (f"/latent/{n}", 0.25 * n) for n in range(1, 9)},
    "glitch-pitch": ("/pitch", 61.0),
    "glitch-loudness": ("/loudness", -30.0),
    "glitch-gain": ("/gain", -12.0),
    "glitch-crossfade": ("/crossfade", 0.25),
    "glitch-tempo": ("/tempo", 93.0),
    "glitch-xy-x": ("/xy/x", 0.75),
    "glitch-xy-y": ("/xy/y", 0.25),
    "glitch-xy-amount": ("/xy/amount", 0.5),
    "glitch-walk-speed": ("/walk/speed", 2.0),
    "glitch-walk-radius": ("/walk/radius", 1.5),
    "glitch-mute": ("/mute", 1.0),
}


@pytest.fixture(scope="module")
def bundled() -> Table:
    return table(load(bundled_model())[1])


class Listener:
    """A port that takes OSC, so that everything a patch sends can be seen."""

    def __init__(self) -> None:
        self.received: dict[str, tuple[object, ...]] = {}
        self.peer: tuple[str, int] | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            packet, self.peer = self._socket.recvfrom(65_536)
            if not packet:
                return
            for message, _ in messages(packet):
                self.received[message.address] = tuple(message.params)

    def answer(self, values: dict[str, float]) -> None:
        assert self.peer is not None
        packets = [write_message(address, (value,), "f") for address, value in values.items()]
        self._socket.sendto(write_bundle(packets), self.peer)

    def close(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@contextmanager
def pure_data(folder: Path, port: int, *sent: str, beside: str = "") -> Iterator[list[str]]:
    """Run the patch against a port of the test's own; gives what Pure Data prints, while it prints it."""
    if shutil.which("pd") is None:
        pytest.fail("Pure Data is not installed; install it (Debian: apt install puredata-core)")
    patch = (EXAMPLES / "glitch-live.pd").read_text()
    assert "connect 127.0.0.1 9000" in patch
    copy, other = folder / "glitch-live.pd", folder / "beside.pd"
    copy.write_text(patch.replace("127.0.0.1 9000", f"127.0.0.1 {port}"))
    other.write_text(f"#N canvas 0 0 300 300 12;\n{beside}")
    opened = ["-open", str(other), "-open", str(copy)]
    command = ["pd", "-nogui", "-noaudio", *opened, *(word for text in sent for word in ("-send", text))]
    pd = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert pd.stderr is not None
    said: list[str] = []
    reader = threading.Thread(target=lambda lines: said.extend(iter(lines.readline, "")), args=(pd.stderr,))
    reader.start()
    try:
        yield said
    finally:
        pd.terminate()
        pd.wait(10)
        reader.join(10)
        pd.stderr.close()
    text = "".join(said)
    assert "error" not in text, text
    assert "failed" not in text, text


def test_the_pure_data_patch_plays_a_latent(models: dict[str, Path], tmp_path: Path) -> None:
    with Session(models["level"], device="null", osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        session.set("/walk/radius", 0)
        with pure_data(tmp_path, session.osc.port, "glitch-latent-1 2.5"):
            eventually(lambda: session.get("/latent/1") == 2.5)


def test_every_control_of_the_pure_data_patch_plays_its_parameter(tmp_path: Path) -> None:
    with Session(device="null", osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        moves = [f"{name} {value}" for name, (_, value) in PD_CONTROLS.items()]
        with pure_data(tmp_path, session.osc.port, *moves):
            for address, value in PD_CONTROLS.values():
                eventually(lambda: session.get(address) == pytest.approx(value, abs=1e-6))  # noqa: B023


def test_the_buttons_of_the_pure_data_patch_reach_the_stage(tmp_path: Path, listener: Listener) -> None:
    with pure_data(tmp_path, listener.port, "glitch-snapshot 4", "glitch-panic bang", "glitch-reset bang"):
        wanted = {"/snapshot/5", "/panic", "/reset", "/subscribe"}
        eventually(lambda: wanted <= listener.received.keys())
        assert listener.received["/subscribe"] == ("/", 20.0)


def test_the_pure_data_patch_uses_only_existing_parameters(bundled: Table) -> None:
    patch = (EXAMPLES / "glitch-live.pd").read_text()
    sent = {"/" + words.replace(" ", "/") for words in re.findall(r"oscformat ([^;]+);", patch)}
    assert sent - COMMANDS <= bundled.keys()
    assert {address for address, _ in PD_CONTROLS.values()} <= sent


def test_the_pure_data_patch_receives_changes_from_the_stage(models: dict[str, Path], tmp_path: Path) -> None:
    shown = "#X obj 10 10 r glitch-feedback;\n#X obj 10 40 print feedback;\n#X connect 0 0 1 0;\n"
    with Session(models["level"], device="null", osc=("127.0.0.1", 0)) as session:
        assert session.osc is not None
        with pure_data(tmp_path, session.osc.port, beside=shown) as said:
            eventually(lambda: any(line.startswith("feedback: crossfade") for line in said))
            session.set("/latent/2", 1.25)
            eventually(lambda: "feedback: latent 2 1.25\n" in said)


def test_the_sliders_of_the_pure_data_patch_follow_without_sending(tmp_path: Path, listener: Listener) -> None:
    """A slider takes a received value: it sends that value when it is asked, and nothing before."""
    reported = {"/latent/2": 1.25, "/xy/x": 0.75, "/walk/radius": 3.0, "/tempo": 90.0, "/gain": -6.0}
    ask = "".join(f"\\; glitch-{address.strip('/').replace('/', '-')} bang " for address in reported)
    seen = "#X obj 10 10 r glitch-feedback;\n#X obj 10 40 route gain crossfade;\n#X obj 10 70 print gain;\n"
    then = f"#X obj 90 70 t b;\n#X msg 90 100 {ask};\n"  # asks each slider when a crossfade is received
    wires = "#X connect 0 0 1 0;\n#X connect 1 0 2 0;\n#X connect 1 1 3 0;\n#X connect 3 0 4 0;\n"
    with pure_data(tmp_path, listener.port, beside=seen + then + wires) as said:
        eventually(lambda: "/subscribe" in listener.received)
        listener.answer({**reported, "/latent/1/scale": 2.0})
        eventually(lambda: "gain: -6\n" in said)
        assert listener.received.keys() == {"/subscribe"}, "a received value was sent back"
        listener.answer({"/crossfade": 0.5})
        for address, value in reported.items():
            eventually(lambda: address in listener.received)  # noqa: B023
            assert listener.received[address] == (pytest.approx(value, abs=1e-6),)
        assert "/latent/1" not in listener.received


@pytest.fixture(scope="module")
def max_patch() -> dict[str, Any]:
    patch: dict[str, Any] = json.loads((EXAMPLES / "glitch-live.maxpat").read_text())["patcher"]
    return patch


def test_the_cords_of_the_max_patch_go_from_outlets_to_inlets(max_patch: dict[str, Any]) -> None:
    boxes = {entry["box"]["id"]: entry["box"] for entry in max_patch["boxes"]}
    assert len(boxes) == len(max_patch["boxes"])
    for entry in max_patch["lines"]:
        (source, outlet), (destination, inlet) = entry["patchline"]["source"], entry["patchline"]["destination"]
        assert 0 <= outlet < boxes[source]["numoutlets"]
        assert 0 <= inlet < boxes[destination]["numinlets"]


def test_the_boxes_of_the_max_patch_are_in_its_window_and_not_on_each_other(max_patch: dict[str, Any]) -> None:
    _, _, wide, tall = max_patch["rect"]
    rects = [entry["box"]["patching_rect"] for entry in max_patch["boxes"]]
    assert all(x >= 0 and y >= 0 and x + w <= wide and y + h <= tall for x, y, w, h in rects)
    for k, (x, y, w, h) in enumerate(rects):
        for x2, y2, w2, h2 in rects[:k]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y, (x, y, x2, y2)


def test_the_max_patch_uses_only_existing_parameters(bundled: Table, max_patch: dict[str, Any]) -> None:
    texts = [entry["box"].get("text", "") for entry in max_patch["boxes"] if entry["box"]["maxclass"] != "comment"]
    sent = {
        word for text in texts if not text.startswith("route") for word in re.findall(r"(?:^|prepend )(/\S+)", text)
    }
    shown = {word for text in texts if text.startswith("route") for word in text.split()[1:]}
    assert sent - COMMANDS <= bundled.keys()
    assert shown - READINGS <= bundled.keys()
    assert shown - READINGS <= sent, "what follows can be played"
    assert {f"/latent/{n}" for n in range(1, 9)} | {f"/snapshot/{n}" for n in range(1, 17)} <= sent
    assert {"/xy/x", "/xy/y", "/tempo", "/panic", "/subscribe"} <= sent


def test_feedback_sets_the_max_patch_without_sending_back(max_patch: dict[str, Any]) -> None:
    """From a route to a slider it is `set`, or a meter that nothing hangs on: else values would go round for ever."""
    boxes = {entry["box"]["id"]: entry["box"] for entry in max_patch["boxes"]}
    routes = {key for key, box in boxes.items() if box.get("text", "").startswith("route ")}
    cords = [(cord["patchline"]["source"][0], cord["patchline"]["destination"][0]) for cord in max_patch["lines"]]
    silent = {"prepend set", "pak 500 500"}
    for source, destination in cords:
        if source in routes and destination not in routes:
            text, kind = boxes[destination].get("text", ""), boxes[destination]["maxclass"]
            assert text in silent or text.startswith("scale") or kind == "multislider", text or kind


@pytest.mark.parametrize(
    ("kind", "name"),
    [("open-stage-control", "glitch-live.open-stage-control.json"), ("touchosc", "glitch-live.tosc")],
)
def test_the_layouts_are_those_of_the_bundled_model(bundled: Table, kind: str, name: str) -> None:
    made, kept = KINDS[kind](bundled, "127.0.0.1", 9000), (EXAMPLES / name).read_bytes()
    if kind == "touchosc":  # other versions of zlib may compress to other bytes
        made, kept = zlib.decompress(made), zlib.decompress(kept)
    assert made == kept, f"write {name} again: the table has changed"
