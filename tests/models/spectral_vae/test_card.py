"""`glitch-lab card`, `glitch-lab verify` and the weights of `glitch-lab export`, as they are typed."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from export.format.card import Method, Provenance
from export.format.io import load, save
from models.cli import main
from models.training.checkpoint import FILE_NAME
from tests import reference
from tests.models.commands.test_cli import ROOT, assert_one_sentence, glitch_lab


def lab(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["glitch-lab", *map(str, arguments)])
    main()


@pytest.fixture
def late(tmp_path: Path) -> Path:
    """A model that claims more delay than it has, and doesn't rest where it settles."""
    path = reference.echo_model(tmp_path / "late.onnx")
    model, card = load(path)
    methods = {"decode": dataclasses.replace(card.method("decode"), delay=5_000), "encode": card.method("encode")}
    save(path, model, dataclasses.replace(card, methods=methods))
    return path


def test_a_card_is_read_in_the_terminal(
    models: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as done:
        lab(monkeypatch, "card", models["spectral"])
    assert not done.value.code
    out = capsys.readouterr().out
    assert out.startswith("orchestra-spectral: 48000 Hz, 16 latents, 1.48 M parameters as fp32, 6.0 MB, opset 18")
    for text in ("16 latents → magnitudes", "mono → 16 latents", "any", "pitch", "MIDI note", "24 … 108"):
        assert text in out
    assert "/latent/1 " in out
    assert "licence of the sounds: " in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines()[1:20])) <= 120


def test_a_card_as_json_is_one_object(models: dict[str, Path]) -> None:
    run = glitch_lab("card", models["stereo"], "--json")
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["methods"]["decode"]["hop"] == 300
    assert said["methods"]["decode"]["channels"] == 2
    assert said["methods"]["decode"]["caches"] == {"count": 1, "bytes": 4, "shapes": [[1, 1]]}
    assert said["file"]["bytes"] == models["stereo"].stat().st_size


def test_names_from_a_file_are_printed_as_they_are(
    models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, card = load(models["level"])
    path = tmp_path / "named.onnx"
    provenance = Provenance(notes="[link=file:///etc]a[/link] [/bold]")
    save(path, model, dataclasses.replace(card, name="[red]odd[/]", provenance=provenance))
    with pytest.raises(SystemExit) as done:
        lab(monkeypatch, "card", path)
    assert not done.value.code
    out = capsys.readouterr().out
    assert "[red]odd[/]: 48000 Hz" in out
    assert "notes: [link=file:///etc]a[/link] [/bold]" in out


def test_card_and_verify_need_no_torch(models: dict[str, Path]) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from models.cli import app;"
        f"app(['card', {str(models['bundled'])!r}], standalone_mode=False);"
        f"app(['verify', {str(models['level'])!r}], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "holds" in done.stdout


def test_a_valid_model_is_verified(models: dict[str, Path]) -> None:
    run = glitch_lab("verify", models["bundled"], "--json")
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["holds"] is True
    promises = {(check["method"], check["what"]) for check in said["checks"]}
    assert promises == {(m, w) for m in ("decode", "encode") for w in ("numbers", "chunks", "rest", "delay", "speed")}


def test_a_failed_verification_gives_one_sentence_and_exit_status_1(late: Path) -> None:
    run = glitch_lab("verify", late)
    assert_one_sentence(run, "echo is broken: decode.output lags by 5000 samples according to the card of 'decode'")
    assert "broken" in run.stdout
    run = glitch_lab("verify", late, "--json")
    assert_one_sentence(run, "decode.output")
    assert json.loads(run.stdout)["holds"] is False


def test_a_file_that_is_no_model_gives_a_one_sentence_error(tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(b"\x08\x09")
    assert_one_sentence(glitch_lab("card", cut), "is not an ONNX file, or is cut short")
    assert_one_sentence(glitch_lab("verify", tmp_path), "is a folder, not a model")


def test_an_export_with_smaller_weights(
    training: tuple[Path, object],
    model_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "half.onnx"
    with pytest.raises(SystemExit) as done:
        lab(monkeypatch, "export", training[0] / FILE_NAME, out, "--weights", "fp16")
    assert not done.value.code
    assert out.stat().st_size < 0.75 * model_file.stat().st_size
    assert "weights stored as fp16; signal to error: decode " in capsys.readouterr().out
    method: Method = load(out)[1].method("decode")
    assert method.measured is not None
    assert np.isfinite(method.measured.real_time or np.nan)
    with pytest.raises(SystemExit, match="fp32, fp16, int8, not as 'int2'"):
        lab(monkeypatch, "export", training[0] / FILE_NAME, out, "--weights", "int2")
