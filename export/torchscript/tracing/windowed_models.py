"""Models without caches, run over a sliding window so that they don't click.

Such a model pads its input at both ends, so each call starts anew. It gets a window: the current frame with frames
before it and, if it looks ahead, frames after it; only the output of the current frame is used. Its reach is measured.
If the window contains the whole reach, the sound equals that of an offline render, delayed by the frames ahead. If the
reach is too long for a step, the outputs of successive windows for the same frame are crossfaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from export.torchscript.script.detect_state import preserved_state
from export.torchscript.script.method_roles import Role
from export.torchscript.script.nn_tilde import Script
from export.torchscript.tracing.operator_recorder import NoisePlan
from export.torchscript.tracing.random_operators import DrawShapes, NoiseSubstitution
from export.torchscript.tracing.repeatable_noise import Draw

TOLERANCE = 1e-6
CHUNK_TOLERANCE = 1e-5
PROBE_FRAMES = 48  # frames on either side of the perturbed one
MAX_EXACT_FRAMES = 24  # of an exact window
MAX_BEHIND, MAX_AHEAD = 12, 2  # frames of other windows


@dataclass(frozen=True)
class Window:
    """The window of a step around the current frame.

    Attributes
    ----------
    behind, ahead : int
        Frames before and after the current one.
    exact : bool
        Whether the window contains the model's whole reach.
    reach : tuple of int or None
        Measured reach before and after, in frames; None if it is longer than could be measured.
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
        """Return the initial states: the previous input and, for a crossfade, the previous window's output."""
        past = [torch.zeros(1, role.in_channels, (self.frames - 1) * role.input_length)]
        return past if self.exact else [*past, torch.zeros(1, role.channels, role.output_length)]

    def step(self, script: Script, role: Role, given: Tensor, states: Sequence[Tensor]) -> list[Tensor]:
        """Process one frame; return the output and the next states."""
        whole = torch.cat([states[0], given], dim=2)
        made = role.play(script, whole)
        begin = self.behind * role.output_length
        output = made[:, :, begin : begin + role.output_length]
        following = whole[:, :, role.input_length :]
        if self.exact:
            return [output, following]
        fade = 0.5 - 0.5 * torch.cos(torch.pi * (torch.arange(role.output_length) + 0.5) / role.output_length)
        estimate = made[:, :, begin + role.output_length : begin + 2 * role.output_length]
        return [states[1] + fade * (output - states[1]), following, estimate]


def chunk_difference(script: Script, role: Role, frames: int = 8) -> float:
    """Return the difference between several frames in one call and in several calls, with noise at its mean."""
    given = role.input(frames, seed=7)
    with noise_at_mean():
        whole = _apart(script, role, [given])
        parts = _apart(script, role, list(torch.split(given, role.input_length, dim=2)))
    return _relative(parts, whole)


def measure_window(script: Script, role: Role) -> Window:
    """Measure the reach of a method by perturbing one frame, and choose a window for it.

    Returns
    -------
    Window
        The whole reach if that is known and at most `MAX_EXACT_FRAMES` long. Otherwise at most `MAX_BEHIND` frames
        before and 1 to `MAX_AHEAD` after; audio is then crossfaded from window to window.

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
            at = slice(PROBE_FRAMES * role.input_length, (PROBE_FRAMES + 1) * role.input_length)
            turned[:, :, at] = role.input(1, seed=100 + trial, scale=2.0)
            apart = (
                (role.play(script, turned) - plain)
                .abs()
                .amax(dim=(0, 1))
                .reshape(length, role.output_length)
                .amax(dim=1)
            )
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
    """Plan the noise of a window.

    Returns
    -------
    plan : list of (Draw, int) or None
        The draws for one frame, with the axis of the frames. None if the draws don't grow with the window; they are
        drawn anew each step then.
    frames : int
        Frames of noise a step.
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
    """Describe the delay and the cost of the window for the player."""
    delay = window.ahead * role.hop
    reach = "further than can be measured"
    if window.reach is not None:
        reach = f"{window.reach[0]} frames back and {window.reach[1]} ahead"
    how = "so it sounds as rendered in one piece" if window.exact else "and successive windows are crossfaded"
    return (
        f"'{role.method.name}' was exported without caches and would click at every call: it reaches {reach}, is "
        f"played with {window.behind} frames before and {window.ahead} after each, {how}, {delay} samples late and at "
        f"{window.frames} times the cost; export it with streaming on if you can."
    )


def noise_at_mean() -> NoiseSubstitution:
    """Dispatch mode that holds the noise of a script at its mean."""
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
