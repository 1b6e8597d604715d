"""Graphs that take one frame a step, where only rounding parts chunks from the whole.

A library computes an exponential of many numbers at once in another way than that of one. Where what follows is steep,
as the frequencies of high partials are, the last digits are heard. A graph in which every frame is made by itself loses
nothing when it takes one at a time, as the stage does anyway: then there is one way to cut its input, and one result.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort

from export.format.card import Card
from export.format.graph import split
from export.proof.chunk_equality import Proof, random_input, run_chunks

FRAMES = 8


def fix_to_one_frame(model: onnx.ModelProto, card: Card, proof: Proof) -> bool:
    """Fix the methods that a proof failed on to one frame a step, if no frame of theirs hears another; say if it did.

    The graph is changed in place.
    """
    failed = {found.method for found in proof.worst if not found.value <= proof.tolerance}
    alone = {name for name in failed if _has_independent_frames(split(model, name), card, name)}
    for value in (*model.graph.input, *model.graph.output):
        name = value.name.split(".")[0]
        axis = value.type.tensor_type.shape.dim
        if name in alone and len(axis) == 3 and not axis[2].HasField("dim_value"):
            given = value.name == f"{name}.output"
            axis[2].dim_value = card.method(name).gives if given else 1
    return bool(failed) and alone == failed


def _has_independent_frames(model: onnx.ModelProto, card: Card, name: str) -> bool:
    """Whether each frame's output is its own, to the last bit, whatever the other frames hold."""
    method = card.method(name)
    if method.rest or name != "decode":
        return False
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    first, second = (random_input(card, name, FRAMES, rng) for _ in range(2))
    before, _ = run_chunks(session, name, method, first, [FRAMES])
    for frame in range(FRAMES):
        others = np.arange(FRAMES) != frame
        mixed = {
            key: np.where(others, second[key], value) if value.shape[2] == FRAMES else value
            for key, value in first.items()
        }
        after, _ = run_chunks(session, name, method, mixed, [FRAMES])
        here = slice(frame * method.gives, (frame + 1) * method.gives)
        if not np.array_equal(before[:, :, here], after[:, :, here]):
            return False
    return True
