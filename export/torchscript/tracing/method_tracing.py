"""One method of a script: what it remembers is found, and it is written down in the way that this asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from export.errors import ContractError
from export.torchscript.script.detect_state import Cache, detect_caches, preserved_state
from export.torchscript.script.nn_tilde import Script, error_line
from export.torchscript.script.roles import Role
from export.torchscript.tracing.assembly import MethodGraph, assemble
from export.torchscript.tracing.attributes_to_inputs import (
    AttributeControl,
    DependentValue,
    add_input,
    candidate_controls,
    dependent_values,
)
from export.torchscript.tracing.data_dependence import find_dependent_shape
from export.torchscript.tracing.recorder import record
from export.torchscript.tracing.recording import Recording
from export.torchscript.tracing.windowed_models import (
    CHUNK_TOLERANCE,
    Window,
    chunk_difference,
    measure_window,
    plan_noise,
    warning,
)


@dataclass(frozen=True)
class TracedMethod:
    """A method, written down.

    `examples` are its input and the states that it carries; `caches` those of the script that they are.
    """

    role: Role
    part: MethodGraph
    recording: Recording
    caches: list[Cache]
    window: Window | None
    knobs: list[AttributeControl]
    examples: list[Tensor]


def trace_method(script: Script, role: Role, seed: int, warnings: list[str]) -> TracedMethod:
    """Write one method down, in the way that its memory asks for."""
    caches, window = _find_memory(script, role)
    if window is not None:
        warnings.append(warning(role, window))
    states = window.states(role) if window is not None else [cache.carried for cache in caches]
    given = role.input(1, seed=seed)
    recording = _record(script, role, caches, window, given, states)
    turned, fixed = _attributes_to_inputs(script, role, caches, window, given, states, recording)
    if fixed:
        warnings.append(f"In '{role.method.name}' these attributes stay as they are: {', '.join(fixed)}.")
    controls = [knob.control for knob in turned]
    made = assemble(role.key, recording, given, states, controls, seed)
    if window is None:
        caches = [caches[k] for k in made.states]
    examples = [given, *(states[k] for k in made.states)]
    return TracedMethod(role, made, recording, caches, window, turned, examples)


def _find_memory(script: Script, role: Role) -> tuple[list[Cache], Window | None]:
    """Find the caches of a method, or the window that a method without needs.

    Raises
    ------
    ContractError
        The method fails, or has caches and still gives something else for several frames than for one.
    """
    try:
        caches = detect_caches(script, role)
    except ContractError as error:
        if "counts in the number" in str(error):
            raise
        caches = detect_caches(script, role, frames=32)
        if caches:
            raise
        return [], measure_window(script, role)
    try:
        apart = chunk_difference(script, role)
    except ContractError:
        if not caches:
            return [], measure_window(script, role)
        raise
    if apart <= CHUNK_TOLERANCE:
        return caches, None
    if not caches:
        return [], measure_window(script, role)
    carried = [cache.carried for cache in caches]
    _record(script, role, caches, None, role.input(1), carried)  # what it does may tell why
    raise ContractError(
        f"'{role.method.name}' of {script.name} keeps {len(caches)} caches and still gives something else for 8 frames "
        f"at once than for one after the other (by {apart:.1e}), so no cut of it is right; export the model again with "
        "streaming on in all its layers."
    )


def _step(script: Script, role: Role, caches: list[Cache], window: Window | None) -> Callable[..., tuple[Tensor, ...]]:
    def step(given: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        if window is not None:
            return tuple(window.step(script, role, given, states))
        for cache, state in zip(caches, states, strict=True):
            script.slots.put(cache.slot, cache.inside(state.clone()))
        made = role.play(script, given)
        after = [script.slots.get(cache.slot) for cache in caches]
        return (made, *(state.to(torch.float32) for state in after))

    return step


def _record(
    script: Script, role: Role, caches: list[Cache], window: Window | None, given: Tensor, states: Sequence[Tensor]
) -> Recording:
    """Write a method down, and see that nothing in its structure hangs on the numbers that come in."""
    noise, frames = plan_noise(script, role, window.frames) if window is not None else (None, 1)

    def once(given: Tensor, states: Sequence[Tensor]) -> Recording:
        with preserved_state(script):
            try:
                return record(
                    _step(script, role, caches, window), [given, *states], script.slots.names(), noise, frames
                )
            except ContractError as error:
                reason = find_dependent_shape(_step(script, role, caches, window), [given, *states]) or str(error)
                raise ContractError(_refusal(script, role, reason)) from None
            except Exception as error:  # functionalize and the interpreter raise RuntimeError
                reason = find_dependent_shape(_step(script, role, caches, window), [given, *states]) or error_line(
                    error
                )
                raise ContractError(_refusal(script, role, reason)) from None

    recording = once(given, states)
    if recording.asked:
        signature = recording.signature()
        for scale in (0.0, 1e-3, -1.0, 100.0):
            other = once(given * scale, [state + scale * torch.randn_like(state) for state in states])
            if other.signature() != signature or _constants_differ(recording, other):
                asked = ", ".join(sorted({operator for operator, _ in recording.asked}))
                raise ContractError(
                    _refusal(
                        script, role, f"what it does hangs on numbers that come in (it asks for them by '{asked}')"
                    )
                )
    return recording


def _refusal(script: Script, role: Role, reason: str) -> str:
    return (
        f"'{role.method.name}' of {script.name} cannot be made a graph: {reason}; "
        "let the model do the same to whatever comes in, and export it again."
    )


def _constants_differ(one: Recording, other: Recording) -> bool:
    return any(not torch.equal(tensor, other.constants[name]) for name, tensor in one.constants.items())


def _attributes_to_inputs(
    script: Script,
    role: Role,
    caches: list[Cache],
    window: Window | None,
    given: Tensor,
    states: Sequence[Tensor],
    recording: Recording,
) -> tuple[list[AttributeControl], list[str]]:
    """Make attributes inputs of the recorded graph where that is possible; name those that matter and stay."""
    plans: list[tuple[AttributeControl, list[DependentValue]]] = []
    fixed: list[str] = []
    taken: set[int] = set()
    for attribute in script.attributes:
        for ranges in candidate_controls(attribute):
            found: tuple[AttributeControl, list[DependentValue]] | None = None
            matters = False
            for knob in ranges:
                tried = _probe_attribute(script, role, caches, window, given, states, recording, knob)
                if tried and knob.control.size > 1 and not _is_elementwise(knob, tried):
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
        add_input(recording, nodes, knob, spots_of)
        turned.append(knob)
    return turned, fixed


def _probe_attribute(
    script: Script,
    role: Role,
    caches: list[Cache],
    window: Window | None,
    given: Tensor,
    states: Sequence[Tensor],
    recording: Recording,
    knob: AttributeControl,
) -> list[DependentValue] | None:
    """Write a method down at the values of an attribute; empty where nothing changes, None where it can't be turned."""
    values, others = [knob.control.default], []
    for value in knob.probes():
        with preserved_state(script):
            if not script.set(knob.attribute, knob.values(value)):
                return None
            try:
                others.append(_record(script, role, caches, window, given, states))
            except ContractError:
                return None
        values.append(value)
    return dependent_values(recording, others, values)


def _is_elementwise(knob: AttributeControl, found: list[DependentValue]) -> bool:
    """Whether all that follows an attribute of many numbers is that attribute itself."""
    return all(
        p.leaf < 0 and p.slope.numel() == knob.control.size and bool((p.slope - 1).abs().max() < 1e-4) for p in found
    )
