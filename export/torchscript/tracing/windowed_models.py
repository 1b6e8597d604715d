"""Models without caches, played so that they don't click.

Such a model pads what it is given at both ends, so each call begins anew. It is given more than the frame that is
wanted: frames before it and, where it looks ahead, frames after it, and all but the wanted frame is thrown away. How
far it reaches is measured. Where the window holds all of that, the sound is the offline render's own, later by the
frames ahead. Where the reach is longer than a step can afford, the estimates that two successive windows make of the
same frame are crossed over into each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from export.torchscript.script.detect_state import preserved_state
from export.torchscript.script.nn_tilde import Script
from export.torchscript.script.roles import Role
from export.torchscript.tracing.noise import Draw
from export.torchscript.tracing.randomness import DrawShapes, NoiseSubstitution
from export.torchscript.tracing.recorder import NoisePlan

TOLERANCE = 1e-6
CHUNK_TOLERANCE = 1e-5
PROBE_FRAMES = 48  # frames on either side of the one that is disturbed
MAX_EXACT_FRAMES = 24  # frames a window may hold and still be exact
MAX_BEHIND, MAX_AHEAD = 12, 2  # frames that it holds otherwise


@dataclass(frozen=True)
class Window:
    """How many frames before and after the wanted one a step looks at.

    `exact` says that this is all that the model reaches; `reach` is what was measured, None for further than probed.
    """

    behind: int
    ahead: int
    exact: bool
    reach: tuple[int, int] | None

    @property
    def frames(self) -> int:
        """Frames in a window."""
        return self.behind + 1 + self.ahead

    def states(self, role: Role) -> list[Tensor]:
        """Give what is carried before the first frame: the frames before it and, to cross over from, an estimate."""
        past = [torch.zeros(1, role.in_channels, (self.frames - 1) * role.given)]
        return past if self.exact else [*past, torch.zeros(1, role.channels, role.made)]

    def step(self, script: Script, role: Role, given: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        """Make one frame: the output and the states after it."""
        whole = torch.cat([states[0], given], dim=2)
        made = role.play(script, whole)
        begin = self.behind * role.made
        output = made[:, :, begin : begin + role.made]
        following = whole[:, :, role.given :]
        if self.exact:
            return [output, following]
        fade = 0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(role.made) + 0.5) / role.made)
        estimate = made[:, :, begin + role.made : begin + 2 * role.made]
        return [states[1] + fade * (output - states[1]), following, estimate]


def chunk_difference(script: Script, role: Role, frames: int = 8) -> float:
    """How much several frames at once differ from one after the other, noise held at its mean."""
    given = role.input(frames, seed=7)
    with noise_at_mean():
        whole = _apart(script, role, [given])
        parts = _apart(script, role, list(torch.split(given, role.given, dim=2)))
    return _relative(parts, whole)


def measure_window(script: Script, role: Role) -> Window:
    """Disturb one frame, and see how far before and after it the output changes.

    Raises
    ------
    ContractError
        The method fails on many frames at once.
    """
    length = 2 * PROBE_FRAMES + 1
    calm = role.input(length, seed=11)
    behind = ahead = 0
    with noise_at_mean():
        plain = role.play(script, calm)
        for trial in range(3):
            turned = calm.clone()
            at = slice(PROBE_FRAMES * role.given, (PROBE_FRAMES + 1) * role.given)
            turned[:, :, at] = role.input(1, seed=100 + trial, scale=2.0)
            apart = (role.play(script, turned) - plain).abs().amax(dim=(0, 1)).reshape(length, role.made).amax(dim=1)
            touched = torch.nonzero(apart > TOLERANCE * max(1.0, float(plain.abs().max()))).flatten()
            if len(touched):
                behind = max(behind, int(touched[-1]) - PROBE_FRAMES)
                ahead = max(ahead, PROBE_FRAMES - int(touched[0]))
    known = behind < PROBE_FRAMES and ahead < PROBE_FRAMES
    if known and behind + 1 + ahead <= MAX_EXACT_FRAMES:
        return Window(behind, ahead, exact=True, reach=(behind, ahead))
    return Window(
        min(behind, MAX_BEHIND), min(max(ahead, 1), MAX_AHEAD), not role.audio_out, (behind, ahead) if known else None
    )


def plan_noise(script: Script, role: Role, frames: int) -> tuple[NoisePlan | None, int]:
    """What a window draws for one of its frames, and along which axis they follow; frames of noise it needs.

    Where what is drawn doesn't grow with the window, all of it is drawn anew each step.
    """
    some, more = (_draws(script, role, count) for count in (frames, frames + 1))
    found: NoisePlan = []
    for a, b in zip(some, more, strict=False):
        grown = [k for k, (m, n) in enumerate(zip(a.shape, b.shape, strict=False)) if m != n]
        if len(a.shape) != len(b.shape) or len(grown) != 1:
            return None, 1
        axis = grown[0]
        one = b.shape[axis] - a.shape[axis]
        if a.shape[axis] != frames * one:
            return None, 1
        found.append((Draw(a.kind, (*a.shape[:axis], one, *a.shape[axis + 1 :])), axis))
    return (found, frames) if len(some) == len(more) else (None, 1)


def warning(role: Role, window: Window) -> str:
    """Say what it means to play such a model."""
    delay = window.ahead * role.hop
    reach = "further than could be measured"
    if window.reach is not None:
        reach = f"{window.reach[0]} frames back and {window.reach[1]} ahead"
    how = "so it sounds as rendered in one piece" if window.exact else "and windows are crossed over into each other"
    return (
        f"'{role.method.name}' was exported without caches and would click at every call: it reaches {reach}, is "
        f"played with {window.behind} frames before and {window.ahead} after each, {how}, {delay} samples late and at "
        f"{window.frames} times the cost; export it with streaming on if you can."
    )


def noise_at_mean() -> NoiseSubstitution:
    """Hold what a script draws at its mean."""
    return NoiseSubstitution([], 0, 0, 1, amount=0.0)


def _draws(script: Script, role: Role, frames: int) -> list[Draw]:
    with DrawShapes() as shapes:
        role.play(script, role.input(frames))
    return shapes.draws


def _apart(script: Script, role: Role, parts: list[Tensor]) -> Tensor:
    with preserved_state(script):
        return torch.cat([role.play(script, part) for part in parts], dim=2)


def _relative(found: Tensor, wanted: Tensor) -> float:
    gap = float((found - wanted).abs().max()) / max(1.0, float(wanted.abs().max()))
    return float("inf") if math.isnan(gap) else gap
