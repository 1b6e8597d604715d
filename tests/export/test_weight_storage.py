"""Quantized weights: a smaller file with the same sound, within the stated loss."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.errors import ContractError
from export.format.card import Measured
from export.format.io import load, save
from export.format.model_facts import summary
from export.proof.chunk_equality import prove
from export.proof.export_measurement import measure
from export.proof.file_verification import verify
from export.weight_storage import quantize
from realtime.engine.decoder import Decoder

SHARE = {"fp16": 0.55, "int8": 0.32}
LEAST_DB = {"fp16": 55.0, "int8": 25.0}


def weight_bytes(model: onnx.ModelProto) -> int:
    return sum(len(tensor.raw_data) for tensor in model.graph.initializer)


@pytest.mark.parametrize("kind", ["fp16", "int8"])
def test_the_file_is_smaller_with_the_stated_loss(kind: str, reference_model: Path, tmp_path: Path) -> None:
    model, card = load(reference_model)
    before = model.SerializeToString()
    light, lighter_card, cost_db = quantize(model, card, kind)
    assert model.SerializeToString() == before
    assert weight_bytes(light) < SHARE[kind] * weight_bytes(model)
    assert prove(light, lighter_card).holds
    path = tmp_path / "light.onnx"
    save(path, light, lighter_card)
    assert summary(light, lighter_card, 0)["file"]["weights"] == kind
    latents = np.random.default_rng(5).standard_normal((card.latent.size, 200))
    whole, small = Decoder(reference_model).render(latents), Decoder(path).render(latents)
    heard_db = 10 * math.log10(np.square(whole).sum() / np.square(whole - small).sum())
    assert cost_db > LEAST_DB[kind]
    assert heard_db == pytest.approx(cost_db, abs=3)
    assert f"weights stored as {kind}; signal to error: decode {cost_db:.0f} dB" in lighter_card.provenance.notes
    assert verify(path).holds, verify(path)


def test_half_precision_costs_less_than_eight_bits(models: dict[str, Path]) -> None:
    model, card = load(models["bundled"])
    costs = {kind: quantize(model, card, kind)[2] for kind in ("fp16", "int8")}
    assert costs["fp16"] > costs["int8"] + 15


def test_all_methods_of_a_file_are_quantized_and_can_be_split(models: dict[str, Path]) -> None:
    model, card = load(models["bundled"])
    light, lighter_card, cost_db = quantize(model, card, "int8")
    measured = measure(light, lighter_card)
    assert set(measured.methods) == {"decode", "encode"}
    for method in measured.methods.values():
        assert method.measured is not None
    assert f"{cost_db:.0f} dB" in lighter_card.provenance.notes


def test_weights_beyond_half_precision_stay_in_full_precision(reference_model: Path) -> None:
    model, card = load(reference_model)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weight = numpy_helper.to_array(largest).copy()
    weight.flat[0] = 1e6
    largest.CopyFrom(numpy_helper.from_array(weight, largest.name))
    light, _, _ = quantize(model, card, "fp16")
    kept = next(tensor for tensor in light.graph.initializer if tensor.name == largest.name)
    assert kept.data_type == onnx.TensorProto.FLOAT
    assert sum(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in light.graph.initializer) > 0


def test_a_converted_file_may_differ_by_the_precision_of_its_weights(reference_model: Path, tmp_path: Path) -> None:
    model, card = load(reference_model)
    for kind, holds in (("fp32", False), ("int8", True)):
        light, rested, _ = quantize(model, card, kind)
        method = dataclasses.replace(rested.method("decode"), measured=Measured(parity=1e-2, parity_steps=64))
        path = tmp_path / f"{kind}.onnx"
        save(path, light, dataclasses.replace(rested, methods={"decode": method}))
        assert verify(path).holds == holds


def test_full_precision_changes_nothing(reference_model: Path) -> None:
    model, card = load(reference_model)
    light, same, cost_db = quantize(model, card, "fp32")
    assert light is model
    assert same is card
    assert cost_db == 200


def test_an_unknown_kind_is_refused(reference_model: Path) -> None:
    with pytest.raises(ContractError, match="fp32, fp16, int8, not as 'int4'"):
        quantize(*load(reference_model), "int4")
