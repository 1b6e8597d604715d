"""Bends: without effect at rest, and otherwise equal to changed weights."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from export.bending.bend import bend, bend_file
from export.bending.bendable_layers import AUTO_LAYERS, find_layers
from export.errors import ContractError
from export.format.card import Card, Control, Latent, Method
from export.format.graph import split, unbent
from export.format.io import load, save
from export.format.validation import validate
from export.proof import chunk_equality as proof
from export.proof.chunk_equality import run_chunks
from export.torchscript.converter import convert
from realtime.engine.decoder import Decoder
from tests.export.torchscript import scripts
from tests.reference import RATE, layered_model

Model = tuple[onnx.ModelProto, Card]


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layered_model(tmp_path_factory.mktemp("layered") / "layered.onnx")


def bent_file(source: Path, folder: Path, *patterns: str) -> Path:
    out = folder / f"bent-{source.name}"
    bend_file(source, out, patterns)
    return out


def latents_for(card: Card, frames: int, seed: int = 0) -> np.ndarray:
    scores = np.random.default_rng(seed).standard_normal((card.latent.size, frames))
    return np.array(card.latent.mean)[:, None] + np.array(card.latent.std)[:, None] * scores


def turned(decoder: Decoder, **values: np.ndarray | float) -> np.ndarray:
    """Return the values of all controls, with some of them changed: `front_scale` is `bend.front.scale`."""
    parts = []
    for control in decoder.method.controls:
        key = control.name.removeprefix("bend.").replace(".", "_")
        parts.append(np.broadcast_to(values.get(key, control.default), control.size))
    return np.concatenate(parts)


def render(decoder: Decoder, latents: np.ndarray, values: np.ndarray) -> np.ndarray:
    return decoder.render(latents, np.repeat(values[:, None], latents.shape[1], axis=1))


# Layers that can be bent


def test_layers_have_the_names_of_the_module(reference_model: Path) -> None:
    found = find_layers(*load(reference_model))
    assert [layer.name for layer in found[:4]] == [
        "layers.0.conv",
        "layers.1.cached.conv",
        "layers.2.cached.conv",
        "layers.2.point",
    ]
    assert (found[0].kind, found[0].channels) == ("Conv", 112)
    assert (found[1].kind, found[1].channels) == ("Conv", 88 * 4)
    assert (found[-1].name, found[-1].channels) == ("layers.17.conv", 1)


def test_dense_layers_are_found_in_an_old_file(
    models: dict[str, Path],
) -> None:
    found = find_layers(*load(models["spectral"]))
    assert {layer.kind for layer in found} <= {"Gemm", "MatMul"}
    assert {layer.method for layer in found} == {"decode"}
    assert len({layer.name for layer in found}) == len(found) >= 4


def test_layers_of_a_converted_script_have_its_names(tmp_path: Path) -> None:
    import torch

    torch.set_num_threads(1)
    scripts.scripted(scripts.Causal()).save(str(tmp_path / "causal.ts"))
    card = convert(tmp_path / "causal.ts", tmp_path / "bent.onnx", bend=["body.*", "up.conv"]).card
    names = [f"body.{k}.{part}" for k in range(3) for part in ("wide.conv", "narrow")]
    assert [bend.layer for bend in card.method("decode").bends] == ["up.conv", *names]
    model, bent_card = load(tmp_path / "bent.onnx")
    save(tmp_path / "plain.onnx", *unbent(model, bent_card))
    bent, plain = Decoder(tmp_path / "bent.onnx"), Decoder(tmp_path / "plain.onnx")
    latents = latents_for(card, 40)
    still = plain.render(latents)
    np.testing.assert_array_equal(bent.render(latents), still)
    for layer in bent.method.bends:
        bent.reset()
        half = turned(bent, **{f"{layer.layer.replace('.', '_')}_scale": 0.5})
        assert np.abs(render(bent, latents, half) - still).max() > 1e-3, layer


def test_patterns_choose_layers_and_a_wrong_one_lists_them(layered: Path) -> None:
    def controls(*patterns: str) -> list[str]:
        return [control.name for control in bend(*load(layered), patterns)[1].method("decode").controls]

    assert controls("b*") == ["bend.body.scale", "bend.body.shift"]
    assert controls("out", "front") == [f"bend.{name}.{end}" for name in ("front", "out") for end in ("scale", "shift")]
    assert controls("all") == controls("auto") == controls()
    with pytest.raises(ContractError, match=r"no layer 'middle' to bend; there are: front, body, out\."):
        controls("middle")


def test_a_model_without_layers_is_refused(models: dict[str, Path]) -> None:
    with pytest.raises(ContractError, match="no layer that can be bent"):
        bend(*load(models["level"]), ["all"])


def test_the_automatic_choice_covers_all_parts_with_few_layers(reference_model: Path) -> None:
    model, card = load(reference_model)
    chosen = [b.layer for b in bend(model, card)[1].method("decode").bends]
    names = [layer.name for layer in find_layers(model, card) if layer.channels > 1]
    assert len(chosen) == AUTO_LAYERS < len(names)
    assert (chosen[0], chosen[-1]) == (names[0], names[-1])


# At rest


@pytest.mark.parametrize("name", ["layered", "reference", "bundled"])
def test_at_rest_the_samples_equal_those_without_bends(
    name: str, layered: Path, reference_model: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    path = {"layered": layered, "reference": reference_model, "bundled": models["bundled"]}[name]
    plain, bent = Decoder(path), Decoder(bent_file(path, tmp_path, "all"))
    assert bent.graph.at_rest
    latents = latents_for(plain.card, 50)
    np.testing.assert_array_equal(bent.render(latents), plain.render(latents))
    assert len(bent.method.bends) >= 3


@pytest.mark.parametrize("name", ["layered", "reference"])
def test_removing_bends_restores_the_graph_node_by_node(name: str, layered: Path, reference_model: Path) -> None:
    model, card = load({"layered": layered, "reference": reference_model}[name])
    back, described = unbent(*bend(model, card, ["all"]))
    assert described == card
    for part in ("node", "input", "output"):
        assert list(getattr(back.graph, part)) == list(getattr(model.graph, part))
    kept = {tensor.name: tensor for tensor in model.graph.initializer}
    assert all(kept[tensor.name] == tensor for tensor in back.graph.initializer)


def test_bending_again_changes_the_choice(layered: Path) -> None:
    once = bend(*load(layered), ["front"])
    again = bend(*once, ["out"])
    assert [b.layer for b in again[1].method("decode").bends] == ["out"]
    assert find_layers(*once) == find_layers(*load(layered))


# Turned


def test_a_channel_that_is_bent_is_the_only_one_that_changes(layered: Path, tmp_path: Path) -> None:
    """A channel of `out` is a sample of the hop, so the bent one is visible."""
    bent, plain = Decoder(bent_file(layered, tmp_path, "out")), Decoder(layered)
    latents = latents_for(plain.card, 20)
    scale, shift = np.ones(64), np.zeros(64)
    scale[7], shift[9] = -2.0, 0.25
    expected = plain.render(latents).reshape(20, 64) * scale + shift
    output_bent = render(bent, latents, turned(bent, out_scale=scale, out_shift=shift)).reshape(20, 64)
    np.testing.assert_allclose(output_bent, expected, atol=1e-6)


def test_a_bend_changes_the_sound_in_the_same_hop(layered: Path, tmp_path: Path) -> None:
    bent, plain = Decoder(bent_file(layered, tmp_path, "all")), Decoder(layered)
    latents = latents_for(plain.card, 9)
    values = np.repeat(turned(bent)[:, None], 9, axis=1)
    values[:, 4] = turned(bent, body_scale=0.0)
    output_bent, still = (x.reshape(9, 64) for x in (bent.render(latents, values), plain.render(latents)))
    for frame in range(9):  # and, as the caches hold latents alone, in no other
        assert np.array_equal(output_bent[frame], still[frame]) == (frame != 4)


def test_every_layer_of_every_kind_of_model_changes_the_sound(
    reference_model: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    for path in (reference_model, models["spectral"]):
        bent = Decoder(bent_file(path, tmp_path, "all"))
        latents = latents_for(bent.card, 6)
        still = bent.render(latents)
        rng = np.random.default_rng(1)
        for layer in bent.method.bends:
            bent.reset()
            values = turned(bent)
            edges = np.cumsum([0, *(control.size for control in bent.method.controls)])
            values[edges[layer.scale] : edges[layer.scale + 1]] = rng.uniform(-2, 2, layer.channels)
            assert np.abs(render(bent, latents, values) - still).max() > 1e-5, layer.layer


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(["Conv", "Conv no bias", "ConvTranspose", "Gemm", "Gemm transposed", "MatMul", "MatMul left"]),
    channel=st.integers(0, 5),
    scale=st.floats(-4, 4),
    shift=st.floats(-1, 1),
)
def test_bending_a_channel_equals_changed_weights(kind: str, channel: int, scale: float, shift: float) -> None:
    bent = bend(*dense(kind), ["layer"])
    (layer,) = find_layers(*bent)
    assert (layer.kind, layer.channels) == (kind.split(maxsplit=1)[0], 6)
    latent = np.random.default_rng(3).standard_normal((1, 4, 5)).astype(np.float32)
    values = np.ones((1, 6, 1), np.float32), np.zeros((1, 6, 1), np.float32)
    values[0][0, channel], values[1][0, channel] = scale, shift
    feeds = {"decode.input": latent}
    feeds |= dict(zip(("decode.control.bend.layer.scale", "decode.control.bend.layer.shift"), values, strict=True))
    changed = dense(kind, channel, scale, shift)
    np.testing.assert_allclose(output(bent, feeds), output(changed, {"decode.input": latent}), atol=1e-5)


def test_the_output_of_a_gru_is_bent_but_not_its_state() -> None:
    model, card = recurrent()
    bent = bend(model, card, ["all"])
    (layer,) = find_layers(*bent)
    assert (layer.name, layer.kind, layer.channels) == ("gru", "GRU", 6)
    feeds = {"decode.input": np.random.default_rng(0).standard_normal((1, 4, 7)).astype(np.float32)}
    feeds["decode.state.0"] = np.zeros((1, 1, 6), np.float32)
    scale = np.array([0, 1, -1, 2, 0.5, 1], np.float32).reshape(1, 6, 1)
    turned = {"decode.control.bend.gru.scale": scale, "decode.control.bend.gru.shift": 0.5 + 0 * scale}
    plain, memory = session(model).run(["decode.output", "decode.state.0.next"], feeds)
    output_bent, same = session(bent[0]).run(["decode.output", "decode.state.0.next"], {**feeds, **turned})
    np.testing.assert_allclose(output_bent.reshape(7, 6), plain.reshape(7, 6) * scale.ravel() + 0.5, atol=1e-6)
    np.testing.assert_array_equal(memory, same)


def test_weights_that_are_used_twice_are_one_layer() -> None:
    model, card = dense("Conv")
    first = model.graph.node[0]
    second = helper.make_node("Conv", [first.output[0], "square", "layer.bias"], ["again"])
    model.graph.node.insert(1, second)
    model.graph.node.insert(2, helper.make_node("Conv", ["again", "square"], ["twice"]))
    model.graph.node[3].input[0] = "twice"
    model.graph.initializer.append(numpy_helper.from_array(np.eye(6, dtype=np.float32)[:, :, None], "square"))
    found = find_layers(model, card)
    assert [(layer.name, len(layer.tensors)) for layer in found] == [("layer", 1), ("square", 2)]
    bend(model, card, ["all"])


@settings(max_examples=10, deadline=None)
@given(edges=st.sets(st.integers(1, 39), max_size=12), seed=st.integers(0, 100))
def test_any_cut_gives_the_same_audio_with_bends_turned(reference_model: Path, edges: set[int], seed: int) -> None:
    model, card = bend(*load(reference_model))
    rng = np.random.default_rng(seed)
    feeds = {"decode.input": latents_for(card, 40, seed)[None].astype(np.float32)}
    for control in card.method("decode").controls:
        low, high = max(control.minimum, -1.5), min(control.maximum, 1.5)
        feeds[f"decode.control.{control.name}"] = rng.uniform(low, high, (1, control.size, 1)).astype(np.float32)
    loaded, method = session(split(model, "decode")), card.method("decode")
    whole, _ = run_chunks(loaded, "decode", method, feeds, [40])
    cut, _ = run_chunks(loaded, "decode", method, feeds, [int(n) for n in np.diff([0, *sorted(edges), 40])])
    np.testing.assert_allclose(cut, whole, atol=1e-5)
    assert np.abs(whole).max() > 1e-3


def test_the_proof_includes_bends(layered: Path) -> None:
    model, card = bend(*load(layered), ["all"])
    feeds = proof.random_input(card, "decode", 10, np.random.default_rng(0))
    for control in card.method("decode").controls:
        values = feeds[f"decode.control.{control.name}"]
        assert np.ptp(values) > 0.2 * (control.maximum - control.default)
        assert np.abs(values - control.default).max() <= 0.26 * max(control.maximum - control.default, 5)
    assert proof.prove(model, card).holds


def test_the_range_of_a_shift_is_four_times_the_level_of_the_layer(layered: Path) -> None:
    model, card = load(layered)
    shift = next(c for c in bend(model, card, ["body"])[1].method("decode").controls if c.name.endswith("shift"))
    model.graph.output.append(helper.make_tensor_value_info("biased", TensorProto.FLOAT, None))
    feeds = {"decode.input": latents_for(card, 2000)[None].astype(np.float32)}
    feeds["decode.state.0"] = np.zeros((1, 4, 2), np.float32)
    (level,) = session(model).run(["biased"], feeds)
    assert shift.maximum == pytest.approx(4 * np.sqrt(np.mean(level**2)), rel=0.2)
    assert (shift.minimum, shift.default, shift.size) == (-shift.maximum, 0.0, 16)


# Errors


@pytest.mark.parametrize(
    ("controls", "says"),
    [
        ([Control("bend.x.scale", 1, 0, 2, per_frame=False)], r"must have a matching '\.shift'"),
        (
            [
                Control("bend.x.scale", 1, 0, 2, size=3, per_frame=False),
                Control("bend.x.shift", 0, -1, 1, per_frame=False),
            ],
            "of the same size",
        ),
        (
            [Control("bend.x.scale", 0.5, 0, 2, per_frame=False), Control("bend.x.shift", 0, -1, 1, per_frame=False)],
            "must have the default 1",
        ),
        ([Control("bend.x.scale", 1, 0, 2), Control("bend.x.shift", 0, -1, 1)], "one value a step"),
    ],
)
def test_controls_named_like_a_bend_must_be_one(layered: Path, controls: list[Control], says: str) -> None:
    model, card = load(layered)
    decode = replace(card.method("decode"), controls=tuple(controls))
    with pytest.raises(ContractError, match=says):
        validate(model, replace(card, methods={"decode": decode}))


def test_a_graph_that_uses_bends_in_another_way_is_refused(layered: Path, tmp_path: Path) -> None:
    model, card = bend(*load(layered), ["front"])
    for node in model.graph.node:
        if node.op_type == "Mul":
            node.op_type = "Sub"
    with pytest.raises(ContractError, match="in another way than as scale and shift; bend the model again"):
        unbent(model, card)


def test_the_command_lists_layers_and_bends_a_file(layered: Path, tmp_path: Path) -> None:
    def glitch_lab(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from models.cli import main; main()", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    listed = glitch_lab("bend", layered, "--list-layers")
    assert listed.returncode == 0, listed.stderr
    assert all(word in listed.stdout for word in ("front", "body", "out", "Conv", "12", "16", "64"))
    made = glitch_lab("bend", layered, tmp_path / "bent.onnx", "--layers", "front, o*")
    assert made.returncode == 0, made.stderr
    assert [b.layer for b in load(tmp_path / "bent.onnx")[1].method("decode").bends] == ["front", "out"]
    for wrong, says in (((layered,), "to write, is missing"), ((layered, tmp_path / "x.onnx", "--layers", "x"), "'x'")):
        refused = glitch_lab("bend", *wrong)
        assert refused.returncode == 1
        assert says in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "x.onnx").exists()


# Models of one layer


def session(model: onnx.ModelProto) -> ort.InferenceSession:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def output(model: Model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    return np.asarray(session(model[0]).run(["decode.output"], feeds)[0])


def dense(kind: str, channel: int = 0, scale: float = 1.0, shift: float = 0.0) -> Model:
    """Make a model of one layer with 6 channels and 4 latents; the weights of one channel are changed."""
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((6, 4)), rng.standard_normal(6)
    if "no bias" in kind or kind == "MatMul left":
        bias[:] = 0
    weight[channel] *= scale
    bias[channel] = bias[channel] * scale + shift
    conv = kind in ("Conv", "Conv no bias", "ConvTranspose")
    frames_first = [helper.make_node("Transpose", ["decode.input"], ["rows"], perm=[0, 2, 1])]  # [1, frames, 4]
    flat = [helper.make_node("Reshape", ["rows", "matrix"], ["flatrows"])]  # [frames, 4]
    if conv:
        op = "ConvTranspose" if kind == "ConvTranspose" else "Conv"
        stored = weight.T[:, :, None] if op == "ConvTranspose" else weight[:, :, None]
        nodes = [helper.make_node(op, ["decode.input", "layer.weight", "layer.bias"], ["made"])]
        nodes += [helper.make_node("Transpose", ["made"], ["ordered"], perm=[0, 2, 1])]
    elif kind.startswith("Gemm"):
        stored, transposed = (weight, 1) if "transposed" in kind else (weight.T, 0)
        gemm = helper.make_node("Gemm", ["flatrows", "layer.weight", "layer.bias"], ["ordered"], transB=transposed)
        nodes = [*frames_first, *flat, gemm]
    elif kind == "MatMul":
        stored = weight.T
        nodes = [*frames_first, helper.make_node("MatMul", ["rows", "layer.weight"], ["made"])]
        nodes += [helper.make_node("Add", ["layer.bias", "made"], ["ordered"])]
    else:
        stored = weight
        nodes = [helper.make_node("MatMul", ["layer.weight", "decode.input"], ["made"])]  # [1, 6, frames]
        nodes += [helper.make_node("Add", ["made", "column"], ["biased"])]
        nodes += [helper.make_node("Transpose", ["biased"], ["ordered"], perm=[0, 2, 1])]
    nodes.append(helper.make_node("Reshape", ["ordered", "flat"], ["decode.output"]))
    stores = {
        "layer.weight": stored.astype(np.float32),
        "layer.bias": bias.astype(np.float32),
        "column": bias.astype(np.float32)[None, :, None],
        "matrix": np.array([-1, 4]),
        "flat": np.array([1, 1, -1]),
    }
    return _one_layer(nodes, stores, ())


def recurrent() -> Model:
    """Make a model of a GRU with 6 units, with its state as a cache."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Transpose", ["decode.input"], ["rows"], perm=[2, 0, 1]),  # [frames, 1, 4]
        helper.make_node(
            "GRU",
            ["rows", "gru.weight_ih_l0", "gru.weight_hh_l0", "", "", "decode.state.0"],
            ["made", "decode.state.0.next"],
            hidden_size=6,
        ),
        helper.make_node("Reshape", ["made", "flat"], ["decode.output"]),
    ]
    stores = {
        "gru.weight_ih_l0": rng.standard_normal((1, 18, 4)).astype(np.float32),
        "gru.weight_hh_l0": rng.standard_normal((1, 18, 6)).astype(np.float32),
        "flat": np.array([1, 1, -1]),
    }
    return _one_layer(nodes, stores, (np.zeros((1, 1, 6), np.float32),))


def _one_layer(nodes: list[onnx.NodeProto], stores: dict[str, np.ndarray], rest: tuple[np.ndarray, ...]) -> Model:
    def floats(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    states = [floats(f"decode.state.{k}", list(array.shape)) for k, array in enumerate(rest)]
    following = [floats(f"decode.state.{k}.next", list(array.shape)) for k, array in enumerate(rest)]
    graph = helper.make_graph(
        nodes,
        "one",
        [floats("decode.input", [1, 4, "frames"]), *states],
        [floats("decode.output", [1, 1, "samples"]), *following],
        [numpy_helper.from_array(value, name) for name, value in stores.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    card = Card("one", RATE, {"decode": Method(hop=6, output="audio", rest=rest)}, Latent.plain(4))
    validate(model, card)
    return model, card
