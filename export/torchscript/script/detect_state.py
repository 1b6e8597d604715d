"""What a method remembers, found by what it does rather than by how it is named.

A tensor that changes when the method runs is a cache. A number that changes is one too, but no graph can carry it:
where the sound hangs on it the model is refused. Files of the nn~ kind keep caches for 64 voices of which one is
played, or two; only the rows that ever change are kept.
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
from export.torchscript.script.module_state import StateEntry, StateSnapshot, equal_tensors
from export.torchscript.script.nn_tilde import Script
from export.torchscript.script.roles import Role

RUNS = 4
STEPS = 24
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Cache:
    """A tensor that a method changes: where it lies, what it holds before the first frame, and how it is carried.

    `rows` says how many of its first rows the graph carries; None for all.
    """

    slot: StateEntry
    initial: Tensor
    dtype: torch.dtype
    rows: int | None = None

    @property
    def carried(self) -> Tensor:
        """What the graph starts from: float32, as all in a model file."""
        return self.cut.to(torch.float32)

    @property
    def cut(self) -> Tensor:
        """What of it is carried, as the script has it."""
        return self.initial if self.rows is None else self.initial[: self.rows]

    def inside(self, state: Tensor) -> Tensor:
        """Give a state as the script wants it."""
        return state if self.dtype == torch.float32 else state.to(self.dtype)


def detect_caches(script: Script, role: Role, frames: int = 1) -> list[Cache]:
    """Run a method on random input, `frames` at once, and give what it changed.

    Raises
    ------
    ContractError
        It changes a number that its output hangs on.
    """
    with preserved_state(script) as kept, torch.random.fork_rng(devices=[]):
        slots = script.slots
        changed: dict[StateEntry, int] = {}
        numbers: set[StateEntry] = set()
        for run in range(RUNS):
            before = {slot: slots.get(slot).detach().clone() for slot in slots.tensors}
            values = slots.values()
            role.play(script, role.input(frames, seed=run))
            slots.refresh()
            for slot in slots.tensors:
                if slot not in before or not equal_tensors(slots.get(slot), before[slot]):
                    changed[slot] = max(_changed_rows(slots.get(slot), before.get(slot)), changed.get(slot, 0))
            numbers |= {s for s, v in slots.values().items() if s in values and values[s] != v}
        _check_numbers(script, role, sorted(numbers, key=str))
        caches = [_cache(script, slot, kept.value(slot)) for slot in changed]
    return _trim_rows(script, role, [Cache(c.slot, c.initial, c.dtype, changed[c.slot]) for c in caches])


def warm_up(script: Script, roles: Sequence[Role]) -> None:
    """Let every method run once on silence, so that what is made at the first call is there."""
    for role in roles:
        with contextlib.suppress(ContractError):
            role.play(script, role.input(1, scale=0.0))
    script.slots.refresh()


@contextmanager
def preserved_state(script: Script) -> Iterator[StateSnapshot]:
    """Bring back all that a script kept before."""
    kept = script.slots.snapshot()
    try:
        yield kept
    finally:
        script.slots.refresh()
        script.slots.restore(kept)
        script.slots.refresh()


def load_caches(script: Script, caches: list[Cache], states: list[Tensor]) -> None:
    """Let a script stand where its graph stands."""
    for cache, state in zip(caches, states, strict=True):
        value = cache.inside(state)
        if cache.rows is not None:
            value = torch.cat([value, cache.initial[cache.rows :].to(value.dtype)])
        script.slots.put(cache.slot, value.clone())


def _cache(script: Script, slot: StateEntry, at_load: Tensor | None) -> Cache:
    now = script.slots.get(slot)
    initial = at_load if at_load is not None and at_load.shape == now.shape else torch.zeros_like(now)
    if now.is_complex():
        raise ContractError(
            f"{script.name} keeps complex numbers in '{slot}', and a model file carries real ones; "
            "let the model keep their real and imaginary parts."
        )
    return Cache(slot, initial.detach().clone(), now.dtype)


def _changed_rows(now: Tensor, before: Tensor | None) -> int:
    """Count the rows up to the last that changed."""
    if now.dim() < 2:
        return now.shape[0] if now.dim() else 1
    if before is None or now.shape != before.shape:
        return now.shape[0]
    changed = torch.nonzero((now != before).flatten(1).any(dim=1))
    return int(changed[-1]) + 1 if len(changed) else 1


def _trim_rows(script: Script, role: Role, caches: list[Cache]) -> list[Cache]:
    """Keep only the rows that change where the method works with them as with all, tried together, then one by one."""
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
    """Run a method with its caches cut as they say; empty where one doesn't stay so."""
    with preserved_state(script), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for cache in caches:
            script.slots.put(cache.slot, cache.cut.clone())
        made = torch.cat([role.play(script, role.input(1, seed=k)) for k in range(RUNS)], dim=2)
        stay = all(script.slots.get(cache.slot).shape == cache.cut.shape for cache in caches)
        return made if stay else made[..., :0]


def _check_numbers(script: Script, role: Role, numbers: list[StateEntry]) -> None:
    """Run on with a number held still: what it changes says whether the sound hangs on it."""
    if not numbers:
        return

    def render(held: list[StateEntry]) -> Tensor:
        with preserved_state(script), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            still = {slot: script.slots.get(slot) for slot in held}
            made = []
            for k in range(STEPS):
                made.append(role.play(script, role.input(1, seed=k)))
                for slot, value in still.items():
                    script.slots.put(slot, value)
            return torch.cat(made, dim=2)

    free = render([])
    for number in numbers:
        try:
            apart = float((render([number]) - free).abs().max())
        except ContractError:
            apart = float("inf")
        if not apart <= TOLERANCE:
            raise ContractError(
                f"'{role.method.name}' of {script.name} counts in the number '{number}', which a graph cannot carry, "
                "and its output hangs on it; keep it in a tensor, and compute with that."
            )
