import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.cli import main
from models.data.manifest import Manifest

ROOT = Path(__file__).parents[2]


def glitch_lab(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from models.cli import main; main()", *map(str, arguments)]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, capture_output=True, text=True, env=surroundings)


def assert_one_sentence(run: subprocess.CompletedProcess[str], text: str) -> None:
    lines = [line for line in run.stderr.splitlines() if line.strip()]
    assert run.returncode == 1, run.stderr
    assert len(lines) == 1, run.stderr
    assert text in lines[0]
    assert "Traceback" not in run.stderr


def test_help_names_the_commands_and_imports_no_torch() -> None:
    run = glitch_lab("--help")
    assert run.returncode == 0
    for name in ("data", "train", "export", "evaluate"):
        assert name in run.stdout
    check = "import sys, models.cli; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


def test_an_orchestra_is_rendered(tmp_path: Path) -> None:
    run = glitch_lab(
        "data", "orchestra", tmp_path / "o", "--instruments", "flute", "--step", "12", "--velocities", "80"
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("3 notes of 1 instruments")
    manifest = json.loads((tmp_path / "o" / "manifest.json").read_text())
    assert manifest["source"]["command"].startswith("glitch-lab data orchestra")


def test_a_folder_is_indexed_and_what_is_skipped_is_printed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "good.wav", 0.1 * np.ones((4_800, 2)), 48_000)
    soundfile.write(tmp_path / "in" / "good.flac", 0.1 * np.ones(4_800), 44_100)
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    run = glitch_lab("data", "folder", tmp_path / "in", tmp_path / "m.json")
    assert run.returncode == 0, run.stderr
    assert "skipped in/bad.wav: " in run.stdout
    assert "2 sounds" in run.stdout
    assert "1 files skipped" in run.stdout


def test_every_wrong_input_gets_one_sentence(
    tmp_path: Path, small_orchestra: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = tmp_path / "a.png"
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    bad = tmp_path / "bad.toml"
    bad.write_text("colour = 1")
    data = small_orchestra.folder
    for arguments, text in (
        (("data", "orchestra", tmp_path, "--instruments", "kazoo"), "no instrument kazoo"),
        (("data", "orchestra", tmp_path, "--velocities", "loud"), "whole numbers with commas"),
        (("data", "folder", tmp_path / "nowhere", tmp_path / "m.json"), "no folder"),
        (("train", "vae", tmp_path, tmp_path / "run"), "no manifest"),
        (("train", "vae", data, tmp_path / "run", "--config", bad), "no setting 'colour'"),
        (("train", "vae", data, tmp_path / "run", "--resume"), "nothing to resume"),
        (("export", png, tmp_path / "a.onnx"), "is no checkpoint"),
        (("export", tmp_path / "nothing.ckpt", tmp_path / "a.onnx"), "no checkpoint"),
        (("evaluate", png, data), "not an ONNX file"),
        (("evaluate", tmp_path / "nothing.onnx", data), "There is no file"),
    ):
        monkeypatch.setattr(sys, "argv", ["glitch-lab", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        # A text as status is printed to standard error, and the exit status is 1.
        assert isinstance(caught.value.code, str), arguments
        assert text in caught.value.code
        assert "\n" not in caught.value.code


def test_an_error_is_one_sentence_and_exit_status_1(tmp_path: Path) -> None:
    assert_one_sentence(glitch_lab("evaluate", tmp_path / "nothing.onnx", tmp_path), "There is no file")


def test_debug_shows_where_an_error_comes_from(tmp_path: Path) -> None:
    run = glitch_lab("--debug", "export", tmp_path / "nothing.ckpt", tmp_path / "a.onnx")
    assert run.returncode == 1
    assert "Traceback" in run.stderr
    assert "CheckpointError" in run.stderr


@pytest.mark.parametrize("module", ["torch", "lightning"])
def test_without_the_lab_extra_the_remedy_is_named(tmp_path: Path, small_orchestra: Manifest, module: str) -> None:
    # As in an installation without it: a finder that knows the module to be missing.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {module!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    run = glitch_lab(
        "train", "vae", small_orchestra.folder, tmp_path / "run", PYTHONPATH=os.pathsep.join((str(tmp_path), str(ROOT)))
    )
    assert_one_sentence(run, 'pip install "glitch-live[lab]"')


def test_evaluate_prints_json(model_file: Path, small_orchestra: Manifest) -> None:
    run = glitch_lab("evaluate", model_file, small_orchestra.folder, "--json", "--limit", "1")
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert {row["label"] for row in report["rows"]} >= {"all"}
    assert report["load"] > 0
