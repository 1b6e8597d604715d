from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.errors import ContractError
from export.format.card import Card
from export.format.graph import split
from export.format.io import load
from export.proof import chunk_equality as proof
from models.data import features
from models.data.features import Analysis
from models.data.manifest import Manifest
from models.evaluation import evaluate
from models.evaluation.evaluate import EvaluateError, RoundTrip
from models.spectral_vae.checkpoint import Trained


@pytest.fixture(scope="module")
def roundtrip(model_file: Path) -> RoundTrip:
    return RoundTrip(*load(model_file))


@pytest.fixture(scope="module")
def note(small_orchestra: Manifest) -> np.ndarray:
    return features.load_audio(small_orchestra.path_of(small_orchestra.sounds[3]), 48_000)


def test_the_card_has_description_and_provenance(card: Card, training: tuple[Path, Trained]) -> None:
    trained = training[1]
    assert (card.name, card.sample_rate, set(card.methods)) == ("small", 48_000, {"decode", "encode"})
    assert card.latent == trained.latent.to_card()
    assert card.latent.names[card.latent.order[0]] == "timbre 1"
    assert card.provenance == trained.provenance
    assert card.provenance.licence.startswith("MIT")
    assert card.provenance.steps == 40
    assert [control.name for control in card.method("decode").controls] == ["pitch", "loudness"]


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=8))
@pytest.mark.parametrize("method", ["decode", "encode"])
def test_any_cut_gives_the_same_output(model_file: Path, method: str, cuts: list[int]) -> None:
    model, card = load(model_file)
    session = ort.InferenceSession(split(model, method).SerializeToString(), providers=["CPUExecutionProvider"])
    frames = sum(cuts)
    feeds = proof.random_input(card, method, frames, np.random.default_rng(0))
    whole, _ = proof.run_chunks(session, method, card.method(method), feeds, [frames])
    parts, _ = proof.run_chunks(session, method, card.method(method), feeds, cuts)
    assert np.abs(whole - parts).max() <= 1e-5 * max(1.0, float(np.abs(whole).max()))


def test_the_graph_encodes_as_the_training_did(
    roundtrip: RoundTrip, training: tuple[Path, Trained], note: np.ndarray
) -> None:
    from models.data.manifest import Sound
    from models.spectral_vae.frame_store import FrameStore

    found = features.analyse(note, Analysis(), 69.0)
    store = FrameStore.of([Sound("a.wav", "a", 1.0, 48_000, "train")], [found])
    index = store.active.nonzero()[:, 0]
    with torch.no_grad():
        wanted = training[1].model.encoder(store.take(index).shape)[0].T.numpy()
    latents = roundtrip.latents(note, len(found.pitch))[:, index.numpy()]
    assert np.abs(latents - wanted).max() < 0.02  # float16 keeps log-magnitudes within 0.004


@pytest.mark.parametrize("loudness", [-60.0, -30.0, -12.0])
@pytest.mark.parametrize("pitch", [40.0, 64.5, 90.0])
def test_the_loudness_follows_its_control(roundtrip: RoundTrip, pitch: float, loudness: float) -> None:
    latent = np.zeros((4, 100), np.float32)
    reported = np.full(100, pitch, np.float32), np.full(100, loudness, np.float32)
    magnitudes = roundtrip.magnitudes(latent, *reported)
    assert features.loudness_db(magnitudes.T) == pytest.approx(loudness, abs=0.5)
    audio = roundtrip.audio(magnitudes, 100 * 256)[5_000:-5_000]
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) == pytest.approx(loudness, abs=2)


def test_the_quietest_is_silence_and_silence_encodes_to_something_finite(roundtrip: RoundTrip) -> None:
    latent = np.zeros((4, 5), np.float32)
    silent = roundtrip.magnitudes(latent, np.full(5, 60, np.float32), np.full(5, -90, np.float32))
    assert np.abs(silent).max() == 0
    assert np.isfinite(roundtrip.latents(np.zeros(9_600, np.float32), 30)).all()


def test_a_latent_that_is_not_a_number_is_answered_and_forgotten(roundtrip: RoundTrip) -> None:
    reported = np.full(3, 60, np.float32), np.full(3, -20, np.float32)
    latent = np.zeros((4, 3), np.float32)
    clean = roundtrip.magnitudes(latent, *reported)
    latent[:, 1] = np.nan
    spoilt = roundtrip.magnitudes(latent, *reported)
    assert not np.isfinite(spoilt[:, 1]).all()
    assert np.allclose(spoilt[:, [0, 2]], clean[:, [0, 2]], rtol=1e-4)


def test_the_pitch_follows_its_control(roundtrip: RoundTrip) -> None:
    from models.dsp.pitch import refine

    for reported in (50.0, 60.5, 81.0):
        latent = np.zeros((4, 150), np.float32)
        magnitudes = roundtrip.magnitudes(latent, np.full(150, reported, np.float32), np.full(150, -20, np.float32))
        audio = roundtrip.audio(magnitudes, 150 * 256)[8_000:-8_000]
        assert np.median(np.abs(refine(audio, 48_000, reported + 0.2, 256) - reported)) < 0.1


def test_evaluation_covers_both_splits_and_every_label(model_file: Path, small_orchestra: Manifest) -> None:
    report = evaluate.evaluate(model_file, small_orchestra.folder, limit=4)
    assert [(row.split, row.label, row.sounds) for row in report.rows] == [
        ("held-out", "clarinet", 2),
        ("held-out", "flute", 2),
        ("held-out", "all", 4),
        ("train", "clarinet", 2),
        ("train", "flute", 2),
        ("train", "all", 4),
    ]
    row = report.row("held-out")
    assert 0.5 < row.log_mel_db < 15
    assert row.spectral_convergence_db < 3
    assert row.pitch_cents is not None
    assert row.pitch_cents < 25
    assert report.load > 0


def test_a_model_that_only_decodes_cannot_be_evaluated(model_file: Path, small_orchestra: Manifest) -> None:
    model, card = load(model_file)
    del card.methods["encode"]
    with pytest.raises(EvaluateError, match="has no 'encode'"):
        RoundTrip(model, card)


def test_a_file_that_is_no_model_cannot_be_evaluated(tmp_path: Path, small_orchestra: Manifest) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x89PNG")
    with pytest.raises(ContractError):
        evaluate.evaluate(tmp_path / "a.onnx", small_orchestra.folder)
