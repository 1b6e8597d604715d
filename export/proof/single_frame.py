"""Graphs limited to one frame a step, where chunks differ from the whole by rounding only.

Math libraries round the exponential of a vector differently from that of a single number. Where the following
operations are steep, as for the frequencies of high partials, the difference exceeds the tolerance. A graph whose
frames are independent loses nothing if it takes one frame a step, as the stage does anyway. Then there is only one
division of its input, and one result.
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
    """Limit the methods that failed a proof to one frame a step, where their frames are independent.

    The graph is changed in place.

    Returns
    -------
    bool
        Whether all methods that failed have independent frames, so that the proof may be repeated.
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
    """Whether the output of each frame is the same, bit for bit, whatever the other frames are."""
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
