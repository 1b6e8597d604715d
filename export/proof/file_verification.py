"""Verification of a model file: every promise of the format and of its card, measured again."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

import numpy as np
import onnx

from export.format.card import AUDIO_IN, Card, Measured, Method, input_channels, is_bend_control, output_channels
from export.format.graph import one_frame, split
from export.format.io import load
from export.format.model_facts import weights_type
from export.proof.chunk_equality import TOLERANCE, prove, run_chunks
from export.proof.delay import measure_response
from export.proof.rest_state import run_at_rest
from export.proof.speed import real_time
from export.runtime.onnx_session import graph_errors, session

FRAMES = 64
LATENT_RANGE = 4.0  # standard deviations, the range of a fader
NOISE_PEAK = 1.0
REST_SECONDS = 2.0
UNSETTLED = 1e-3  # relative to a cache's peak, or to 1
MAX_FIRST_MOVE = 4.0  # first step at rest, relative to later steps


@dataclass(frozen=True)
class Check:
    """One promise of one method: whether it is kept, and a sentence with the findings."""

    method: str
    what: str
    holds: bool
    text: str


@dataclass(frozen=True)
class Verdict:
    """All checks of a file."""

    name: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every promise is kept."""
        return all(check.holds for check in self.checks)

    def failure(self) -> str:
        """Return the first broken promise as a sentence."""
        broken = next(check for check in self.checks if not check.holds)
        return f"{self.name} is broken: {broken.text}; don't play it, but export or convert it again."


def verify(path: str | os.PathLike[str]) -> Verdict:
    """Check values, chunks, rest state, delay and speed of every method of a model file.

    Returns
    -------
    Verdict
        Several checks a method, in the order of the card; only one for a method whose values fail, since NaN cannot be
        compared.

    Raises
    ------
    ContractError
        The file is not a model, or a graph doesn't load or run.
    """
    model, card = load(path)
    checks: list[Check] = []
    for name in card.methods:
        part = split(model, name)
        numbers = _check_numbers(part, card, name)
        checks.append(numbers)
        if numbers.holds:  # NaN can't be compared
            checks += [
                _check_chunks(model, card, name),
                _check_rest(part, card, name),
                *_check_figures(part, card, name),
            ]
    return Verdict(card.name, tuple(checks))


def _check_numbers(part: onnx.ModelProto, card: Card, name: str) -> Check:
    """Run extreme latents, or loud noise, with the controls all over their ranges."""
    method, rng = card.method(name), np.random.default_rng(0)
    loaded = session(part.SerializeToString())
    kind = "latents" if name == "decode" else "noise"
    for far in (1.0, LATENT_RANGE):
        value = rng.standard_normal((input_channels(card, name), FRAMES * (method.hop if name in AUDIO_IN else 1)))
        if name == "decode":
            value = np.array(card.latent.mean)[:, None] + far * np.array(card.latent.std)[:, None] * value
        elif name in AUDIO_IN:
            value *= far * NOISE_PEAK / LATENT_RANGE
        for k in range(3):  # controls at their minimum, maximum, random
            feeds = {f"{name}.input": value[None].astype(np.float32), **_controls(name, method, k, rng)}
            with graph_errors(name):
                output, states = run_chunks(loaded, name, method, feeds, [1] * FRAMES)
            wanted = output_channels(card, name), FRAMES * method.gives
            if output.shape[1:] != wanted:
                shapes = f"{list(output.shape[1:])} where its card says {list(wanted)}"
                return Check(name, "numbers", False, f"{name}.output of '{name}' has the shape {shapes}")
            tensors = {f"{name}.output": output} | {f"{name}.state.{i}": state for i, state in enumerate(states)}
            for tensor, found in tensors.items():
                if not np.isfinite(found).all():
                    text = (
                        f"{tensor} of '{name}' has NaN or infinity after random {kind} of {far:g} times the usual size"
                    )
                    return Check(name, "numbers", False, text)
    return Check(name, "numbers", True, f"finite with random {kind} up to {LATENT_RANGE:g} times the usual size")


def _controls(name: str, method: Method, k: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    given = {}
    for control in method.controls:
        shape = (1, control.size, FRAMES if control.per_frame else 1)
        ends = np.full(shape, control.minimum), np.full(shape, control.maximum)
        if is_bend_control(control.name):
            ends = np.full(shape, control.default), np.full(shape, control.default)
        value = ends[k] if k < len(ends) else rng.uniform(*ends)
        given[f"{name}.control.{control.name}"] = value.astype(np.float32)
    return given


def _check_chunks(model: onnx.ModelProto, card: Card, name: str) -> Check:
    alone = dataclasses.replace(card, methods={name: card.method(name)})
    with graph_errors(name):
        proof = prove(model, alone)
    if not proof.holds:
        return Check(name, "chunks", False, proof.failure().rstrip("."))
    if one_frame(model, name):
        return Check(name, "chunks", True, "it takes one frame a step, so there is only one division")
    value = max(difference.value for difference in proof.worst)
    return Check(name, "chunks", True, f"chunked equals whole within {value:.0e} ({TOLERANCE:.0e} is allowed)")


def _check_rest(part: onnx.ModelProto, card: Card, name: str) -> Check:
    """Run the method at rest: caches that move further at first than later would make a reset click."""
    method = card.method(name)
    if not method.rest:
        return Check(name, "rest", True, "no caches")
    found = run_at_rest(part, card, name, REST_SECONDS)
    peaks = [max(1.0, float(np.abs(cache).max(initial=0.0))) for cache in found.caches]
    for k, (first, later, peak) in enumerate(zip(found.first, found.later, peaks, strict=True)):
        if first > UNSETTLED * peak and first > MAX_FIRST_MOVE * later:
            text = (
                f"{name}.state.{k} of '{name}' moves by {first:.1e} in the first step from its rest state and by "
                f"{later:.1e} later, so a reset would click"
            )
            return Check(name, "rest", False, text)
    return Check(name, "rest", True, "no cache moves further at first than later")


def _check_figures(part: onnx.ModelProto, card: Card, name: str) -> list[Check]:
    """Compare delay and parity with the card; speed depends on the machine, and is only reported."""
    method, loaded = card.method(name), session(part.SerializeToString())
    with graph_errors(name):
        response, factor = measure_response(loaded, card, name), real_time(loaded, card, name)
    if response is None:
        delay = Check(name, "delay", True, "its output doesn't depend on its input")
    elif response.agrees(method.delay):
        text = (
            f"{method.delay} samples; the response to a change lasts from sample {response.begins} to {response.ends}"
        )
        delay = Check(name, "delay", True, text + (f", give or take {response.slack}" if response.slack else ""))
    else:
        delay = Check(name, "delay", False, response.contradiction(name, method.delay))
    measured = method.measured or Measured()
    beside = f" ({measured.real_time:.1f} when it was made)" if measured.real_time else ""
    checks = [delay, Check(name, "speed", True, f"{factor:.1f} times real time on one thread{beside}")]
    if measured.parity is not None:
        value, steps = measured.parity, measured.parity_steps
        text = f"{name}.output of '{name}' differed from its source by {value:.0e} over {steps} steps"
        kind = weights_type(part)
        if kind == "fp32":
            checks.append(Check(name, "parity", measured.parity <= TOLERANCE, f"{text} when it was converted"))
        else:  # the difference is due to the smaller weights
            checks.append(Check(name, "parity", True, f"{text}, with its weights as {kind}"))
    return checks
