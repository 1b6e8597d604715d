"""What a method remembers, found by what it does rather than by how it is named.

A tensor that changes when the method runs is a cache. A number that changes is one too, but no graph can carry it:
where the sound hangs on it the model is refused. Files of the nn~ kind keep caches for 64 voices of which one is
played; where only the first row ever changes, only that is kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from export.contract import ContractError
from export.nn_tilde import Script
from export.roles import Role
from export.slots import Kept, Slot, same

RUNS = 4
STEPS = 24
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Cache:
    """A tensor that a method changes: where it lies, what it holds before the first frame, and how it is carried.

    `first_row` says that the graph carries the first row of it alone.
    """

    slot: Slot
    initial: Tensor
    dtype: torch.dtype
    first_row: bool = False

    @property
    def carried(self) -> Tensor:
        """What the graph starts from: float32, as all in a model file."""
        return (self.initial[:1] if self.first_row else self.initial).to(torch.float32)

    def inside(self, state: Tensor) -> Tensor:
        """Give a state as the script wants it."""
        return state if self.dtype == torch.float32 else state.to(self.dtype)


def find(script: Script, role: Role, frames: int = 1) -> list[Cache]:
    """Run a method on random input, `frames` at once, and give what it changed.

    Raises
    ------
    ContractError
        It changes a number that its output hangs on.
    """
    with untouched(script) as kept, torch.random.fork_rng(devices=[]):
        slots = script.slots
        changed: dict[Slot, bool] = {}
        numbers: set[Slot] = set()
        for run in range(RUNS):
            before = {slot: slots.get(slot).detach().clone() for slot in slots.tensors}
            values = slots.values()
            role.play(script, role.input(frames, seed=run))
            slots.refresh()
            for slot in slots.tensors:
                if slot not in before or not same(slots.get(slot), before[slot]):
                    changed[slot] = _one_row(slots.get(slot), before.get(slot)) and changed.get(slot, True)
            numbers |= {s for s, v in slots.values().items() if s in values and values[s] != v}
        _refuse_numbers(script, role, sorted(numbers, key=str))
        caches = [_cache(script, slot, kept.value(slot)) for slot in changed]
    cut = [slot for slot, one_row in changed.items() if one_row]
    return _cut(script, role, caches, cut)


def warm(script: Script, roles: Sequence[Role]) -> None:
    """Let every method run once on silence, so that what is made at the first call is there."""
    for role in roles:
        with contextlib.suppress(ContractError):
            role.play(script, role.input(1, scale=0.0))
    script.slots.refresh()


@contextmanager
def untouched(script: Script) -> Iterator[Kept]:
    """Bring back all that a script kept before."""
    kept = script.slots.snapshot()
    try:
        yield kept
    finally:
        script.slots.refresh()
        script.slots.restore(kept)
        script.slots.refresh()


def start(script: Script, caches: list[Cache], states: list[Tensor]) -> None:
    """Let a script stand where its graph stands."""
    for cache, state in zip(caches, states, strict=True):
        value = cache.inside(state)
        if cache.first_row:
            value = torch.cat([value, cache.initial[1:].to(value.dtype)])
        script.slots.put(cache.slot, value.clone())


def _cache(script: Script, slot: Slot, at_load: Tensor | None) -> Cache:
    now = script.slots.get(slot)
    initial = at_load if at_load is not None and at_load.shape == now.shape else torch.zeros_like(now)
    if now.is_complex():
        raise ContractError(
            f"{script.name} keeps complex numbers in '{slot}', and a model file carries real ones; "
            "let the model keep their real and imaginary parts."
        )
    return Cache(slot, initial.detach().clone(), now.dtype)


def _one_row(now: Tensor, before: Tensor | None) -> bool:
    if before is None or now.shape != before.shape or now.dim() < 2 or now.shape[0] < 2:
        return False
    return bool(torch.equal(now[1:], before[1:]))


def _cut(script: Script, role: Role, caches: list[Cache], slots: list[Slot]) -> list[Cache]:
    """Keep the first row alone where the method works with it as with all, tried together and then one by one."""
    if not slots:
        return caches
    trials = [slots] if len(slots) == 1 else [slots, *([slot] for slot in slots)]
    whole = _render(script, role, caches, set())
    good: set[Slot] = set()
    for trial in trials:
        wanted = good | set(trial)
        try:
            cut = _render(script, role, caches, wanted)
        except ContractError:
            continue
        if cut.shape == whole.shape and torch.allclose(cut, whole, atol=TOLERANCE):
            good = wanted
            if trial is slots:
                break
    return [Cache(c.slot, c.initial, c.dtype, c.slot in good) for c in caches]


def _render(script: Script, role: Role, caches: list[Cache], cut: set[Slot]) -> Tensor:
    with untouched(script), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for cache in caches:
            first = cache.initial[:1] if cache.slot in cut else cache.initial
            script.slots.put(cache.slot, first.clone())
        made = torch.cat([role.play(script, role.input(1, seed=k)) for k in range(RUNS)], dim=2)
        for cache in caches:
            if cache.slot in cut and script.slots.get(cache.slot).shape[0] != 1:
                return made[..., :0]
        return made


def _refuse_numbers(script: Script, role: Role, numbers: list[Slot]) -> None:
    """Run on with a number held still: what it changes says whether the sound hangs on it."""
    if not numbers:
        return

    def render(held: list[Slot]) -> Tensor:
        with untouched(script), torch.random.fork_rng(devices=[]):
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
