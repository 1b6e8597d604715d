"""A TorchScript file of the nn~ kind becomes one streaming ONNX file, or is refused with the reason.

    read what it announces → find what each method changes → write it down as a graph → prove it beside the script

No code of the file runs but what TorchScript itself runs, and nothing is written before the proof holds.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from export.assembling import Part, part
from export.caches import Cache, find, untouched, warm
from export.contract import (
    Card,
    ContractError,
    Measured,
    Method,
    Provenance,
    save,
    split,
    validate,
)
from export.nn_tilde import Script, last_line, read
from export.noise import SEED, numbers
from export.parity import STEPS, TOLERANCE, Made, Parity, compare, first_difference
from export.products import as_products
from export.proof import prove
from export.roles import Role, latents_of, roles
from export.running import Running, delay, settled
from export.scores import latent_of
from export.torch_export import _join
from export.tracing import Recording, record, shapes_asked
from export.turning import Knob, Place, connect, knobs, places
from export.windows import CHUNKED, Window, chunked, measure, plan, warning


@dataclass(frozen=True)
class Conversion:
    """What came of a file: the card of the model that was written, and what its player should know."""

    card: Card
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Converted:
    """A method on its way."""

    role: Role
    part: Part
    recording: Recording
    caches: list[Cache]
    window: Window | None
    knobs: list[Knob]
    examples: list[Tensor]


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
        The file, as nn~ loads it.
    out
        The `.onnx` file to write; an existing one is replaced only when the new one is whole.
    name
        Of the model; that of the file if not given.
    seed
        Of the noise that the model begins with, and of the proof's random input.
    bend
        Layers that get live controls (see `export.bend`); none if not given.
    weights
        `fp32`, or `fp16` or `int8` for a lighter file (see `export.weights`).

    Returns
    -------
    Conversion
        The card as it was written, and warnings.

    Raises
    ------
    ContractError
        The file is no such model, or cannot be converted truly; nothing is written.
    """
    with torch.no_grad():
        script = read(source)
        return _convert(script, out, name or Path(source).stem, seed, bend, weights)


def _convert(
    script: Script,
    out: str | os.PathLike[str],
    name: str,
    seed: int,
    bend: Sequence[str] | None,
    weights: str,
) -> Conversion:
    found, left_out = roles(script)
    warnings = [*script.warnings, *left_out]
    warm(script, found)
    latent = latent_of(script, latents_of(script, found), found)
    converted = [_method(script, role, seed, warnings) for role in found]
    model = _join([entry.part.model for entry in converted], name)
    card = Card(name, script.sample_rate, {}, latent, _provenance(script, seed, warnings))
    methods = {entry.role.key: _described(entry, model, card) for entry in converted}
    card = dataclasses.replace(card, methods=methods)
    validate(model, card)
    if bend is not None:
        model, card = import_module("export.bend").bend(model, card, bend)
    model = as_products(model)
    card = _proved(script, converted, model, card, seed)
    proof = prove(model, card, seed=seed)
    if not proof.holds:
        raise ContractError(f"{name} does not stream, and was not written: {proof.failure()}")
    if weights != "fp32":
        model, card, _cost = import_module("export.weights").lighter(model, card, weights)
        card = _compared(script, converted, model, card, seed)[0]  # as far off as it was asked to be
    if find_spec("export.measure") is not None:
        card = import_module("export.measure").measure(model, card)
    save(out, model, card)
    return Conversion(card, tuple(warnings))


def _method(script: Script, role: Role, seed: int, warnings: list[str]) -> _Converted:
    """Write one method down, in the way that its memory asks for."""
    caches, window = _memory(script, role)
    if window is not None:
        warnings.append(warning(role, window))
    states = window.states(role) if window is not None else [cache.carried for cache in caches]
    given = role.input(1, seed=seed)
    recording = _recorded(script, role, caches, window, given, states)
    turned, fixed = _turned(script, role, caches, window, given, states, recording)
    if fixed:
        warnings.append(f"In '{role.method.name}' these attributes stay as they are: {', '.join(fixed)}.")
    controls = [knob.control for knob in turned]
    made = part(role.key, recording, given, states, controls, seed)
    if window is None:
        caches = [caches[k] for k in made.states]
    examples = [given, *(states[k] for k in made.states)]
    return _Converted(role, made, recording, caches, window, turned, examples)


def _memory(script: Script, role: Role) -> tuple[list[Cache], Window | None]:
    """Find the caches of a method, or the window that a method without needs.

    Raises
    ------
    ContractError
        The method fails, or has caches and still gives something else for several frames than for one.
    """
    try:
        caches = find(script, role)
    except ContractError as error:
        if "counts in the number" in str(error):
            raise
        caches = find(script, role, frames=32)
        if caches:
            raise
        return [], measure(script, role)
    try:
        apart = chunked(script, role)
    except ContractError:
        if not caches:
            return [], measure(script, role)
        raise
    if apart <= CHUNKED:
        return caches, None
    if not caches:
        return [], measure(script, role)
    carried = [cache.carried for cache in caches]
    _recorded(script, role, caches, None, role.input(1), carried)  # what it does may tell why
    raise ContractError(
        f"'{role.method.name}' of {script.name} keeps {len(caches)} caches and still gives something else for 8 frames "
        f"at once than for one after the other (by {apart:.1e}), so no cut of it is right; export the model again with "
        "streaming on in all its layers."
    )


def _step(script: Script, role: Role, caches: list[Cache], window: Window | None) -> Any:
    def step(given: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        if window is not None:
            return tuple(window.step(script, role, given, states))
        for cache, state in zip(caches, states, strict=True):
            script.slots.put(cache.slot, cache.inside(state.clone()))
        made = role.play(script, given)
        after = [script.slots.get(cache.slot) for cache in caches]
        return (made, *(state.to(torch.float32) for state in after))

    return step


def _recorded(
    script: Script, role: Role, caches: list[Cache], window: Window | None, given: Tensor, states: Sequence[Tensor]
) -> Recording:
    """Write a method down, and see that nothing in its structure hangs on the numbers that come in."""
    noise, frames = plan(script, role, window.frames) if window is not None else (None, 1)

    def once(given: Tensor, states: Sequence[Tensor]) -> Recording:
        with untouched(script):
            try:
                return record(
                    _step(script, role, caches, window), [given, *states], script.slots.names(), noise, frames
                )
            except ContractError as error:
                reason = shapes_asked(_step(script, role, caches, window), [given, *states]) or str(error)
                raise ContractError(_sentence(script, role, reason)) from None
            except Exception as error:  # functionalize and the interpreter raise RuntimeError
                reason = shapes_asked(_step(script, role, caches, window), [given, *states]) or last_line(error)
                raise ContractError(_sentence(script, role, reason)) from None

    recording = once(given, states)
    if recording.asked:
        signature = recording.signature()
        for scale in (0.0, 1e-3, -1.0, 100.0):
            other = once(given * scale, [state + scale * torch.randn_like(state) for state in states])
            if other.signature() != signature or _constants_differ(recording, other):
                asked = ", ".join(sorted({operator for operator, _ in recording.asked}))
                raise ContractError(
                    _sentence(
                        script, role, f"what it does hangs on numbers that come in (it asks for them by '{asked}')"
                    )
                )
    return recording


def _sentence(script: Script, role: Role, reason: str) -> str:
    return (
        f"'{role.method.name}' of {script.name} cannot be made a graph: {reason}; "
        "let the model do the same to whatever comes in, and export it again."
    )


def _constants_differ(one: Recording, other: Recording) -> bool:
    return any(not torch.equal(tensor, other.constants[name]) for name, tensor in one.constants.items())


def _turned(
    script: Script,
    role: Role,
    caches: list[Cache],
    window: Window | None,
    given: Tensor,
    states: Sequence[Tensor],
    recording: Recording,
) -> tuple[list[Knob], list[str]]:
    """Make attributes inputs of the recorded graph where that is possible; name those that matter and stay."""
    plans: list[tuple[Knob, list[Place]]] = []
    fixed: list[str] = []
    taken: set[int] = set()
    for attribute in script.attributes:
        for ranges in knobs(attribute):
            found: tuple[Knob, list[Place]] | None = None
            matters = False
            for knob in ranges:
                tried = _tried(script, role, caches, window, given, states, recording, knob)
                if tried and knob.control.size > 1 and not _number_by_number(knob, tried):
                    tried = None
                if tried is None:
                    matters = True
                elif tried:
                    found = knob, tried
                    break
                else:
                    break
            spots = {place.node for place in found[1]} if found else set()
            if found and not spots & taken:
                plans.append(found)
                taken |= spots
            elif found or matters:
                fixed.append(f"{ranges[0].control.name} ({ranges[0].control.default:g})")
    nodes = list(recording.graph.nodes)
    turned = []
    for knob, spots_of in plans:
        connect(recording, nodes, knob, spots_of)
        turned.append(knob)
    return turned, fixed


def _tried(
    script: Script,
    role: Role,
    caches: list[Cache],
    window: Window | None,
    given: Tensor,
    states: Sequence[Tensor],
    recording: Recording,
    knob: Knob,
) -> list[Place] | None:
    """Write a method down at the values of an attribute; empty where nothing changes, None where it can't be turned."""
    values, others = [knob.control.default], []
    for value in knob.probes():
        with untouched(script):
            if not script.set(knob.attribute, knob.values(value)):
                return None
            try:
                others.append(_recorded(script, role, caches, window, given, states))
            except ContractError:
                return None
        values.append(value)
    return places(recording, others, values)


def _number_by_number(knob: Knob, found: list[Place]) -> bool:
    """Whether all that follows an attribute of many numbers is that attribute itself."""
    return all(
        p.leaf < 0 and p.slope.numel() == knob.control.size and bool((p.slope - 1).abs().max() < 1e-4) for p in found
    )


def _described(entry: _Converted, model: onnx.ModelProto, card: Card) -> Method:
    """Say what a method is; its caches' rest is where they stand after its mean."""
    role, made = entry.role, entry.part
    rest = tuple(state.numpy().copy() for state in entry.examples[1:])
    if made.noisy:
        rest = (*rest, np.zeros(1, np.float32))
    method = Method(
        hop=role.hop,
        output="audio" if role.audio_out else "latent",
        channels=role.channels,
        controls=made.controls,
        rest=rest,
    )
    card = dataclasses.replace(card, methods={role.key: method})
    method = dataclasses.replace(method, rest=settled(model, card, role.key, made.noisy))
    card = dataclasses.replace(card, methods={role.key: method})
    late = entry.window.ahead * role.hop if entry.window is not None else delay(model, card, role.key)
    return dataclasses.replace(method, delay=late)


def _proved(script: Script, converted: list[_Converted], model: onnx.ModelProto, card: Card, seed: int) -> Card:
    """Measure every method beside its script, and refuse what differs."""
    card, found = _compared(script, converted, model, card, seed)
    for entry, parity in zip(converted, found, strict=True):
        if parity.value > TOLERANCE:
            layer = _blamed(entry, model, card.method(entry.role.key))
            where = f"; the first layer that differs is '{layer}'" if layer else ""
            raise ContractError(
                f"'{entry.role.method.name}' of {card.name} was not converted truly: it differs from the script by "
                f"{parity.value:.1e} at frame {parity.at} ({parity.cut}), and {TOLERANCE:.0e} is allowed{where}; "
                "convert a model that was exported anew, or tell the authors of glitch-live."
            )
    return card


def _compared(
    script: Script, converted: list[_Converted], model: onnx.ModelProto, card: Card, seed: int
) -> tuple[Card, list[Parity]]:
    """Measure every method beside its script, as it is and with its attributes turned; the worse stands in the card."""
    found = []
    for entry in converted:
        key = entry.role.key
        made = Made(entry.role, Running(model, card, key), entry.recording.draws)
        parity = compare(script, made, entry.caches, entry.window, {}, seed)
        if entry.knobs and parity.value <= TOLERANCE:
            with untouched(script):
                turned = _turn(script, entry.knobs, seed)
                other = compare(script, made, entry.caches, entry.window, turned, seed)
            parity = max(parity, dataclasses.replace(other, cut=f"its attributes turned, {other.cut}"), key=_worse)
        found.append(parity)
        method = dataclasses.replace(card.method(key), measured=Measured(parity=parity.value, parity_steps=STEPS))
        card = dataclasses.replace(card, methods=card.methods | {key: method})
    return card, found


def _worse(parity: Parity) -> float:
    return parity.value


def _turn(script: Script, turned: list[Knob], seed: int) -> dict[str, float]:
    """Set all attributes somewhere in their range; give the controls' values."""
    rng = np.random.default_rng(seed)
    values = {knob.control.name: _somewhere(knob, rng) for knob in turned}
    for attribute in {knob.attribute.name: knob.attribute for knob in turned}.values():
        parts = list(attribute.values)
        for knob in turned:
            if knob.attribute.name == attribute.name:
                parts[knob.part] = knob.values(values[knob.control.name])[knob.part]
        script.set(attribute, parts)
    return values


def _somewhere(knob: Knob, rng: np.random.Generator) -> float:
    value = float(rng.uniform(knob.control.minimum, knob.control.maximum))
    return float(round(value)) if knob.whole else float(np.float32(value))


def _blamed(entry: _Converted, model: onnx.ModelProto, method: Method) -> str:
    """Look for the first layer whose output the ONNX graph doesn't have."""
    recording, key = entry.recording, entry.role.key
    given = entry.role.input(1, seed=5)
    feeds = {f"{key}.input": given.numpy()}
    feeds |= {f"{key}.state.{k}": np.array(rest) for k, rest in enumerate(method.rest)}
    feeds |= {f"{key}.control.{c.name}": np.full((1, c.size, 1), c.default, np.float32) for c in method.controls}
    states = [torch.from_numpy(np.array(rest)) for rest in method.rest[: len(entry.examples) - 1]]
    seed = next((int(c.default) for c in method.controls if c.name == SEED), 0)
    frames = [numbers(recording.draws, seed, k) for k in range(1 - recording.frames, 1)]
    noise = [torch.from_numpy(np.stack([frame[k] for frame in frames])) for k in range(len(recording.draws))]
    turned = [torch.full((1, knob.control.size, 1), knob.control.default) for knob in entry.knobs]
    examples = [given, *states, *noise, *turned]
    try:
        return first_difference(split(model, key), recording.module(), recording.layers, feeds, examples)
    except Exception:  # a graph that cannot be looked into has no layer to name
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
