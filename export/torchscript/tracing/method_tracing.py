"""One method of a script: its caches or its window are found, and it is recorded accordingly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from export.errors import ContractError
from export.torchscript.script.detect_state import Cache, detect_caches, preserved_state
from export.torchscript.script.method_roles import Role
from export.torchscript.script.nn_tilde import Script, error_line
from export.torchscript.tracing.attributes_to_inputs import (
    AttributeControl,
    DependentValue,
    add_input,
    candidate_controls,
    dependent_values,
)
from export.torchscript.tracing.data_dependence import find_dependent_shape
from export.torchscript.tracing.operator_recorder import record
from export.torchscript.tracing.recorded_graph import Recording
from export.torchscript.tracing.recorded_graph_to_onnx import MethodGraph, assemble
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
    """A recorded method.

    Attributes
    ----------
    role : Role
    part : MethodGraph
        Its graph in ONNX.
    recording : Recording
    caches : list of Cache
        The caches of the script that the graph carries.
    window : Window or None
        The window of a method without caches.
    attributes : list of AttributeControl
        The attributes that became controls.
    examples : list of Tensor
        Examples of its input and its states.
    """

    role: Role
    part: MethodGraph
    recording: Recording
    caches: list[Cache]
    window: Window | None
    attributes: list[AttributeControl]
    examples: list[Tensor]


def trace_method(script: Script, role: Role, seed: int, warnings: list[str]) -> TracedMethod:
    """Find the caches of a method, and record it.

    Parameters
    ----------
    script, role
        The file, and the method.
    seed : int
        Seed of the example input, and default of the control `noise.seed`.
    warnings : list of str
        Warnings are appended.

    Returns
    -------
    TracedMethod
        With the caches that its graph carries, or a window; a method without memory has neither.

    Raises
    ------
    ContractError
        The method can't be a graph.
    """
    caches, window = _find_memory(script, role)
    if window is not None:
        warnings.append(warning(role, window))
    states = window.states(role) if window is not None else [cache.carried for cache in caches]
    given = role.input(1, seed=seed)
    recording = _record(script, role, caches, window, given, states)
    controllable, fixed = _attributes_to_inputs(script, role, caches, window, given, states, recording)
    if fixed:
        warnings.append(f"In '{role.method.name}' these attributes keep their values: {', '.join(fixed)}.")
    controls = [candidate.control for candidate in controllable]
    made = assemble(role.key, recording, given, states, controls, seed)
    if window is None:
        caches = [caches[k] for k in made.states]
    examples = [given, *(states[k] for k in made.states)]
    return TracedMethod(role, made, recording, caches, window, controllable, examples)


def _find_memory(script: Script, role: Role) -> tuple[list[Cache], Window | None]:
    """Find the caches of a method, or measure a window for it.

    Returns
    -------
    caches : list of Cache
        Empty if the method has no memory, or gets a window.
    window : Window or None
        None if the caches are all of its memory.

    Raises
    ------
    ContractError
        The method fails, or has caches and still differs between one frame and several frames a call.
    """
    try:
        caches = detect_caches(script, role)
    except ContractError as error:
        if "changes the number" in str(error):
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
    _record(script, role, caches, None, role.input(1), carried)  # a refusal to record it may give the reason
    raise ContractError(
        f"'{role.method.name}' of {script.name} has {len(caches)} caches, but its output for 8 frames in one call "
        f"differs from 8 calls of one frame (by {apart:.1e}); export the model again with streaming on in all its "
        "layers."
    )


def _step(script: Script, role: Role, caches: list[Cache], window: Window | None) -> Callable[..., tuple[Tensor, ...]]:
    def step(given: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        if window is not None:
            return tuple(window.step(script, role, given, states))
        for cache, state in zip(caches, states, strict=True):
            script.state.put(cache.entry, cache.inside(state.clone()))
        made = role.play(script, given)
        after = [script.state.get(cache.entry) for cache in caches]
        return (made, *(state.to(torch.float32) for state in after))

    return step


def _record(
    script: Script, role: Role, caches: list[Cache], window: Window | None, given: Tensor, states: Sequence[Tensor]
) -> Recording:
    """Record a method, and check that its structure doesn't depend on the input values."""
    noise, frames = plan_noise(script, role, window.frames) if window is not None else (None, 1)

    def attempt(given: Tensor, states: Sequence[Tensor]) -> Recording:
        with preserved_state(script):
            try:
                return record(
                    _step(script, role, caches, window), [given, *states], script.state.names(), noise, frames
                )
            except ContractError as error:
                reason = find_dependent_shape(_step(script, role, caches, window), [given, *states]) or str(error)
                raise ContractError(_refusal(script, role, reason)) from None
            except Exception as error:  # functionalize and the interpreter raise RuntimeError
                reason = find_dependent_shape(_step(script, role, caches, window), [given, *states]) or error_line(
                    error
                )
                raise ContractError(_refusal(script, role, reason)) from None

    recording = attempt(given, states)
    if recording.asked:
        signature = recording.signature()
        for scale in (0.0, 1e-3, -1.0, 100.0):
            other = attempt(given * scale, [state + scale * torch.randn_like(state) for state in states])
            if other.signature() != signature or _constants_differ(recording, other):
                asked = ", ".join(sorted({operator for operator, _ in recording.asked}))
                raise ContractError(
                    _refusal(script, role, f"its operations depend on the input values (it reads them with '{asked}')")
                )
    return recording


def _refusal(script: Script, role: Role, reason: str) -> str:
    return (
        f"'{role.method.name}' of {script.name} can't be a graph: {reason}; "
        "make the model process every input alike, and export it again."
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
    """Turn attributes into inputs of the recorded graph where possible; list those that matter but can't be turned."""
    plans: list[tuple[AttributeControl, list[DependentValue]]] = []
    fixed: list[str] = []
    taken: set[int] = set()
    for attribute in script.attributes:
        for ranges in candidate_controls(attribute):
            found: tuple[AttributeControl, list[DependentValue]] | None = None
            matters = False
            for candidate in ranges:
                dependent = _probe_attribute(script, role, caches, window, given, states, recording, candidate)
                if dependent and candidate.control.size > 1 and not _is_elementwise(candidate, dependent):
                    dependent = None
                if dependent is None:
                    matters = True
                elif dependent:
                    found = candidate, dependent
                    break
                else:
                    break
            nodes_used = {place.node for place in found[1]} if found else set()
            if found and not nodes_used & taken:
                plans.append(found)
                taken |= nodes_used
            elif found or matters:
                fixed.append(f"{ranges[0].control.name} ({ranges[0].control.default:g})")
    nodes = list(recording.graph.nodes)
    controllable = []
    for candidate, values in plans:
        add_input(recording, nodes, candidate, values)
        controllable.append(candidate)
    return controllable, fixed


def _probe_attribute(
    script: Script,
    role: Role,
    caches: list[Cache],
    window: Window | None,
    given: Tensor,
    states: Sequence[Tensor],
    recording: Recording,
    candidate: AttributeControl,
) -> list[DependentValue] | None:
    """Record a method at several values of an attribute; empty if nothing changes, None if it can't be an input."""
    values, others = [candidate.control.default], []
    for value in candidate.probes():
        with preserved_state(script):
            if not script.set(candidate.attribute, candidate.values(value)):
                return None
            try:
                others.append(_record(script, role, caches, window, given, states))
            except ContractError:
                return None
        values.append(value)
    return dependent_values(recording, others, values)


def _is_elementwise(candidate: AttributeControl, found: list[DependentValue]) -> bool:
    """Whether every dependent value is the tensor of the attribute itself."""
    return all(
        p.leaf < 0 and p.slope.numel() == candidate.control.size and bool((p.slope - 1).abs().max() < 1e-4)
        for p in found
    )
