"""Streaming of `decode`: chunked equals whole, and errors are clear."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.errors import ContractError
from export.format.card import KEY, Spectrum, to_json
from export.format.io import load
from realtime.engine.decoder import Decoder

FRAMES = 300


def latents_for(decoder: Decoder, frames: int, seed: int = 0) -> np.ndarray:
    latent = decoder.card.latent
    scores = np.random.default_rng(seed).standard_normal((latent.size, frames))
    return np.array(latent.mean)[:, None] + np.array(latent.std)[:, None] * scores


def controls_for(decoder: Decoder, frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = [rng.uniform(c.minimum, c.maximum, frames) for c in decoder.method.controls]
    return np.array(rows).reshape(len(rows), frames)


def cut(decoder: Decoder, latents: np.ndarray, controls: np.ndarray, sizes: list[int]) -> np.ndarray:
    edges = np.cumsum([0, *sizes])
    parts = [decoder.render(latents[:, a:b], controls[:, a:b]) for a, b in pairwise(edges)]
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("size", [1, 7, 32, 128])
def test_any_division_into_chunks_gives_the_same_audio(models: dict[str, Path], size: int) -> None:
    decoder = Decoder(models["bundled"])
    latents, controls = latents_for(decoder, FRAMES), controls_for(decoder, FRAMES)
    whole = decoder.render(latents, controls)
    decoder.reset()
    sizes = [size] * (FRAMES // size) + ([FRAMES % size] if FRAMES % size else [])
    np.testing.assert_allclose(cut(decoder, latents, controls, sizes), whole, atol=1e-5)
    assert np.abs(whole).max() > 1e-3


@settings(max_examples=15, deadline=None)
@given(edges=st.sets(st.integers(1, 119), max_size=30), seed=st.integers(0, 1000))
def test_random_chunks_give_the_same_audio(models: dict[str, Path], edges: set[int], seed: int) -> None:
    decoder = Decoder(models["bundled"])
    latents, controls = latents_for(decoder, 120, seed), controls_for(decoder, 120, seed)
    whole = decoder.render(latents, controls)
    decoder.reset()
    sizes = [int(n) for n in np.diff([0, *sorted(edges), 120])]
    np.testing.assert_allclose(cut(decoder, latents, controls, sizes), whole, atol=1e-5)


def test_any_division_into_chunks_gives_the_same_magnitudes(models: dict[str, Path]) -> None:
    """A deck runs frame by frame; another host that runs more at once gets the same spectrum."""
    import onnxruntime as ort

    from export.format.graph import split
    from export.proof.chunk_equality import run_chunks

    model, card = load(models["spectral"])
    decoder = Decoder(models["spectral"])
    graph = ort.InferenceSession(split(model, "decode").SerializeToString(), providers=["CPUExecutionProvider"])
    controls = controls_for(decoder, 140)
    feeds = {"decode.input": latents_for(decoder, 140)[None].astype(np.float32)}
    for control, row in zip(decoder.method.controls, controls, strict=True):
        feeds[f"decode.control.{control.name}"] = row[None, None].astype(np.float32)
    whole, _ = run_chunks(graph, "decode", card.method("decode"), feeds, [140])
    for sizes in ([1] * 140, [7] * 20, [32, 32, 32, 44], [128, 12]):
        chunked, _ = run_chunks(graph, "decode", card.method("decode"), feeds, sizes)
        np.testing.assert_allclose(chunked, whole, atol=1e-5 * max(1.0, np.abs(whole).max()))


def test_a_snapshot_restores_the_sound(models: dict[str, Path], reference_model: Path) -> None:
    for path in (models["bundled"], reference_model):
        decoder = Decoder(path)
        latents, controls = latents_for(decoder, 40), controls_for(decoder, 40)
        decoder.render(latents[:, :20], controls[:, :20])
        kept = decoder.snapshot()
        first = decoder.render(latents[:, 20:], controls[:, 20:])
        decoder.render(latents[:, :13], controls[:, :13])
        decoder.restore(kept)
        np.testing.assert_array_equal(decoder.render(latents[:, 20:], controls[:, 20:]), first)


def test_warming_up_leaves_the_state_unchanged(models: dict[str, Path]) -> None:
    warm, cold = Decoder(models["bundled"]), Decoder(models["bundled"])
    warm.warm()
    latents, controls = latents_for(warm, 20), controls_for(warm, 20)
    np.testing.assert_array_equal(warm.render(latents, controls), cold.render(latents, controls))


def test_magnitudes_of_a_tone_are_inverted_to_that_tone(models: dict[str, Path]) -> None:
    decoder = Decoder(models["tone"])
    audio = decoder.render(np.zeros((2, 200)))[0, 8192:]
    spectrum = np.abs(np.fft.rfft(audio[:32_768] * np.hanning(32_768)))
    assert spectrum.argmax() * 48_000 / 32_768 == pytest.approx(1000, abs=2)
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) == pytest.approx(-12, abs=1.5)


def test_a_graph_with_another_hop_than_the_card_is_refused(tmp_path: Path, models: dict[str, Path]) -> None:
    """The card is consistent in itself; only running the graph shows the contradiction."""
    for name, change in (("level", {"hop": 99}), ("tone", {"hop": 128, "spectrum": Spectrum(2048, 128)})):
        model, card = load(models[name])
        wrong = replace(card, methods={"decode": replace(card.methods["decode"], **change)})
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, {KEY: to_json(wrong)})
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        if name == "level":
            with pytest.raises(ContractError, match=r"a frame gives \[1, 1, 128\]"):
                Decoder(path)
        else:
            assert Decoder(path).hop == 128  # magnitudes don't depend on the hop, so this card may say so


def test_a_graph_that_cannot_run_is_refused_in_one_sentence(tmp_path: Path, models: dict[str, Path]) -> None:
    model, _ = load(models["level"])
    model.graph.node[0].op_type = "NoSuchOperator"
    path = tmp_path / "broken.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ContractError, match="onnxruntime cannot load the graph") as caught:
        Decoder(path)
    assert "\n" not in str(caught.value)


def test_a_model_that_only_encodes_cannot_be_played(tmp_path: Path, models: dict[str, Path]) -> None:
    _, card = load(models["level"])
    with pytest.raises(ContractError, match="has no method 'encode'; it has: decode"):
        card.method("encode")
