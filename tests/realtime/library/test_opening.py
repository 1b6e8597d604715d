"""Foreign models are converted once and kept, without disturbing the sound or leaving partial files."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from export.errors import ContractError, GlitchError
from export.format.io import load
from realtime import Session
from realtime.decks.deck_loader import OvertakenError
from realtime.library import conversion_process, opening
from realtime.library.conversion_process import SCRATCH, ConversionError, ConversionOptions, Converted
from realtime.library.library import Library, digest
from realtime.library.opening import open_model
from realtime.session.session_file.file_io import read
from tests.eventually import eventually
from tests.realtime.sessions import quiet

ROOT = Path(__file__).parents[3]


class Studio:
    """Replaces the conversion: copies an existing model, once `free` is set."""

    def __init__(self, model: Path) -> None:
        self.model = model
        self.made: list[Path] = []
        self.going_on = self.most_at_once = 0
        self.free = threading.Event()
        self.free.set()

    def __call__(
        self,
        source: Path,
        out: Path,
        _wishes: ConversionOptions | None = None,
        *,
        notify: Callable[[str], None],
        stop: threading.Event,
    ) -> Converted:
        self.going_on += 1
        self.most_at_once = max(self.most_at_once, self.going_on)
        try:
            while not self.free.wait(0.01):
                if stop.is_set():
                    raise ConversionError(f"The conversion of {source.name} was cancelled.")
            shutil.copy(self.model, out)
            self.made.append(source)
            return Converted(load(out)[1], ("it was made of clay",))
        finally:
            self.going_on -= 1


@pytest.fixture(autouse=True)
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "data"))
    return tmp_path


@pytest.fixture
def studio(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    made = Studio(models["level"])
    monkeypatch.setattr(conversion_process, "convert", made)
    yield made
    made.free.set()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "shelf").mkdir()
    path = tmp_path / "shelf" / "clay.ts"
    path.write_bytes(b"a model of another kind")
    return path


def test_an_onnx_file_plays_as_it_is(models: dict[str, Path], studio: Studio) -> None:
    found = open_model(models["level"])
    assert (found.source, found.model) == (models["level"], models["level"])
    assert found.source_digest == found.digest == digest(models["level"])
    assert not studio.made


def test_a_foreign_model_is_converted_once_and_kept(source: Path, studio: Studio) -> None:
    reported: list[str] = []
    first = open_model(source, notify=reported.append)
    assert reported[0].startswith("clay.ts is being converted, once")
    assert "clay.ts: it was made of clay" in reported
    assert first.source == source
    assert first.source_digest == digest(source)
    assert first.digest == digest(first.model)
    assert first.model.parent == opening.converted_folder()
    reported.clear()
    assert open_model(source, notify=reported.append) == first
    assert not reported
    assert len(studio.made) == 1


def test_another_file_or_another_converter_leads_to_another_conversion(
    source: Path, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_model(source).model
    source.write_bytes(b"a newer one")
    second = open_model(source).model
    monkeypatch.setattr(opening, "converter_digest", lambda: "another one of them")
    third = open_model(source).model
    assert len({first, second, third}) == len(studio.made) == 3


def test_a_change_in_any_file_of_the_converter_makes_another_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = opening.converter_digest.__wrapped__()
    assert before == opening.converter_digest.__wrapped__()
    (tmp_path / "changed" / "inner").mkdir(parents=True)
    (tmp_path / "changed" / "inner" / "other.py").write_text("FRAMES = 2\n")
    (tmp_path / "changed" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(opening, "CONVERTER", (*opening.CONVERTER, "changed"))
    changed = opening.converter_digest.__wrapped__()
    (tmp_path / "changed" / "inner" / "other.py").write_text("FRAMES = 3\n")
    assert len({before, changed, opening.converter_digest.__wrapped__()}) == 3


def test_a_damaged_conversion_is_repeated(source: Path, studio: Studio) -> None:
    kept = open_model(source).model
    kept.write_bytes(kept.read_bytes()[:100])
    assert load(open_model(source).model)
    assert len(studio.made) == 2


def test_two_sessions_at_once_convert_a_model_once(source: Path, studio: Studio) -> None:
    studio.free.clear()
    reported: list[str] = []
    with ThreadPoolExecutor(3) as pool:
        wanted = [pool.submit(open_model, source, notify=reported.append) for _ in range(3)]
        eventually(lambda: reported.count("clay.ts waits for another conversion to end.") == 2)
        studio.free.set()
        assert len({one.result(60) for one in wanted}) == 1
    assert (len(studio.made), studio.most_at_once) == (1, 1)


def test_scratch_of_a_killed_conversion_is_removed_by_the_next(source: Path, studio: Studio) -> None:
    left = opening.converted_folder() / f"{SCRATCH}0123"
    left.mkdir(parents=True)
    (left / "half.onnx").write_bytes(b"half")
    open_model(source)
    assert not left.exists()


def test_a_failed_conversion_leaves_nothing(source: Path) -> None:
    with pytest.raises(ContractError, match=r"clay\.ts is not a TorchScript file"):
        open_model(source)
    assert [path.name for path in opening.converted_folder().iterdir()] == [opening.LOCK]


def test_without_the_studio_the_error_names_how_to_install_it(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))
    with pytest.raises(ConversionError, match=r'takes PyTorch: pip install -e "\.\[lab\]" in a clone') as caught:
        open_model(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["torch", "onnxscript"])
def test_a_studio_that_lacks_a_part_gives_the_same_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.export.torchscript import hostile

    # As in an installation without it: the module is found but cannot be imported.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / f"{name}.py").write_text(f"raise ModuleNotFoundError('No module', name={name!r})\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    good = hostile.good(tmp_path / "model.ts")
    with pytest.raises(ConversionError, match=r'takes PyTorch: pip install -e "\.\[lab\]" in a clone'):
        open_model(good)


OPEN = "import sys; from realtime.library.opening import open_model; open_model(sys.argv[1], notify=print)"


def test_a_killed_start_ends_its_conversion(tmp_path: Path) -> None:
    from tests.export.torchscript import hostile

    source = hostile.good(tmp_path / "model.ts")
    player = subprocess.Popen([sys.executable, "-c", OPEN, str(source)], cwd=ROOT)
    eventually(lambda: psutil.Process(player.pid).children())
    assert any(opening.converted_folder().glob(f"{SCRATCH}*"))
    player.kill()
    player.wait()
    eventually(lambda: not any(opening.converted_folder().glob(f"{SCRATCH}*")))
    assert {path.name for path in opening.converted_folder().iterdir()} <= {opening.LOCK}


def test_the_library_lists_models_of_both_kinds_and_prefers_onnx(tmp_path: Path, models: dict[str, Path]) -> None:
    for name in ("clay.ts", "wax.torchscript", "both.ts", "notes.txt"):
        (tmp_path / name).write_bytes(b"another kind")
    shutil.copy(models["level"], tmp_path / "both.onnx")
    library = Library(tmp_path)
    assert {"clay", "wax", "both"} <= set(library.names())
    assert "notes" not in library.names()
    assert library.find("clay") == library.find("clay.ts") == tmp_path / "clay.ts"
    assert library.find("both") == library.find("both.ts") == tmp_path / "both.onnx"


@pytest.mark.plays
def test_a_session_file_names_the_foreign_file(source: Path, studio: Studio, tmp_path: Path) -> None:
    show = tmp_path / "show.json"
    with Session(source, device="null", session=show) as session:
        assert session.card.name == "level"
        assert session.player.source == source
        eventually(show.exists)
    kept = read(show).decks["a"]
    assert (kept.model, kept.path, kept.sha256) == ("clay", str(source), digest(source))
    with Session(device="null", session=show) as session:
        assert session.player.source == source
        assert not session.notes
    assert len(studio.made) == 1


@pytest.mark.plays
def test_a_load_converts_while_the_decks_play(source: Path, studio: Studio, models: dict[str, Path]) -> None:
    studio.free.clear()
    with quiet(models["stereo"], library=source.parent) as session:
        assert "clay" in session.models()
        loading = session.load("clay")
        eventually(lambda: studio.going_on == 1)
        session.load("orchestra", letter="b").result(60)  # a model that needs no conversion doesn't wait
        session.set_effects(lambda now: now).result(60)
        assert session.player.source == models["stereo"]
        assert any("clay.ts is being converted" in note for note in session.notes)
        studio.free.set()
        loading.result(60)
        assert session.card.name == "level"
        assert session.player.source == source


@pytest.mark.plays
def test_a_session_that_ends_cancels_its_conversion(source: Path, studio: Studio, models: dict[str, Path]) -> None:
    studio.free.clear()
    with quiet(models["level"], library=source.parent) as session:
        loading = session.load("clay")
        eventually(lambda: studio.going_on == 1)
    with pytest.raises(GlitchError, match="was cancelled"):
        loading.result(0)
    assert not studio.made


@pytest.mark.plays
def test_a_load_during_a_conversion_overtakes_it(source: Path, studio: Studio, models: dict[str, Path]) -> None:
    studio.free.clear()
    with quiet(models["level"], library=source.parent) as session:
        loading = session.load("clay")
        eventually(lambda: studio.going_on == 1)
        session.load("orchestra").result(60)
        studio.free.set()
        with pytest.raises(OvertakenError):
            loading.result(60)
        assert session.card.name == "orchestra"


@pytest.mark.plays
def test_a_failed_load_is_reported_and_the_old_model_plays_on(source: Path, models: dict[str, Path]) -> None:
    with quiet(models["level"], library=source.parent) as session:
        with pytest.raises(ContractError, match="is not a TorchScript file"):
            session.load("clay").result(60)
        assert session.card.name == "level"
        assert session.status().deck_alive
