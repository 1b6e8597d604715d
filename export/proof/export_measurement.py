"""Measurement of chunk equality, delay and speed of every method, for the card."""

from __future__ import annotations

import dataclasses

import onnx

from export.errors import ContractError
from export.format.card import Card, Measured
from export.format.graph import one_frame, split
from export.proof.chunk_equality import Proof, prove
from export.proof.delay import measure_response
from export.proof.speed import real_time
from export.runtime.onnx_session import graph_errors, session


def measure(model: onnx.ModelProto, card: Card, *, proof: Proof | None = None) -> Card:
    """Measure every method of a model.

    Parameters
    ----------
    model, card
        A whole model.
    proof : Proof, optional
        The proof that chunked equals whole, if there is one already.

    Returns
    -------
    Card
        With `Method.measured`; its parity is kept. A `delay` that contradicts the response is corrected.

    Raises
    ------
    ContractError
        Chunked doesn't equal whole, or the graph doesn't run.
    """
    proof = proof or prove(model, card)
    if not proof.holds:
        raise ContractError(f"{card.name} does not stream: {proof.failure()}")
    chunks = {difference.method: difference.value for difference in proof.worst}
    methods = {}
    for name, method in card.methods.items():
        part = split(model, name)
        loaded = session(part.SerializeToString())
        with graph_errors(name):
            response = measure_response(loaded, card, name)
            factor = real_time(loaded, card, name)
        measured = dataclasses.replace(
            method.measured or Measured(),
            chunks=None if one_frame(model, name) else chunks[name],
            delay=response.peak if response else None,
            real_time=factor,
        )
        wrong = response is not None and not response.agrees(method.delay)
        delay = max(0, response.peak) if response is not None and wrong else method.delay
        methods[name] = dataclasses.replace(method, delay=delay, measured=measured)
    return dataclasses.replace(card, methods=methods)
