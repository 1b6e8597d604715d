"""The delay of a method, measured by the response of its output to a small change of its input.

The input is changed by one latent frame, or by one sample. The difference that this makes to the output is the
response. It is followed in samples after the change, and counts while it is within 60 dB of its peak. Where the input
or the output comes in frames, a frame covers a whole hop, so the peak is that of the response's energy over a hop. A
causal decoder that responds at once has a delay of 0, however long it rings.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from export.format.card import AUDIO_IN, Card, Method
from export.proof.chunk_equality import random_input, run_chunks

RESPONSE_FLOOR = 1e-6  # energy relative to the peak, -60 dB
LEAD_FRAMES = 4
MAX_RESPONSE = 16_384  # samples after the change
MIN_FRAMES, MAX_FRAMES = 16, 512
LATENT_PROBES = 4
SAMPLE_PROBES = 16
IMPULSE = 0.3


@dataclass(frozen=True)
class Response:
    """The response of a method's output to a change of its input.

    Attributes
    ----------
    begins, peak, ends : int
        Samples after the change.
    slack : int
        Uncertainty in samples, where the output comes in frames.
    """

    begins: int
    peak: int
    ends: int
    slack: int = 0

    def agrees(self, delay: int) -> bool:
        """Whether the response is possible for a method with this delay."""
        return self.begins - self.slack <= delay <= self.ends + self.slack

    def contradiction(self, name: str, delay: int) -> str:
        """Describe the claim of the card and the measured response."""
        return (
            f"{name}.output lags by {delay} samples according to the card of '{name}', but it responds from sample "
            f"{self.begins} to {self.ends}, with its peak at {self.peak}"
        )


def measure_response(loaded: ort.InferenceSession, card: Card, name: str, *, seed: int = 0) -> Response | None:
    """Measure the response of a method's output to a small change of its input.

    Parameters
    ----------
    loaded : onnxruntime.InferenceSession
        The method's graph for one frame a step, from `export.runtime.onnx_session.session`.
    card, name
        The model's card, and the method.
    seed : int
        Seed of the input that is changed.

    Returns
    -------
    Response or None
        None if the output doesn't depend on the input.
    """
    method, rng = card.method(name), np.random.default_rng(seed)
    sampled = name in AUDIO_IN
    probes = SAMPLE_PROBES if sampled else LATENT_PROBES
    horizon = int(np.clip(-(-MAX_RESPONSE // method.hop), MIN_FRAMES, MAX_FRAMES))
    frames = LEAD_FRAMES + probes + horizon
    feeds = random_input(card, name, frames, rng, wander=False)
    plain = _run_frames(loaded, name, method, feeds)
    lags, energies = [], []
    for probe in range(probes):
        frame = LEAD_FRAMES + probe
        offset = probe * method.hop // probes if sampled else 0
        changed = feeds | {f"{name}.input": _perturb(feeds[f"{name}.input"], card, name, frame, offset, rng)}
        energy = np.square(_run_frames(loaded, name, method, changed) - plain).sum(axis=0)
        a_frame = len(energy) // frames
        response = energy[frame * a_frame : (frame + horizon) * a_frame]
        lags.append(np.arange(len(response)) * (method.hop // a_frame) - offset)
        energies.append(response)
    if sampled and method.output == "audio":  # sample in, samples out: exact to the sample
        aligned = [energy[-lag[0] :][: (horizon - 1) * method.hop] for lag, energy in zip(lags, energies, strict=True)]
        return _find_peak(np.arange(len(aligned[0])), np.sum(aligned, axis=0), 1, 0)
    if sampled:  # sample in, frames out: probes at different offsets interleave
        order = np.argsort(np.concatenate(lags), kind="stable")
        found = _find_peak(np.concatenate(lags)[order], np.concatenate(energies)[order], probes, method.hop)
        return None if found is None else dataclasses.replace(found, peak=found.peak + method.hop // 2)
    in_a_hop = method.gives
    return _find_peak(lags[0], np.sum(energies, axis=0), in_a_hop, 0)


def _find_peak(lags: np.ndarray, energy: np.ndarray, in_a_hop: int, slack: int) -> Response | None:
    """Find where a response begins, where its energy over a hop peaks, and where it ends."""
    top = float(energy.max(initial=0.0))
    if not 0.0 < top < np.inf:
        return None
    audible = np.flatnonzero(energy > RESPONSE_FLOOR * top)
    sums = np.concatenate([[0.0], np.cumsum(energy, dtype=np.float64)])
    over = sums[in_a_hop:] - sums[:-in_a_hop]
    peak = int(np.argmax(over > (1 - 1e-6) * over.max()))  # the first of equals, up to rounding
    return Response(int(lags[audible[0]]), int(lags[peak]), int(lags[audible[-1]]), slack)


def _perturb(given: np.ndarray, card: Card, name: str, frame: int, offset: int, rng: np.random.Generator) -> np.ndarray:
    """Change one sample, or one frame by a standard deviation in every dimension, up or down."""
    changed = given.copy()
    if name in AUDIO_IN:
        changed[0, :, frame * card.method(name).hop + offset] += IMPULSE
    else:
        size = np.array(card.latent.std, np.float32) if name == "decode" else np.ones(given.shape[1], np.float32)
        changed[0, :, frame] += size * rng.choice(np.array([-1, 1], np.float32), given.shape[1])
    return changed


def _run_frames(loaded: ort.InferenceSession, name: str, method: Method, feeds: dict[str, np.ndarray]) -> np.ndarray:
    frames = feeds[f"{name}.input"].shape[2] // (method.hop if name in AUDIO_IN else 1)
    output, _ = run_chunks(loaded, name, method, feeds, [1] * frames)
    return np.asarray(output[0], np.float64)
