"""The law of the model file, measured: chunked equals whole.

The same input is run through the graph in one piece and in many divisions into chunks, with the caches carried over.
The outputs and the last caches must agree. A graph that takes exactly one frame a step allows one division only, so
only its values and its shape are checked. Every exporter runs this before it writes a file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort

from export.format.card import AUDIO_IN, Card, Method, input_channels, is_bend_control, output_channels
from export.format.graph import one_frame, split

TOLERANCE = 1e-5
FRAMES = 96
CHUNK_SIZES = (1, 7, 32)
RANDOM_DIVISIONS = 3
BEND_SHARE = 0.25  # share of the range of bends; with all of them further out, networks output NaN


@dataclass(frozen=True)
class Difference:
    """The largest difference that a division into chunks makes to a tensor of a method.

    Attributes
    ----------
    method, tensor : str
        Where it was found.
    cut : str
        The division, for people.
    value : float
        Absolute difference, relative if the peak is above 1.
    at : int
        The frame.
    """

    method: str
    tensor: str
    cut: str
    value: float
    at: int


@dataclass(frozen=True)
class Proof:
    """The largest difference in each method."""

    worst: tuple[Difference, ...]
    tolerance: float = TOLERANCE

    @property
    def holds(self) -> bool:
        """Whether every division agrees with the whole."""
        return all(d.value <= self.tolerance for d in self.worst)

    def failure(self) -> str:
        """Describe the largest difference in a sentence."""
        worst = max(self.worst, key=lambda d: d.value)
        return (
            f"{worst.tensor} of '{worst.method}' differs by {worst.value:.1e} at frame {worst.at} when the input is "
            f"{worst.cut}, and {self.tolerance:.0e} is allowed; a cache is missing, or a layer looks ahead."
        )


def prove(model: onnx.ModelProto, card: Card, *, seed: int = 0, frames: int = FRAMES) -> Proof:
    """Compare every method of a model under fixed and random divisions of its input.

    Parameters
    ----------
    model, card
        A whole model.
    seed : int
        Seed of the random input.
    frames : int
        Length of the input.

    Returns
    -------
    Proof
    """
    rng = np.random.default_rng(seed)
    return Proof(tuple(_largest_difference(name, split(model, name), card, rng, frames) for name in card.methods))


def _largest_difference(
    name: str, model: onnx.ModelProto, card: Card, rng: np.random.Generator, frames: int
) -> Difference:
    method = card.method(name)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = random_input(card, name, frames, rng)
    one_frame_only = one_frame(model, name)
    whole, states = run_chunks(session, name, method, feeds, [1] * frames if one_frame_only else [frames])
    cuts = {} if one_frame_only else {f"cut into chunks of {size}": _even_chunks(frames, size) for size in CHUNK_SIZES}
    if not one_frame_only:
        cuts |= {f"cut at random ({k + 1})": _random_chunks(frames, rng) for k in range(RANDOM_DIVISIONS)}
    worst = Difference(name, f"{name}.output", "whole", 0.0, 0)
    if not np.isfinite(whole).all():
        return Difference(name, f"{name}.output", "whole", float("inf"), int(np.argmin(np.isfinite(whole).all((0, 1)))))
    per_frame = whole.shape[2] // frames
    if whole.shape[1:] != (output_channels(card, name), frames * method.gives):
        return Difference(name, f"{name}.output", f"whole (it gives {list(whole.shape)})", float("inf"), 0)
    for label, sizes in cuts.items():
        chunked, last = run_chunks(session, name, method, feeds, sizes)
        pairs = {f"{name}.output": (whole, chunked)}
        pairs |= {f"{name}.state.{k}": pair for k, pair in enumerate(zip(states, last, strict=True))}
        for tensor, (a, b) in pairs.items():
            gap = np.abs(a - b) / max(1.0, float(np.abs(a).max(initial=0.0)))
            value = float(np.nan_to_num(gap, nan=np.inf).max(initial=0.0))
            if value > worst.value:
                at = int(gap.max(axis=(0, 1)).argmax()) // per_frame if tensor.endswith("output") else frames
                worst = Difference(name, tensor, label, value, at)
    return worst


def run_chunks(
    session: ort.InferenceSession, name: str, method: Method, feeds: dict[str, np.ndarray], sizes: list[int]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Run a method over its input in chunks of `sizes` frames, from its rest state.

    Returns
    -------
    output : np.ndarray [shape=(1, channels, frames * samples per frame)]
    states : list of np.ndarray
        The caches after the last chunk.
    """
    states = [np.array(rest) for rest in method.rest]
    chunks, begin = [], 0
    for size in sizes:
        part = {key: _slice(key, value, begin, size, name, method) for key, value in feeds.items()}
        part |= {f"{name}.state.{k}": state for k, state in enumerate(states)}
        wanted = [f"{name}.output", *(f"{name}.state.{k}.next" for k in range(len(states)))]
        output, *states = session.run(wanted, part)
        chunks.append(output)
        begin += size
    return np.concatenate(chunks, axis=2), states


def _slice(key: str, value: np.ndarray, begin: int, size: int, name: str, method: Method) -> np.ndarray:
    per_frame = method.hop if key == f"{name}.input" and name in AUDIO_IN else 1
    if key.startswith(f"{name}.control.") and value.shape[2] == 1:
        return value
    return value[:, :, begin * per_frame : (begin + size) * per_frame]


def random_input(
    card: Card, name: str, frames: int, rng: np.random.Generator, *, wander: bool = True
) -> dict[str, np.ndarray]:
    """Make random input for a method: latents as in training, or noise.

    Parameters
    ----------
    card, name
        The model's card, and the method.
    frames : int
        Length of the input.
    rng
        Random generator.
    wander : bool
        Draw the controls from their ranges frame by frame, instead of keeping their defaults.

    Returns
    -------
    dict of str to np.ndarray
        By the names of the graph's inputs, without the caches.
    """
    method = card.method(name)
    if name in AUDIO_IN:
        value = 0.1 * rng.standard_normal((input_channels(card, name), frames * method.hop))
    else:
        value = rng.standard_normal((input_channels(card, name), frames))
    if name == "decode":
        value = np.array(card.latent.mean)[:, None] + np.array(card.latent.std)[:, None] * value
    feeds = {f"{name}.input": value[None].astype(np.float32)}
    for control in method.controls:
        length = frames if control.per_frame else 1
        share = (BEND_SHARE if is_bend_control(control.name) else 1.0) if wander else 0.0
        low, high = (control.default + share * (edge - control.default) for edge in (control.minimum, control.maximum))
        values = rng.uniform(low, high, (1, control.size, length))
        feeds[f"{name}.control.{control.name}"] = values.astype(np.float32)
    return feeds


def _even_chunks(frames: int, size: int) -> list[int]:
    return [size] * (frames // size) + ([frames % size] if frames % size else [])


def _random_chunks(frames: int, rng: np.random.Generator) -> list[int]:
    edges = np.sort(rng.choice(np.arange(1, frames), size=frames // 8, replace=False))
    return [int(size) for size in np.diff([0, *edges, frames])]
