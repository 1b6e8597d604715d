"""Conversion of a TorchScript file of the nn~ kind to one streaming ONNX file.

    read what the file announces → find the caches of each method → record it as a graph → compare it with the script

The only code of the file that runs is TorchScript, in torch's own interpreter. Nothing is written before the proof
succeeds; otherwise the file is refused with the reason.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import torch

from export.bending.bend import bend as bend_model
from export.errors import ContractError
from export.format.card import Card, Measured, Method, Provenance
from export.format.graph import merge_methods, split
from export.format.io import save
from export.format.validation import validate
from export.proof.chunk_equality import prove
from export.proof.delay import measure_response
from export.proof.export_measurement import measure
from export.runtime.onnx_session import session
from export.torchscript.latent_description import describe_latent
from export.torchscript.method_runner import MethodRunner, settle_rest
from export.torchscript.parity import STEPS, TOLERANCE, ConvertedMethod, Parity, compare, first_difference
from export.torchscript.script.detect_state import preserved_state, warm_up
from export.torchscript.script.method_roles import assign_roles, latent_size
from export.torchscript.script.nn_tilde import Script, read_script
from export.torchscript.tracing.attributes_to_inputs import AttributeControl
from export.torchscript.tracing.conv_as_matmul import convs_as_matmul
from export.torchscript.tracing.method_tracing import TracedMethod, trace_method
from export.torchscript.tracing.repeatable_noise import SEED, draw_numbers
from export.weight_storage import quantize


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion: the card of the written model, and warnings for its player."""

    card: Card
    warnings: tuple[str, ...]


def convert(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    seed: int = 0,
    bend: Sequence[str] | None = None,
    weights: str = "fp32",
) -> Conversion:
    """Convert a TorchScript file.

    Parameters
    ----------
    source
        The TorchScript file, as for nn~.
    out
        The `.onnx` file to write. An existing file is replaced only by a complete new one.
    name : str, optional
        Name of the model. Default: that of the file.
    seed : int
        Default of the control `noise.seed`, and seed of the random input of the proof.
    bend : sequence of str, optional
        Layers with live controls (see `export.bending.bend`). Default: none.
    weights : {"fp32", "fp16", "int8"}
        Type that the weights are stored in (see `export.weight_storage`).

    Returns
    -------
    Conversion
        The card as written, and warnings.

    Raises
    ------
    ContractError
        The file is not such a model, or its conversion would sound different. Nothing is written.
    """
    with torch.no_grad():
        script = read_script(source)
        return _convert(script, out, name or Path(source).stem, seed, bend, weights)


def _convert(
    script: Script,
    out: str | os.PathLike[str],
    name: str,
    seed: int,
    bend: Sequence[str] | None,
    weights: str,
) -> Conversion:
    found, left_out = assign_roles(script)
    warnings = [*script.warnings, *left_out]
    warm_up(script, found)
    latent = describe_latent(script, latent_size(script, found), found)
    converted = [trace_method(script, role, seed, warnings) for role in found]
    model = merge_methods([entry.part.model for entry in converted], name)
    card = Card(name, script.sample_rate, {}, latent, _provenance(script, seed, warnings))
    methods = {entry.role.key: _describe_method(entry, model, card) for entry in converted}
    card = dataclasses.replace(card, methods=methods)
    validate(model, card)
    if bend is not None:
        model, card = bend_model(model, card, bend)
    model = convs_as_matmul(model)
    card = _prove_parity(script, converted, model, card, seed)
    proof = prove(model, card, seed=seed)
    if not proof.holds:
        raise ContractError(f"{name} does not stream, and was not written: {proof.failure()}")
    if weights != "fp32":
        model, card, _cost = quantize(model, card, weights)
        card = _measure_parity(script, converted, model, card, seed)[0]  # parity of the smaller weights
    card = measure(model, card)
    save(out, model, card)
    return Conversion(card, tuple(warnings))


def _describe_method(entry: TracedMethod, model: onnx.ModelProto, card: Card) -> Method:
    """Describe a method, with its rest state and its delay."""
    role, part = entry.role, entry.part
    rest = tuple(state.numpy().copy() for state in entry.examples[1:])
    if part.noisy:
        rest = (*rest, np.zeros(1, np.float32))
    method = Method(
        hop=role.hop,
        output="audio" if role.audio_out else "latent",
        channels=role.channels,
        controls=part.controls,
        rest=rest,
    )
    card = dataclasses.replace(card, methods={role.key: method})
    method = dataclasses.replace(method, rest=settle_rest(model, card, role.key, part.noisy))
    card = dataclasses.replace(card, methods={role.key: method})
    if entry.window is not None:
        return dataclasses.replace(method, delay=entry.window.ahead * role.hop)
    response = measure_response(session(split(model, role.key).SerializeToString()), card, role.key)
    return dataclasses.replace(
        method, delay=max(response.peak, 0) if response is not None and role.key != "prior" else 0
    )


def _prove_parity(script: Script, converted: list[TracedMethod], model: onnx.ModelProto, card: Card, seed: int) -> Card:
    """Compare every method with its script, and refuse differences above the tolerance."""
    card, found = _measure_parity(script, converted, model, card, seed)
    for entry, parity in zip(converted, found, strict=True):
        if parity.value > TOLERANCE:
            layer = _first_wrong_layer(entry, model, card.method(entry.role.key))
            where = f"; the first layer that differs is '{layer}'" if layer else ""
            raise ContractError(
                f"'{entry.role.method.name}' of {card.name} was not converted correctly: it differs from the script by "
                f"{parity.value:.1e} at frame {parity.at} ({parity.cut}), and {TOLERANCE:.0e} is allowed{where}; "
                "export the model again and convert that, or report it to the authors of glitch-live."
            )
    return card


def _measure_parity(
    script: Script, converted: list[TracedMethod], model: onnx.ModelProto, card: Card, seed: int
) -> tuple[Card, list[Parity]]:
    """Compare every method with its script, with default and with changed attributes; the larger difference counts."""
    found = []
    for entry in converted:
        key = entry.role.key
        made = ConvertedMethod(entry.role, MethodRunner(model, card, key), entry.recording.draws)
        parity = compare(script, made, entry.caches, entry.window, {}, seed)
        if entry.attributes and parity.value <= TOLERANCE:
            with preserved_state(script):
                turned = _set_attributes(script, entry.attributes, seed)
                other = compare(script, made, entry.caches, entry.window, turned, seed)
            parity = max(parity, dataclasses.replace(other, cut=f"with changed attributes, {other.cut}"), key=_worse)
        found.append(parity)
        method = dataclasses.replace(card.method(key), measured=Measured(parity=parity.value, parity_steps=STEPS))
        card = dataclasses.replace(card, methods=card.methods | {key: method})
    return card, found


def _worse(parity: Parity) -> float:
    return parity.value


def _set_attributes(script: Script, turned: list[AttributeControl], seed: int) -> dict[str, float]:
    """Set all attributes to random values in their ranges; return the values of the controls."""
    rng = np.random.default_rng(seed)
    values = {candidate.control.name: _random_value(candidate, rng) for candidate in turned}
    for attribute in {candidate.attribute.name: candidate.attribute for candidate in turned}.values():
        parts = list(attribute.values)
        for candidate in turned:
            if candidate.attribute.name == attribute.name:
                parts[candidate.part] = candidate.values(values[candidate.control.name])[candidate.part]
        script.set(attribute, parts)
    return values


def _random_value(candidate: AttributeControl, rng: np.random.Generator) -> float:
    value = float(rng.uniform(candidate.control.minimum, candidate.control.maximum))
    return float(round(value)) if candidate.whole else float(np.float32(value))


def _first_wrong_layer(entry: TracedMethod, model: onnx.ModelProto, method: Method) -> str:
    """Return the name of the first layer whose output the ONNX graph doesn't reproduce; empty if there is none."""
    recording, key = entry.recording, entry.role.key
    example = entry.role.input(1, seed=5)
    feeds = {f"{key}.input": example.numpy()}
    feeds |= {f"{key}.state.{k}": np.array(rest) for k, rest in enumerate(method.rest)}
    feeds |= {f"{key}.control.{c.name}": np.full((1, c.size, 1), c.default, np.float32) for c in method.controls}
    states = [torch.from_numpy(np.array(rest)) for rest in method.rest[: len(entry.examples) - 1]]
    seed = next((int(c.default) for c in method.controls if c.name == SEED), 0)
    frames = [draw_numbers(recording.draws, seed, k) for k in range(1 - recording.frames, 1)]
    noise = [torch.from_numpy(np.stack([frame[k] for frame in frames])) for k in range(len(recording.draws))]
    turned = [torch.full((1, candidate.control.size, 1), candidate.control.default) for candidate in entry.attributes]
    examples = [example, *states, *noise, *turned]
    try:
        return first_difference(split(model, key), recording.module(), recording.layers, feeds, examples)
    except Exception:  # a graph that can't be inspected has no layer to name
        return ""


def _provenance(script: Script, seed: int, warnings: list[str]) -> Provenance:
    latent = script.latent
    notes = []
    if latent.principal and latent.size and latent.full_size:
        kept = ""
        if latent.fidelity is not None and latent.size <= len(latent.fidelity):
            kept = f", {latent.fidelity[latent.size - 1]:.0%} of the variance"
        notes.append(f"{latent.size} principal components of {latent.full_size} latents{kept}.")
    return Provenance(
        data=f"{script.name} (sha256 {script.sha256})",
        date=datetime.now(UTC).date().isoformat(),
        command=f"glitch-lab convert {script.name}",
        seed=seed,
        notes=" ".join([*notes, *warnings]),
    )
