"""Broken and hostile files give one sentence, write nothing, and run no code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.errors import ContractError, GlitchError
from export.format import card as cards
from export.format.card import KEY, to_json
from export.format.io import load, loads, save
from export.torchscript.script.archive import check_script
from models.spectral_vae import checkpoint
from models.spectral_vae.network import SpectralVae, VaeConfig
from models.training.errors import CheckpointError
from realtime.engine.decoder import Decoder
from realtime.library.conversion_process import ConversionError, convert
from tests.eventually import eventually
from tests.export.torchscript import hostile

ROOT = Path(__file__).parents[3]
NO_SCREEN = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}


def run(module: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=NO_SCREEN | environment, timeout=120)


def assert_one_sentence(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 1, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert re.search(says, lines[0]), lines[0]


@pytest.mark.parametrize("name", hostile.SCRIPTS)
def test_files_that_are_not_complete_torchscript_are_refused_before_torch_reads_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, says = hostile.SCRIPTS[name]
    path, mark = tmp_path / "model.ts", tmp_path / "mark"
    monkeypatch.setenv(hostile.MARK, str(mark))
    make(path)
    with pytest.raises(ContractError, match=says) as caught:
        check_script(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_a_complete_torchscript_file_passes(tmp_path: Path) -> None:
    check_script(hostile.good(tmp_path / "model.ts"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_torchscript_passes_or_is_refused_but_never_crashes(data: st.DataObject, tmp_path: Path) -> None:
    whole = tmp_path / "whole.ts"
    bytes_of = bytearray((whole if whole.exists() else hostile.good(whole)).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(bytes_of) - 1))
        bytes_of[at] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged.ts"
    damaged.write_bytes(bytes_of[: data.draw(st.integers(0, len(bytes_of)))])
    try:
        check_script(damaged)
    except ContractError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["pickled module", "bomb", "half"])
@pytest.mark.parametrize("command", ["studio", "stage"])
def test_the_commands_print_one_sentence_and_leave_nothing(command: str, name: str, tmp_path: Path) -> None:
    make, says = hostile.SCRIPTS[name]
    (tmp_path / "in").mkdir()
    path, mark, data = tmp_path / "in" / "model.ts", tmp_path / "mark", tmp_path / "data"
    make(path)
    surroundings = {hostile.MARK: str(mark), "XDG_DATA_HOME": str(data)}
    if command == "studio":
        done = run("models.cli", "convert", path, **surroundings)
    else:
        done = run("realtime.cli", path, "--device", "null", "--seconds", "1", **surroundings)
        lines = done.stderr.splitlines(keepends=True)
        assert "is being converted, once" in lines[0]
        done.stderr = "".join(lines[1:])
    assert_one_sentence(done, says)
    assert not mark.exists()
    assert list((tmp_path / "in").iterdir()) == [path]
    assert [one.name for one in data.rglob("*") if one.is_file() and one.name != "lock"] == []


def test_a_conversion_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    source = hostile.good(tmp_path / "model.ts")
    with pytest.raises(ConversionError, match=r"was ended after 0 s"):
        convert(source, tmp_path / "out.onnx", time_limit_s=0.2)
    assert list(tmp_path.iterdir()) == [source]


CONVERT = "import sys; from realtime.library.conversion_process import convert; convert(sys.argv[1], sys.argv[2])"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no guard where a process cannot fork")
def test_a_hanging_conversion_ends_with_its_parent(tmp_path: Path) -> None:
    source = hostile.endless(tmp_path / "model.ts")
    asking = subprocess.Popen([sys.executable, "-c", CONVERT, str(source), str(tmp_path / "out.onnx")], cwd=ROOT)
    family = psutil.Process(asking.pid)
    eventually(lambda: sum(one.cpu_times().user for one in family.children(recursive=True)) > 2.5)
    started = family.children(recursive=True)
    assert len(started) == 2
    asking.kill()
    asking.wait()
    assert not psutil.wait_procs(started, 10)[1]
    eventually(lambda: list(tmp_path.iterdir()) == [source])


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't bound what a process takes")
def test_a_conversion_that_needs_too_much_memory_is_stopped(tmp_path: Path) -> None:
    source = hostile.good(tmp_path / "model.ts")
    with pytest.raises(GlitchError, match=r"needs more than the 0\.2 GB|crashed") as caught:
        convert(source, tmp_path / "out.onnx", memory_limit=200 << 20)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [source]


def test_a_conversion_imports_nothing_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "here").mkdir()
    for name in ("torch", "onnx", "json"):
        (tmp_path / "here" / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    hostile.SCRIPTS["half"][0](tmp_path / "model.ts")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ContractError, match="is cut short"):
        convert(tmp_path / "model.ts", tmp_path / "out.onnx")
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["empty", "half", "pickle", "old pickle", "pickled module", "bomb", "other zip", "text"]
)
def test_a_malicious_checkpoint_is_refused_without_running_its_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mark = tmp_path / "model.ckpt", tmp_path / "mark"
    monkeypatch.setenv(hostile.MARK, str(mark))
    hostile.SCRIPTS[name][0](path)
    with pytest.raises(GlitchError) as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


@pytest.mark.parametrize("absurd", [{"hidden": 10**8}, {"layers": 10**9}, {"n_fft": 10**12}])
def test_a_checkpoint_that_claims_more_than_its_weights_is_refused_before_allocation(
    absurd: dict[str, int], tmp_path: Path
) -> None:
    path = tmp_path / "model.ckpt"
    weights = SpectralVae(VaeConfig(hidden=8, encoder_hidden=8)).state_dict()
    shape = asdict(VaeConfig(hidden=8, encoder_hidden=8)) | absurd
    torch.save(
        {"kind": checkpoint.SPEC.kind, "version": checkpoint.SPEC.version, "config": shape, "weights": weights}, path
    )
    with pytest.raises(CheckpointError, match="its weights are not of the size that its settings say"):
        checkpoint.load(path)


def attribute_outside(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "far")
    _put_outside(tensor)
    model.graph.node.append(helper.make_node("Constant", [], ["far"], value=tensor))


def branch_outside(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "far")
    _put_outside(tensor)
    inner = helper.make_graph([], "inner", [], [helper.make_tensor_value_info("far", 1, [1])], [tensor])
    model.graph.node.append(helper.make_node("If", ["condition"], ["x"], then_branch=inner, else_branch=inner))


def _put_outside(tensor: onnx.TensorProto) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def strange_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Shell", ["decode.input"], ["x"], domain="org.example"))
    model.opset_import.append(helper.make_opsetid("org.example", 1))


def strange_operator_in_a_branch(model: onnx.ModelProto) -> None:
    node = helper.make_node("Shell", [], ["y"], domain="org.example")
    inner = helper.make_graph([node], "inner", [], [helper.make_tensor_value_info("y", 1, [1])])
    model.graph.node.append(helper.make_node("If", ["condition"], ["x"], then_branch=inner, else_branch=inner))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (attribute_outside, "are in another file"),
        (branch_outside, "are in another file"),
        (strange_operator, "the operator 'Shell' of the domain 'org.example' is not an ONNX operator"),
        (strange_operator_in_a_branch, "the operator 'Shell' of the domain 'org.example' is not an ONNX operator"),
    ],
)
def test_a_graph_with_external_weights_or_operators_is_refused(
    models: dict[str, Path], change: Callable[[onnx.ModelProto], None], says: str
) -> None:
    model, _ = load(models["level"])
    change(model)
    with pytest.raises(ContractError, match=says):
        loads(model.SerializeToString(), "x.onnx")


def with_card(model: onnx.ModelProto, text: str) -> bytes:
    del model.metadata_props[:]
    helper.set_model_props(model, {KEY: text})
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 200_000, "is not JSON"),
        ('{"format": 1, "name": "x", "sample_rate": ' + "9" * 4000 + "}", "x.onnx: card"),
        ('{"format": 1, "\\u001b[2J": 0}', "unknown entry"),
        ('{"format": 1, "' + "a" * 10_000 + '": 0}', "unknown entry a+ …"),
    ],
)
def test_an_invalid_card_gives_a_short_error(models: dict[str, Path], text: str, says: str) -> None:
    model, _ = load(models["level"])
    with pytest.raises(ContractError, match=says) as caught:
        loads(with_card(model, text), "x.onnx")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_an_oversized_card_is_refused_unread(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model, card = load(models["level"])
    monkeypatch.setattr(cards, "MAX_CARD_CHARACTERS", len(to_json(card)) - 1)
    with pytest.raises(ContractError, match="which no model needs"):
        loads(with_card(model, to_json(card)), "x.onnx")


WIDE = {"name": "x", "default": 0, "minimum": 0, "maximum": 1, "size": 10**12}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "\x1b]0;gotcha\x07"}, "name must be one line of printable text"),
        ({"name": "a" * 1000}, "name must have at most 200 characters"),
        ({"latent": {"names": ["a\n", "b", "c", "d"]}}, "one line of printable text"),
        ({"latent": {"mean": [10**400, 0, 0, 0]}}, "larger than any float"),
        ({"methods": {"decode": {"delay": 10**30}}}, "delay must be 0 to"),
        ({"methods": {"decode": {"hop": 10**12}}}, "hop must be 1 to"),
        ({"methods": {"decode": {"rest": [{"shape": [10**30], "float32": ""}]}}}, "must be an array"),
        (
            {
                "methods": {
                    "decode": {"controls": [{"name": "x", "default": 0, "minimum": 0, "maximum": 1, "size": 10**12}]}
                }
            },
            "must have a size of 1 to",
        ),
    ],
)
def test_impossible_numbers_and_names_are_refused(models: dict[str, Path], change: dict[str, Any], says: str) -> None:
    model, card = load(models["level"])
    data = json.loads(to_json(card))
    for key, value in change.items():
        if key == "methods":
            data["methods"]["decode"] |= value["decode"]
        elif isinstance(value, dict):
            data[key] |= value
        else:
            data[key] = value
    with pytest.raises(ContractError, match=says) as caught:
        loads(with_card(model, json.dumps(data)), "x.onnx")
    assert str(caught.value).isprintable()


def test_a_graph_that_needs_all_memory_gives_one_sentence(models: dict[str, Path], tmp_path: Path) -> None:
    """A sum of a terabyte of zeros, which the card doesn't reveal."""
    model, card = load(models["level"])
    output = model.graph.node[4]
    assert list(output.output) == ["decode.output"]
    output.output[0] = "small"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 19, 1 << 19]), "terabyte"))
    for node in (
        helper.make_node("ConstantOfShape", ["terabyte"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["nothing"], keepdims=0),
        helper.make_node("Add", ["small", "nothing"], ["decode.output"]),
    ):
        model.graph.node.append(node)
    save(tmp_path / "huge.onnx", model, replace(card, name="huge"))
    with pytest.raises(ContractError, match=r"huge\.onnx") as caught:
        Decoder(tmp_path / "huge.onnx")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless device here")
def test_an_endless_device_is_refused() -> None:
    with pytest.raises(ContractError, match="is a device or a pipe"):
        load("/dev/zero")


def test_torchscript_with_an_onnx_name_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"rename it to end in \.ts"):
        load(hostile.good(tmp_path / "model.onnx"))
