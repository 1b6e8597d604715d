"""Measurements of graphs with known delay, speed and rest state; verification of files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.errors import ContractError
from export.format.card import Card, Control, Latent, Measured, Method
from export.format.graph import split
from export.format.io import load, save
from export.format.model_facts import summary
from export.proof.chunk_equality import prove
from export.proof.delay import Response, measure_response
from export.proof.export_measurement import measure
from export.proof.file_verification import Verdict, verify
from export.proof.rest_state import settle_rest_states
from export.proof.speed import real_time
from export.runtime.onnx_session import session
from realtime.library.library import Library

HOP = 64


def delayed_decoder(delay: int, rest: float = 0.0, claimed: int = 0) -> tuple[onnx.ModelProto, Card]:
    """Make a decoder that holds latent 1 for a hop, `delay` samples late; a cache contains the remaining samples."""
    held = [
        helper.make_node("Slice", ["decode.input", "zero", "one", "axis"], ["first"]),
        helper.make_node("Unsqueeze", ["first", "last"], ["level"]),
        helper.make_node("Expand", ["level", "block"], ["wide"]),
        helper.make_node("Reshape", ["wide", "flat"], ["held"]),
    ]
    late = [
        helper.make_node("Concat", ["decode.state.0", "held"], ["joined"], axis=2),
        helper.make_node("Slice", ["joined", "zero", "less", "two"], ["decode.output"]),
        helper.make_node("Slice", ["joined", "less", "end", "two"], ["decode.state.0.next"]),
    ]
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "two": np.array([2]),
        "axis": np.array([1]),
        "last": np.array([3]),
        "block": np.array([1, 1, 1, HOP]),
        "flat": np.array([1, 1, -1]),
        "less": np.array([-delay]),
        "end": np.array([np.iinfo(np.int64).max]),
    }
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*held, *late],
        "delayed",
        [
            tensor("decode.input", onnx.TensorProto.FLOAT, [1, 2, "frames"]),
            tensor("decode.state.0", onnx.TensorProto.FLOAT, [1, 1, delay]),
        ],
        [
            tensor("decode.output", onnx.TensorProto.FLOAT, [1, 1, "samples"]),
            tensor("decode.state.0.next", onnx.TensorProto.FLOAT, [1, 1, delay]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    method = Method(hop=HOP, output="audio", delay=claimed, rest=(np.full((1, 1, delay), rest, np.float32),))
    return model, Card("delayed", 48_000, {"decode": method}, Latent.plain(2))


def filtering(kernel: np.ndarray, claimed: int = 0) -> tuple[onnx.ModelProto, Card]:
    """Make a causal filter as a `transform`."""
    past = len(kernel) - 1
    nodes = [
        helper.make_node("Concat", ["transform.state.0", "transform.input"], ["joined"], axis=2),
        helper.make_node("Conv", ["joined", "kernel"], ["transform.output"]),
        helper.make_node("Slice", ["joined", "less", "end", "two"], ["transform.state.0.next"]),
    ]
    constants = {
        "kernel": np.asarray(kernel, np.float32)[None, None, ::-1].copy(),
        "less": np.array([-past]),
        "end": np.array([np.iinfo(np.int64).max]),
        "two": np.array([2]),
    }
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "filtering",
        [
            tensor("transform.input", onnx.TensorProto.FLOAT, [1, 1, "samples"]),
            tensor("transform.state.0", onnx.TensorProto.FLOAT, [1, 1, past]),
        ],
        [
            tensor("transform.output", onnx.TensorProto.FLOAT, [1, 1, "samples_out"]),
            tensor("transform.state.0.next", onnx.TensorProto.FLOAT, [1, 1, past]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    method = Method(hop=HOP, output="audio", delay=claimed, rest=(np.zeros((1, 1, past), np.float32),))
    return model, Card("filtering", 48_000, {"transform": method}, Latent.plain(0))


def answer_of(model: onnx.ModelProto, card: Card, name: str) -> Response:
    found = measure_response(session(split(model, name).SerializeToString()), card, name)
    assert found is not None
    return found


@pytest.mark.parametrize("delay", [1, 40, 64, 500])
def test_the_delay_of_a_frame_is_exact_to_the_sample(delay: int) -> None:
    assert answer_of(*delayed_decoder(delay), "decode") == Response(delay, delay, delay + HOP - 1)


def test_a_decoder_that_responds_at_once_has_no_delay(models: dict[str, Path], reference_model: Path) -> None:
    for path in (models["level"], models["stereo"]):
        model, card = load(path)
        assert answer_of(model, card, "decode").peak == 0
    model, card = load(reference_model)
    found = answer_of(model, card, "decode")
    assert found.begins == 0
    assert found.agrees(0)
    assert card.method("decode").delay == 0


@pytest.mark.parametrize("delay", [3, 64, 200])
def test_an_impulse_through_a_linear_phase_filter_peaks_in_its_middle(delay: int) -> None:
    kernel = np.hanning(2 * delay + 3)[1:-1]
    found = answer_of(*filtering(kernel), "transform")
    assert found.peak == delay
    assert found.begins < delay < found.ends


def test_the_response_of_a_window_peaks_in_its_middle() -> None:
    model, card = load(Library().find("orchestra-spectral"))
    method = card.method("encode")
    found = answer_of(model, card, "encode")
    assert abs(found.peak - method.delay) <= method.hop
    assert found.agrees(method.delay)
    assert not found.agrees(method.delay + 2048)


def test_an_unused_input_has_no_response(models: dict[str, Path]) -> None:
    model, card = load(models["tone"])
    part = split(model, "decode")
    assert measure_response(session(part.SerializeToString()), card, "decode") is None
    measured = measure(model, card).method("decode").measured
    assert measured is not None
    assert measured.delay is None


def test_measuring_fills_the_card_and_keeps_the_parity() -> None:
    model, card = delayed_decoder(40, claimed=40)
    method = dataclasses.replace(card.method("decode"), measured=Measured(parity=1e-7, parity_steps=64))
    measured = measure(model, dataclasses.replace(card, methods={"decode": method})).method("decode")
    assert measured.delay == 40
    assert measured.measured is not None
    assert (measured.measured.parity, measured.measured.parity_steps) == (1e-7, 64)
    assert (measured.measured.chunks, measured.measured.delay) == (0.0, 40)
    assert measured.measured.real_time is not None
    assert measured.measured.real_time > 0


def test_a_delay_that_contradicts_the_response_is_corrected() -> None:
    model, card = delayed_decoder(500, claimed=0)
    assert measure(model, card).method("decode").delay == 500
    assert measure(model, dataclasses.replace(card)).method("decode").delay == 500


def test_a_model_that_does_not_stream_is_refused() -> None:
    model, card = filtering(np.ones(5))
    for node in model.graph.node:
        if node.output[0] == "joined":  # silence instead of what went before
            node.input[0] = "silence"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 1, 4), np.float32), "silence"))
    with pytest.raises(ContractError, match="transform.output of 'transform' differs by"):
        measure(model, card)


def test_a_graph_of_one_frame_a_step_is_measured() -> None:
    model, card = delayed_decoder(40, claimed=40)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1
    found = measure(model, card).method("decode").measured
    assert found is not None
    assert found.chunks is None
    assert found.delay == 40


def test_real_time_is_the_hop_divided_by_a_step() -> None:
    model, card = delayed_decoder(40)
    slower = dataclasses.replace(card, sample_rate=8_000)
    loaded = session(split(model, "decode").SerializeToString())
    assert real_time(loaded, slower, "decode") > 2 * real_time(loaded, card, "decode")


def test_an_export_states_its_measurements(reference_model: Path) -> None:
    method = load(reference_model)[1].method("decode")
    assert method.measured is not None
    assert method.measured.chunks is not None
    assert method.measured.chunks <= 1e-5
    assert method.measured.delay is not None
    assert method.measured.real_time is not None


def test_the_rest_state_is_found_and_counters_are_kept(models: dict[str, Path]) -> None:
    model, card = delayed_decoder(40, rest=0.5)
    assert settle_rest_states(model, card).method("decode").rest[0].max() == 0.0
    model, card = load(models["level"])  # its cache counts frames
    assert settle_rest_states(model, card).method("decode").rest[0].item() == 0.0


def written(path: Path, model: onnx.ModelProto, card: Card) -> Path:
    save(path, model, card)
    return path


def broken(found: Verdict) -> list[tuple[str, str]]:
    return [(check.method, check.what) for check in found.checks if not check.holds]


def test_models_that_keep_their_promises_are_verified(
    tmp_path: Path, models: dict[str, Path], reference_model: Path
) -> None:
    for path in (reference_model, models["bundled"], models["level"], models["tone"], models["stereo"]):
        assert verify(path).holds, broken(verify(path))
    found = verify(written(tmp_path / "late.onnx", *delayed_decoder(500, claimed=500)))
    assert found.holds
    assert {check.what for check in found.checks} == {"numbers", "chunks", "rest", "delay", "speed"}


def test_each_broken_promise_is_named_with_method_and_tensor(tmp_path: Path) -> None:
    late = verify(written(tmp_path / "late.onnx", *delayed_decoder(500, claimed=0)))
    assert broken(late) == [("decode", "delay")]
    assert "decode.output lags by 0 samples" in late.failure()
    assert "from sample 500 to 563, with its peak at 500" in late.failure()
    pops = verify(written(tmp_path / "pops.onnx", *delayed_decoder(500, rest=0.5, claimed=500)))
    assert broken(pops) == [("decode", "rest")]
    assert "decode.state.0 of 'decode' moves by" in pops.failure()
    model, card = filtering(np.ones(5))
    model.graph.node[1].op_type = "Identity"
    del model.graph.node[1].input[1:]
    model.graph.node[1].input[0] = "root"
    model.graph.node.insert(1, helper.make_node("Sqrt", ["transform.input"], ["root"]))
    numbers = verify(written(tmp_path / "nan.onnx", model, card))
    assert broken(numbers) == [("transform", "numbers")]
    assert "transform.output of 'transform' has NaN or infinity" in numbers.failure()
    for found in (late, pops, numbers):
        assert "\n" not in found.failure()


def test_parity_equals_that_of_the_card(tmp_path: Path) -> None:
    model, card = delayed_decoder(40, claimed=40)
    for parity, holds in ((1e-7, True), (1e-3, False)):
        method = dataclasses.replace(card.method("decode"), measured=Measured(parity=parity, parity_steps=64))
        path = written(tmp_path / "converted.onnx", model, dataclasses.replace(card, methods={"decode": method}))
        assert verify(path).holds == holds
        assert f"differed from its source by {parity:.0e} over 64 steps" in verify(path).checks[-1].text


def test_a_model_that_clicks_at_chunk_boundaries_is_detected(tmp_path: Path) -> None:
    model, card = filtering(np.ones(5))
    model.graph.node[0].input[0] = "silence"
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 1, 4), np.float32), "silence"))
    model.graph.node.append(helper.make_node("Identity", ["transform.state.0"], ["unused"]))
    found = verify(written(tmp_path / "clicks.onnx", model, card))
    assert ("transform", "chunks") in broken(found)
    assert "transform.output of 'transform' differs by" in found.failure()


def test_a_summary_describes_a_model(models: dict[str, Path]) -> None:
    model, card = load(models["spectral"])
    described = summary(model, card, models["spectral"].stat().st_size)
    assert (described["name"], described["sample_rate"], described["latent"]["size"]) == (
        "orchestra-spectral",
        48_000,
        16,
    )
    assert set(described["methods"]) == {"decode", "encode"}
    assert described["file"]["parameters"] > described["methods"]["decode"]["parameters"] > 0.9e6
    assert described["file"]["weights"] == "fp32"
    assert described["file"]["opset"] >= 18
    caches = described["methods"]["encode"]["caches"]
    assert (caches["count"], caches["bytes"], caches["shapes"]) == (1, 4 * 1792, [[1, 1, 1792]])
    assert [control["name"] for control in described["methods"]["decode"]["controls"]] == ["pitch", "loudness"]
    assert described["methods"]["decode"]["frames_a_step"] == "any"
    assert any(point["label"].startswith("violin") for point in described["latent"]["map"])
    assert described["provenance"]["licence"]


def test_controls_of_many_values_are_measured(tmp_path: Path) -> None:
    model, card = delayed_decoder(40, claimed=40)
    for node in model.graph.node:
        if node.output[0] == "held":
            node.output[0] = "plain"
    at = next(k for k, node in enumerate(model.graph.node) if node.output[0] == "plain")
    model.graph.node.insert(at + 1, helper.make_node("ReduceSum", ["decode.control.bend", "axis"], ["sum"]))
    model.graph.node.insert(at + 2, helper.make_node("Mul", ["plain", "sum"], ["held"]))
    value = helper.make_tensor_value_info("decode.control.bend", onnx.TensorProto.FLOAT, [1, 3, 1])
    model.graph.input.append(value)
    bend = Control("bend", 1.0, 0.0, 2.0, size=3, per_frame=False)
    method = dataclasses.replace(card.method("decode"), controls=(bend,))
    path = written(tmp_path / "bent.onnx", model, dataclasses.replace(card, methods={"decode": method}))
    assert verify(path).holds
    assert prove(*load(path)).holds
