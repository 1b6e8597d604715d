"""Reproducible noise: the same numbers for the same seed and frame, in NumPy and as ONNX nodes.

A script draws from a hidden generator, but a model file has no hidden state. So the noise is counter-based: each number
is a hash of the seed, of the count of the frame and of its own index. The hash is two rounds of xor-shift and multiply,
then converted to a 24-bit uniform, or to normals by the Box-Muller transform. The arithmetic is 32-bit, in 64-bit
integers, so that no product overflows.

References
----------
C. Wellons, "Hash function prospector", 2018, https://github.com/skeeto/hash-prospector (constants with low bias).
G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", Annals of Mathematical
Statistics 29(2), 1958.
J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11, 2011 (counter-based generators).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Kind = Literal["normal", "uniform"]
COUNTER_PERIOD = 1 << 24  # float32 represents all integers up to here
SEEDS = 65_536
_WORD = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9
_ROUNDS = ((16, 0x21F0AAAD), (15, 0x735A2D97))
_LAST_SHIFT = 15
AMOUNT, SEED = "noise", "noise.seed"


@dataclass(frozen=True)
class Draw:
    """A random draw in a method: its distribution, and its shape for one frame."""

    kind: Kind
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def words(self) -> int:
        """Number of hashes; normals are drawn in pairs, from two hashes each pair."""
        return self.size if self.kind == "uniform" else 2 * ((self.size + 1) // 2)


def draw_numbers(draws: Sequence[Draw], seed: int, count: int, amount: float = 1.0) -> list[np.ndarray]:
    """Draw the numbers of one frame.

    Parameters
    ----------
    draws
        In the order of the model.
    seed, count
        The sequence, and the frame in it.
    amount
        Factor of the deviation from the mean.

    Returns
    -------
    list of np.ndarray [shape=(draw.size,)], float32
    """
    words = sum(draw.words for draw in draws)
    key = _hash(_hash(np.array([seed + _GOLDEN], np.int64)) ^ np.int64(count % COUNTER_PERIOD))
    hashed = _hash(key ^ _index_words(words)) // 256
    parts, begin = [], 0
    for draw in draws:
        own = hashed[begin : begin + draw.words]
        begin += draw.words
        if draw.kind == "uniform":
            uniform = own.astype(np.float32) / np.float32(COUNTER_PERIOD)
            parts.append((np.float32(0.5) + (uniform - np.float32(0.5)) * np.float32(amount)).astype(np.float32))
            continue
        half = draw.words // 2
        radius = np.sqrt(np.float32(-2) * np.log((own[:half] + 1).astype(np.float32) / np.float32(COUNTER_PERIOD)))
        angle = own[half:].astype(np.float32) * np.float32(2 * math.pi / COUNTER_PERIOD)
        normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[: draw.size]
        parts.append((normal * np.float32(amount)).astype(np.float32))
    return parts


def noise_nodes(draws: Sequence[Draw], outputs: Sequence[str], method: str, counter: str, frames: int) -> NoiseNodes:
    """Make the ONNX nodes that draw the numbers of the last `frames` frames, up to the current count.

    Parameters
    ----------
    draws, outputs
        The draws, and the names of their tensors [shape=(frames, draw.size)].
    method
        Prefix of the tensors' names; the controls `noise` and `noise.seed` belong to it.
    counter
        Name of the cache with the frame count [shape=(1,)].
    frames
        Frames of noise a step.

    Returns
    -------
    NoiseNodes
    """
    graph = _NodeBuilder(f"{method}.noise")
    words = sum(draw.words for draw in draws)
    seed = graph.add("Cast", graph.add("Round", f"{method}.control.{SEED}"), to=TensorProto.INT64)
    seed = graph.add("Reshape", graph.add("Max", seed, graph.integer(0)), graph.integers([1, 1]))
    back = graph.constant(np.arange(COUNTER_PERIOD - frames + 1, COUNTER_PERIOD + 1, dtype=np.int64)[:, None])
    count = graph.add("Cast", graph.add("Reshape", counter, graph.integers([1, 1])), to=TensorProto.INT64)
    count = graph.add("Mod", graph.add("Add", count, back), graph.integer(COUNTER_PERIOD))
    key = graph.hashed(graph.add("BitwiseXor", graph.hashed(graph.add("Add", seed, graph.integer(_GOLDEN))), count))
    indices = graph.constant(_index_words(words)[None])
    hashed = graph.add("Div", graph.hashed(graph.add("BitwiseXor", key, indices)), graph.integer(256))
    amount = graph.add("Reshape", f"{method}.control.{AMOUNT}", graph.integers([1, 1]))
    begin = 0
    for draw, output in zip(draws, outputs, strict=True):
        if draw.kind == "uniform":
            own = graph.columns(hashed, begin, begin + draw.words)
            uniform = graph.add("Mul", graph.add("Cast", own, to=TensorProto.FLOAT), graph.number(1 / COUNTER_PERIOD))
            centred = graph.add("Mul", graph.add("Sub", uniform, graph.number(0.5)), amount)
            graph.add("Add", centred, graph.number(0.5), output=output)
        else:
            half = draw.words // 2
            first = graph.add("Add", graph.columns(hashed, begin, begin + half), graph.integer(1))
            first = graph.add("Mul", graph.add("Cast", first, to=TensorProto.FLOAT), graph.number(1 / COUNTER_PERIOD))
            radius = graph.add("Sqrt", graph.add("Mul", graph.add("Log", first), graph.number(-2)))
            second = graph.add("Cast", graph.columns(hashed, begin + half, begin + draw.words), to=TensorProto.FLOAT)
            angle = graph.add("Mul", second, graph.number(2 * math.pi / COUNTER_PERIOD))
            pair = [graph.add("Mul", radius, graph.add(turn, angle)) for turn in ("Cos", "Sin")]
            normal = graph.add("Concat", *pair, axis=1)
            graph.add("Mul", graph.columns(normal, 0, draw.size), amount, output=output)
        begin += draw.words
    following = graph.add("Add", graph.add("Cast", counter, to=TensorProto.INT64), graph.integer(1))
    following = graph.add("Mod", following, graph.integer(COUNTER_PERIOD))
    graph.add("Cast", following, to=TensorProto.FLOAT, output=f"{counter}.next")
    return NoiseNodes(graph.nodes, graph.weights)


@dataclass(frozen=True)
class NoiseNodes:
    """Nodes and constants that draw a model's noise."""

    nodes: list[onnx.NodeProto]
    weights: list[onnx.TensorProto]


class _NodeBuilder:
    """Builds nodes and constants with unique names."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: int) -> str:
        name = f"{self.prefix}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output or name], name=name, **attributes))  # type: ignore[arg-type]
        return output or name

    def constant(self, value: np.ndarray) -> str:
        name = f"{self.prefix}.constant.{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def integer(self, value: int) -> str:
        return self.constant(np.array(value, np.int64))

    def integers(self, values: list[int]) -> str:
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def columns(self, tensor: str, begin: int, end: int) -> str:
        return self.add("Slice", tensor, *(self.integers([n]) for n in (begin, end, 1)))

    def hashed(self, word: str) -> str:
        """Hash 32-bit words (see `_hash`)."""
        for shift, factor in _ROUNDS:
            word = self.add("BitwiseXor", word, self.add("Div", word, self.integer(1 << shift)))
            word = self.add("BitwiseAnd", self.add("Mul", word, self.integer(factor)), self.integer(_WORD))
        return self.add("BitwiseXor", word, self.add("Div", word, self.integer(1 << _LAST_SHIFT)))


def _hash(word: np.ndarray) -> np.ndarray:
    for shift, factor in _ROUNDS:
        word = word ^ (word >> shift)
        word = (word * factor) & _WORD
    return word ^ (word >> _LAST_SHIFT)


def _index_words(words: int) -> np.ndarray:
    """Return a different word for each index in a frame."""
    return _hash(np.arange(1, words + 1, dtype=np.int64) * 0x61C88647 & _WORD)
