"""The model file: reading returns what was written, and errors are one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.errors import ContractError
from export.format.card import KEY, Card, Control, Latent, MapPoint, Method, Provenance, Spectrum, from_json, to_json
from export.format.graph import split
from export.format.io import load, loads, save
from export.format.validation import validate

CARD = Card(
    name="test",
    sample_rate=48_000,
    methods={
        "decode": Method(
            hop=256,
            output="magnitudes",
            delay=3,
            spectrum=Spectrum(2048, 256, "hamming", "log"),
            controls=(Control("pitch", 60.0, 21.0, 108.0, "semitones", "The note."),),
            rest=(np.arange(6, dtype=np.float32).reshape(1, 2, 3),),
        )
    },
    latent=Latent(("a", "b"), (0.5, -1.0), (1.0, 2.0), (1, 0), (MapPoint(0.1, 0.2, "flute", (0.0, 1.0)),)),
    provenance=Provenance("sines", "CC0-1.0", "2026-01-01", "make it", 10, 3, "none"),
)


def test_a_card_survives_json() -> None:
    back = from_json(to_json(CARD))
    assert back == CARD
    np.testing.assert_array_equal(back.methods["decode"].rest[0], CARD.methods["decode"].rest[0])


@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_rest_states_survive_json_to_the_bit(values: list[float]) -> None:
    rest = np.array(values, np.float32)
    card = replace(CARD, methods={"decode": replace(CARD.methods["decode"], rest=(rest,))})
    np.testing.assert_array_equal(from_json(to_json(card)).methods["decode"].rest[0], rest)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sample_rate": 100}, "sample_rate must be 8000 to 384000"),
        ({"sample_rate": "48000"}, "card.sample_rate must be a whole number"),
        ({"format": 99}, "update glitch-live"),
        ({"colour": "red"}, "unknown entry colour"),
        ({"methods": {}}, "at least one of decode"),
        ({"latent": {"names": ["a"], "mean": [0.0], "std": [0.0], "order": [0]}}, "latent.std must be"),
        ({"latent": {"names": ["a"], "mean": [0.0], "std": [1.0], "order": [1]}}, "latent.order must list"),
        ({"latent": {"names": ["a"], "mean": [0.0], "order": [0]}}, "card.latent.std is missing"),
    ],
)
def test_a_wrong_card_is_refused_with_the_reason(models: dict[str, Path], change: dict[str, Any], says: str) -> None:
    model, card = load(models["level"])
    data = {**json.loads(to_json(card)), **change}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: json.dumps(data)})
    with pytest.raises(ContractError) as caught:
        loads(model.SerializeToString(), "x.onnx")
    assert says in str(caught.value)
    assert str(caught.value).startswith("x.onnx: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: replace(m, channels=2), "decode.output has the shape"),
        (lambda m: replace(m, rest=()), "decode.state.0, which is not in its card"),
        (lambda m: replace(m, rest=(*m.rest, *m.rest)), "the graph lacks the input decode.state.1"),
        (lambda m: replace(m, rest=(np.zeros((1, 5), np.float32),)), "decode.state.0 has the shape [1, 1]"),
        (lambda m: replace(m, controls=(Control("pitch", 0, -1, 1),)), "lacks the input decode.control.pitch"),
        (lambda m: replace(m, hop=0), "hop must be 1 to 65536"),
        (lambda m: replace(m, output="magnitudes"), "spectrum must describe their STFT"),
        (lambda m: replace(m, controls=(Control("a b", 0, -1, 1),)), "must have a name of letters"),
        (lambda m: replace(m, controls=(Control("a", 5, -1, 1),)), "its default between them"),
        (
            lambda m: replace(m, controls=(Control("a", 0, -1, 1, rise_ms=-1.0),)),
            "must have rise_ms and fall_ms of 0 to 60000 ms",
        ),
    ],
)
def test_a_card_that_contradicts_the_graph_is_refused(
    models: dict[str, Path], change: Callable[[Method], Method], says: str
) -> None:
    model, card = load(models["level"])
    wrong = replace(card, methods={"decode": change(card.methods["decode"])})
    with pytest.raises(ContractError) as caught:
        validate(model, wrong)
    assert says in str(caught.value)


def test_a_latent_space_of_another_size_is_refused(models: dict[str, Path]) -> None:
    model, card = load(models["level"])
    with pytest.raises(
        ContractError, match=r"decode.input has the shape \[1, 4, \*\], but the card says \[1, 7, \* or 1\]"
    ):
        validate(model, replace(card, latent=Latent.plain(7)))


def test_files_that_are_not_models_are_refused(tmp_path: Path, models: dict[str, Path]) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    short = tmp_path / "short.onnx"
    short.write_bytes(models["tone"].read_bytes()[:500])
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    for path in (picture, short, empty):
        with pytest.raises(ContractError, match="is not an ONNX file"):
            load(path)
    with pytest.raises(ContractError, match="There is no file"):
        load(tmp_path / "nowhere.onnx")
    with pytest.raises(ContractError, match="is a folder"):
        load(tmp_path)


def test_an_onnx_file_without_a_card_names_the_command_that_makes_one(tmp_path: Path, models: dict[str, Path]) -> None:
    model, _ = load(models["level"])
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(ContractError, match="glitch-lab export"):
        load(tmp_path / "bare.onnx")


def test_weights_in_another_file_are_refused(models: dict[str, Path]) -> None:
    model, card = load(models["level"])
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ContractError, match="are in another file"):
        validate(model, card)


def test_a_refused_save_keeps_the_old_file(tmp_path: Path, models: dict[str, Path]) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(models["level"].read_bytes())
    model, card = load(path)
    before = path.read_bytes()
    with pytest.raises(ContractError):
        save(path, model, replace(card, latent=Latent.plain(9)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@given(data=st.binary(max_size=400))
def test_garbage_raises_only_contract_errors(data: bytes) -> None:
    with pytest.raises(ContractError):
        loads(data)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_damaged_model_is_read_or_refused_but_never_crashes(seed: int, models: dict[str, Path]) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(models["tone"].read_bytes())
    for at in rng.integers(0, len(data), 5):
        data[at] = rng.integers(0, 256)
    try:
        loads(bytes(data))
    except ContractError as error:
        assert "\n" not in str(error)


def test_splitting_keeps_one_method_only(models: dict[str, Path]) -> None:
    model, _ = load(models["level"])
    both = onnx.ModelProto()
    both.CopyFrom(model)
    both.graph.input.append(onnx.helper.make_tensor_value_info("encode.input", 1, [1, 1, "n"]))
    both.graph.output.append(onnx.helper.make_tensor_value_info("encode.output", 1, [1, 1, "n"]))
    both.graph.initializer.append(onnx.numpy_helper.from_array(np.array(2, np.float32), "encode.two"))
    both.graph.node.append(onnx.helper.make_node("Mul", ["encode.input", "encode.two"], ["encode.output"]))
    part = split(both, "encode")
    assert [node.op_type for node in part.graph.node] == ["Mul"]
    assert [tensor.name for tensor in part.graph.initializer] == ["encode.two"]
    assert [value.name for value in split(both, "decode").graph.output] == [v.name for v in model.graph.output]
