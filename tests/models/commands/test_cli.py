import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from export.format.io import load
from models.cli import main
from models.data import folder
from models.data.manifest import Manifest
from models.spectral_vae.checkpoint import Trained
from models.spectral_vae.lightning_module import SpectralModule

ROOT = Path(__file__).parents[3]


def glitch_lab(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from models.cli import main; main()", *map(str, arguments)]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, capture_output=True, text=True, env=surroundings)


def assert_one_sentence(run: subprocess.CompletedProcess[str], text: str) -> None:
    lines = run.stderr.splitlines()
    assert run.returncode == 1, run.stderr
    assert len(lines) == 1, run.stderr
    assert text in lines[0]
    assert "Traceback" not in run.stderr


def test_help_names_the_commands_and_imports_no_torch() -> None:
    run = glitch_lab("--help")
    assert run.returncode == 0
    for name in ("data", "train", "grid", "export", "evaluate", "explore"):
        assert name in run.stdout
    check = "import sys, models.cli; sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


def test_an_orchestra_is_rendered(tmp_path: Path) -> None:
    run = glitch_lab(
        *("data", "orchestra", tmp_path / "o", "--instruments", "flute", "--step", "12", "--velocities", "80"),
        COLUMNS="50",
    )
    assert run.returncode == 0, run.stderr
    assert "3/3 to go 0:00:00" in run.stderr  # in a narrow output as well
    assert run.stdout.startswith("3 notes of 1 instruments")
    manifest = json.loads((tmp_path / "o" / "manifest.json").read_text())
    assert manifest["source"]["command"].startswith("glitch-lab data orchestra")


def test_a_folder_is_indexed_and_skipped_files_are_printed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "good.wav", 0.1 * np.ones((4_800, 2)), 48_000)
    soundfile.write(tmp_path / "in" / "good.flac", 0.1 * np.ones(4_800), 44_100)
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    run = glitch_lab("data", "folder", tmp_path / "in", tmp_path / "m.json")
    assert run.returncode == 0, run.stderr
    assert "skipped in/bad.wav: " in run.stdout
    assert "2 sounds" in run.stdout
    assert "1 files skipped" in run.stdout


def test_every_wrong_input_gives_a_one_sentence_error(
    tmp_path: Path, small_orchestra: Manifest, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = tmp_path / "a.png"
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    bad = tmp_path / "bad.toml"
    bad.write_text("colour = 1")
    (tmp_path / "mine.onnx").touch()
    empty = tmp_path / "empty"
    empty.mkdir()
    data = small_orchestra.folder
    listed = data / "manifest.json"
    for arguments, text in (
        (("data", "orchestra", tmp_path, "--instruments", "kazoo"), "no instrument kazoo"),
        (("convert", tmp_path / "mine.ts"), f"{tmp_path / 'mine.onnx'} already exists; name the file to write"),
        (("data", "orchestra", tmp_path, "--velocities", "loud"), "whole numbers with commas"),
        (("data", "folder", tmp_path / "nowhere", tmp_path / "m.json"), "no folder"),
        (("train", "vae", tmp_path / "nowhere", tmp_path / "run"), "no folder and no manifest"),
        (("train", "vae", empty, tmp_path / "run"), "There are no sounds"),
        (("data", "folder", data, data), "manifest.json already exists"),
        (("data", "voices", data), "isn't empty"),
        (("train", "vae", data, tmp_path / "run", "--preset", "slow"), "no preset 'slow'"),
        (("train", "vae", data, tmp_path / "run", "--hold-out", "colour"), "file, label, pitch, not 'colour'"),
        (("grid", data, tmp_path / "run", "--latent", "two"), "--latent takes numbers"),
        (("grid", data, tmp_path / "run", "--latent", "0"), "'latent' must be a whole number from 1"),
        (("grid", data, tmp_path / "run", "--storage", "nothing://at/all"), "cannot be opened"),
        (("train", "vae", data, tmp_path / "run", "--config", bad), "no setting 'colour'"),
        (("train", "vae", data, tmp_path / "run", "--resume"), "nothing to resume"),
        (("export", png, tmp_path / "a.onnx"), "is no checkpoint"),
        (("export", tmp_path / "nothing.ckpt", tmp_path / "a.onnx"), "no checkpoint"),
        (("data", "folder", bad, tmp_path / "m.json"), "is a file, and a folder was expected"),
        (("data", "folder", data, png), "A manifest is a .json file"),
        (("data", "orchestra", bad), "is a file, and a folder to write to was expected"),
        (("train", "vae", png, tmp_path / "run"), "is not a manifest, nor a folder that holds one; make one with"),
        (("train", "vae", bad, tmp_path / "run"), "is not a manifest: it is not JSON"),
        (("train", "vae", model_file, tmp_path / "run"), "is not a manifest, nor a folder that holds one"),
        (("train", "vae", data, bad), "is a file, and a folder to write to was expected"),
        (("train", "vae", data, tmp_path / "run", "--cache", bad), "is a file, and a folder to write to"),
        (("train", "vae", data, tmp_path / "run", "--devices", "foo"), "auto or a whole number above 0, not 'foo'"),
        (("train", "vae", data, tmp_path / "run", "--config", png), "is not TOML: it is not even text"),
        (("export", tmp_path, tmp_path / "a.onnx"), f"no checkpoint {tmp_path / 'model.ckpt'}"),
        (("export", png, tmp_path / "mine.txt"), f"call it {tmp_path / 'mine.onnx'}"),
        (("export", png, tmp_path), f"call it {tmp_path / 'NAME.onnx'}"),
        (("export", model_file, tmp_path / "a.onnx"), "give the model.ckpt that a training wrote"),
        (("export", listed, tmp_path / "a.onnx"), "give the model.ckpt that a training wrote"),
        (("evaluate", model_file, png), "is not a manifest, nor a folder that holds one; make one with"),
        (("evaluate", listed, model_file), "is not a model file (.onnx); the model comes first"),
        (("evaluate", data, data), "is not a model file (.onnx)"),
        (("evaluate", png, data), "'glitch-lab export model.ckpt NAME.onnx'"),
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


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
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
    assert_one_sentence(run, 'pip install -e ".[lab]" in a clone')


def test_export_takes_the_folder_of_a_training(
    training: tuple[Path, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["glitch-lab", "export", str(training[0]), str(tmp_path / "a.onnx")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    assert (tmp_path / "a.onnx").is_file()


def test_export_lists_layers_and_bends_them(
    training: tuple[Path, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for options in (["--list-layers"], [str(tmp_path / "bent.onnx"), "--bend", "decoder.net.0, *.6"]):
        monkeypatch.setattr(sys, "argv", ["glitch-lab", "export", str(training[0]), *options])
        with pytest.raises(SystemExit) as caught:
            main()
        assert not caught.value.code
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("decoder.net.0", "decoder.net.3", "decoder.spread", "1025"))
    assert [bend.layer for bend in load(tmp_path / "bent.onnx")[1].method("decode").bends] == [
        "decoder.net.0",
        "decoder.net.6",
    ]


def test_train_prints_the_best_step(
    small_orchestra: Manifest,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def worse_and_worse(training: SpectralModule, *batch: object) -> None:
        training.log("held_out/loss", training.global_step / 4)

    monkeypatch.setattr(SpectralModule, "validation_step", worse_and_worse)
    small = tmp_path / "small.toml"
    small.write_text("check_every = 2\nsegments = 4\n[model]\nlatent = 4\nhidden = 64\nharmonics = 24\nbands = 24\n")
    arguments = ("train", "vae", small_orchestra.folder, tmp_path / "run", "--config", small, "--max-steps", "5")
    monkeypatch.setattr(sys, "argv", ["glitch-lab", *map(str, arguments), "--cache", str(cache), "--accelerator=cpu"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    printed = capsys.readouterr().out
    assert "best of 5 steps: step 2 (held-out 0.500)" in printed
    assert f"play it: glitch-live {tmp_path / 'run' / 'run.onnx'}" in printed
    assert load(tmp_path / "run" / "run.onnx")[1].provenance.steps == 2


def test_evaluate_explains_a_missing_pitch_error(
    model_file: Path,
    small_orchestra: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder.index(small_orchestra.folder, tmp_path / "m.json", folder.Settings())
    for data, unknown in ((small_orchestra.folder, False), (tmp_path / "m.json", True)):
        monkeypatch.setattr(sys, "argv", ["glitch-lab", "evaluate", str(model_file), str(data), "--limit", "1"])
        with pytest.raises(SystemExit) as caught:
            main()
        assert not caught.value.code
        assert ("no pitch for 2 of these sounds" in capsys.readouterr().out) == unknown


def test_a_file_that_cannot_be_written_gives_a_one_sentence_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "argv", ["glitch-lab", "data", "orchestra", str(tmp_path / "file" / "o"), "--step=12"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert str(caught.value.code).startswith("Cannot read or write ")


def test_evaluate_prints_json(model_file: Path, small_orchestra: Manifest) -> None:
    run = glitch_lab("evaluate", model_file, small_orchestra.folder, "--json", "--limit", "1")
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert {row["label"] for row in report["rows"]} >= {"all"}
    assert report["load"] > 0


def test_digits_are_trained_and_evaluated_in_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "digits"
    run = glitch_lab("train", "digits", out, "--epochs", "2", "--hidden", "32", "--latent", "3", "--prior", "mixture")
    assert run.returncode == 0, run.stderr
    assert (out / "model.ckpt").is_file()
    assert (out / "logs").is_dir()
    assert re.search(r"360 digits that it never saw: -ELBO \d+\.\d\d nats, NLL \d+\.\d\d nats", run.stdout)
    wrong = (
        ((out,), "already exists and isn't an empty folder"),
        ((tmp_path / "a", "--network", "deep"), "no network 'deep'"),
        ((tmp_path / "a", "--hidden", "wide"), "--hidden takes"),
        ((tmp_path / "a", "--mnist", tmp_path), "train-images-idx3-ubyte"),
    )
    for arguments, text in wrong:
        monkeypatch.setattr(sys, "argv", ["glitch-lab", "train", "digits", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        assert isinstance(caught.value.code, str)
        assert text in caught.value.code
        assert "\n" not in caught.value.code
    assert not (tmp_path / "a").exists()


def test_mnist_is_read_from_its_own_files_for_training(tmp_path: Path) -> None:
    from models.data.pictures import digits
    from tests.models.data.pictures.idx import write_mnist

    write_mnist(tmp_path / "files", digits.small(), packed=True)
    run = glitch_lab(
        *("train", "digits", tmp_path / "out", "--mnist", tmp_path / "files", "--epochs", "1", "--hidden", "32")
    )
    assert run.returncode == 0, run.stderr
    assert "360 digits that it never saw" in run.stdout
