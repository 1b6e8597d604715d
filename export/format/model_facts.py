"""A summary of a model as plain values, for the terminal and for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from export.format.card import Card, Method
from export.format.dataclass_json import to_plain
from export.format.graph import one_frame, split

WEIGHTS = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.INT8: "int8",
}


def summary(model: onnx.ModelProto, card: Card, size: int) -> dict[str, Any]:
    """Summarise a model.

    Parameters
    ----------
    model, card
        From `export.format.io.load`.
    size : int
        Bytes of the file.

    Returns
    -------
    dict
        JSON values. The caches are given by their number, shapes and bytes; everything else is as in the card.
    """
    latent = to_plain(card.latent)
    latent["map"] = [{key: point[key] for key in ("x", "y", "label")} for point in latent["map"]]
    return {
        "name": card.name,
        "format": card.format,
        "sample_rate": card.sample_rate,
        "file": {
            "bytes": size,
            "opset": max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
            "parameters": _parameters(model),
            "weights": weights_type(model),
        },
        "methods": {name: _method(model, name, method) for name, method in card.methods.items()},
        "latent": {"size": card.latent.size, **latent},
        "provenance": to_plain(card.provenance),
    }


def _method(model: onnx.ModelProto, name: str, method: Method) -> dict[str, Any]:
    described: dict[str, Any] = to_plain(method)
    del described["rest"]
    described["frames_a_step"] = 1 if one_frame(model, name) else "any"
    described["parameters"] = _parameters(split(model, name))
    described["caches"] = {
        "count": len(method.rest),
        "bytes": sum(4 * rest.size for rest in method.rest),
        "shapes": [list(rest.shape) for rest in method.rest],
    }
    return described


def _parameters(model: onnx.ModelProto) -> int:
    return sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer if tensor.data_type in WEIGHTS)


def weights_type(model: onnx.ModelProto) -> str:
    """Return the type that most weights are stored in: `fp32`, `fp16` or `int8`."""
    counts = dict.fromkeys(WEIGHTS.values(), 0)
    for tensor in model.graph.initializer:
        if tensor.data_type in WEIGHTS:
            counts[WEIGHTS[tensor.data_type]] += int(np.prod(tensor.dims))
    return max(counts, key=lambda kind: counts[kind])
