"""The caches of a method, detected by behaviour and not by name.

A tensor that changes when the method runs is a cache. A Python number that changes can't be carried in a graph: if the
output depends on it, the model is refused. Files of the nn~ kind often have caches for 64 voices of which one or two
are used; only the rows that change are carried.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from export.errors import ContractError
from export.torchscript.script.method_roles import Role
from export.torchscript.script.module_state import StateEntry, StateSnapshot, equal_tensors
from export.torchscript.script.nn_tilde import Script

RUNS = 4
STEPS = 24
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Cache:
    """A tensor that a method changes.

    Attributes
    ----------
    entry : StateEntry
        Its place in the module.
    initial : Tensor
        Its value before the first frame.
    dtype : torch.dtype
        Its type in the script.
    rows : int or None
        Number of its first rows that the graph carries; None for all.
    """

    entry: StateEntry
    initial: Tensor
    dtype: torch.dtype
    rows: int | None = None

    @property
    def carried(self) -> Tensor:
        """The initial value in the graph, in float32."""
        return self.cut.to(torch.float32)

    @property
    def cut(self) -> Tensor:
        """The rows that are carried, in the script's type."""
        return self.initial if self.rows is None else self.initial[: self.rows]

    def inside(self, state: Tensor) -> Tensor:
        """Convert a state of the graph to the script's type."""
        return state if self.dtype == torch.float32 else state.to(self.dtype)


def detect_caches(script: Script, role: Role, frames: int = 1) -> list[Cache]:
    """Find the tensors that a method changes, by running it on random input.

    Parameters
    ----------
    script, role
        The file, and the method.
    frames : int
        Frames a call.

    Returns
    -------
    list of Cache


    Raises
    ------
    ContractError
        The method changes a number that its output depends on.
    """
    with preserved_state(script) as kept, torch.random.fork_rng(devices=[]):
        state = script.state
        changed: dict[StateEntry, int] = {}
        numbers: set[StateEntry] = set()
        for run in range(RUNS):
            before = {entry: state.get(entry).detach().clone() for entry in state.tensors}
            values = state.values()
            role.play(script, role.input(frames, seed=run))
            state.refresh()
            for entry in state.tensors:
                if entry not in before or not equal_tensors(state.get(entry), before[entry]):
                    changed[entry] = max(_changed_rows(state.get(entry), before.get(entry)), changed.get(entry, 0))
            numbers |= {s for s, v in state.values().items() if s in values and values[s] != v}
        _check_numbers(script, role, sorted(numbers, key=str))
        caches = [_cache(script, entry, kept.value(entry)) for entry in changed]
    return _trim_rows(script, role, [Cache(c.entry, c.initial, c.dtype, changed[c.entry]) for c in caches])


def warm_up(script: Script, roles: Sequence[Role]) -> None:
    """Run every method once on silence, so that tensors that are created by the first call exist."""
    for role in roles:
        with contextlib.suppress(ContractError):
            role.play(script, role.input(1, scale=0.0))
    script.state.refresh()


@contextmanager
def preserved_state(script: Script) -> Iterator[StateSnapshot]:
    """Context that restores the state of a script at its end."""
    kept = script.state.snapshot()
    try:
        yield kept
    finally:
        script.state.refresh()
        script.state.restore(kept)
        script.state.refresh()


def load_caches(script: Script, caches: list[Cache], states: list[Tensor]) -> None:
    """Set the caches of a script to the states of a graph."""
    for cache, state in zip(caches, states, strict=True):
        value = cache.inside(state)
        if cache.rows is not None:
            value = torch.cat([value, cache.initial[cache.rows :].to(value.dtype)])
        script.state.put(cache.entry, value.clone())


def _cache(script: Script, entry: StateEntry, at_load: Tensor | None) -> Cache:
    now = script.state.get(entry)
    initial = at_load if at_load is not None and at_load.shape == now.shape else torch.zeros_like(now)
    if now.is_complex():
        raise ContractError(
            f"{script.name} stores complex numbers in '{entry}', but the caches of a model file are real; "
            "store their real and imaginary parts instead."
        )
    return Cache(entry, initial.detach().clone(), now.dtype)


def _changed_rows(now: Tensor, before: Tensor | None) -> int:
    """Return the number of rows up to the last one that changed."""
    if now.dim() < 2:
        return now.shape[0] if now.dim() else 1
    if before is None or now.shape != before.shape:
        return now.shape[0]
    changed = torch.nonzero((now != before).flatten(1).any(dim=1))
    return int(changed[-1]) + 1 if len(changed) else 1


def _trim_rows(script: Script, role: Role, caches: list[Cache]) -> list[Cache]:
    """Trim caches to the rows that change, if the output stays the same: all together, otherwise one by one."""
    whole = [dataclasses.replace(cache, rows=None) for cache in caches]
    smaller = [
        k for k, c in enumerate(caches) if c.initial.dim() > 1 and c.rows is not None and c.rows < len(c.initial)
    ]
    if not smaller:
        return whole
    wanted = _render(script, role, whole)
    good = whole
    for trial in [smaller] if len(smaller) == 1 else [smaller, *([k] for k in smaller)]:
        tried = [caches[k] if k in trial else cache for k, cache in enumerate(good)]
        try:
            made = _render(script, role, tried)
        except ContractError:
            continue
        if made.shape == wanted.shape and torch.allclose(made, wanted, atol=TOLERANCE):
            good = tried
            if trial is smaller:
                break
    return good


def _render(script: Script, role: Role, caches: list[Cache]) -> Tensor:
    """Run a method with trimmed caches; the output is empty if a cache changes its shape."""
    with preserved_state(script), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for cache in caches:
            script.state.put(cache.entry, cache.cut.clone())
        made = torch.cat([role.play(script, role.input(1, seed=k)) for k in range(RUNS)], dim=2)
        stay = all(script.state.get(cache.entry).shape == cache.cut.shape for cache in caches)
        return made if stay else made[..., :0]


def _check_numbers(script: Script, role: Role, numbers: list[StateEntry]) -> None:
    """Refuse numbers that the output depends on: it differs if such a number is held constant."""
    if not numbers:
        return

    def render(held: list[StateEntry]) -> Tensor:
        with preserved_state(script), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            still = {entry: script.state.get(entry) for entry in held}
            made = []
            for k in range(STEPS):
                made.append(role.play(script, role.input(1, seed=k)))
                for entry, value in still.items():
                    script.state.put(entry, value)
            return torch.cat(made, dim=2)

    free = render([])
    for number in numbers:
        try:
            apart = float((render([number]) - free).abs().max())
        except ContractError:
            apart = float("inf")
        if not apart <= TOLERANCE:
            raise ContractError(
                f"'{role.method.name}' of {script.name} changes the number '{number}', which a graph can't carry, "
                "and its output depends on it; keep it in a tensor, and compute with that."
            )
