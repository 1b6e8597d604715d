"""The bundled spectral model keeps what its README promises, on the few notes that a test has time for."""

from pathlib import Path

import numpy as np
import pytest

from export.format.io import load
from models import zoo
from models.data.manifest import Manifest
from models.evaluation import evaluate
from models.evaluation.evaluate import Report, RoundTrip

ORCHESTRA = Path(zoo.__file__).parent / "orchestra-spectral.onnx"


@pytest.fixture(scope="module")
def report(small_orchestra: Manifest) -> Report:
    return evaluate.evaluate(ORCHESTRA, small_orchestra.folder, limit=4)


def test_held_out_notes_come_back(report: Report) -> None:
    row = report.row("held-out")
    assert row.log_mel_db <= 4.0
    assert row.spectral_convergence_db <= -8.0
    assert row.pitch_cents is not None
    assert row.pitch_cents <= 5.0


def test_it_is_small_and_has_its_provenance() -> None:
    assert ORCHESTRA.stat().st_size <= 8_000_000
    _, card = load(ORCHESTRA)
    assert card.provenance.licence.startswith("MIT (FluidR3")
    assert card.provenance.command.startswith("glitch-lab train vae")
    assert card.latent.size == 16
    assert 100 <= len(card.latent.map) <= 400
    assert "violin A#3" in {point.label for point in card.latent.map}


def test_untouched_it_sounds_at_its_default_level() -> None:
    roundtrip = RoundTrip(*load(ORCHESTRA))
    pitch, loudness = (np.full(200, control.default, np.float32) for control in roundtrip.decode.controls)
    latents = np.tile(np.array(roundtrip.card.latent.mean, np.float32)[:, None], (1, 200))
    audio = roundtrip.audio(roundtrip.magnitudes(latents, pitch, loudness), 200 * 256)[10_000:-5_000]
    assert 20 * np.log10(np.sqrt(np.mean(audio**2))) == pytest.approx(loudness[0], abs=1)


def test_moving_a_latent_changes_the_timbre_and_neither_level_nor_pitch() -> None:
    from models.dsp.pitch import refine

    roundtrip = RoundTrip(*load(ORCHESTRA))
    latent = roundtrip.card.latent
    reported = np.full(300, 57, np.float32), np.full(300, -20, np.float32)
    sweep = np.tile(np.array(latent.mean, np.float32)[:, None], (1, 300))
    strongest = latent.order[0]
    sweep[strongest] += latent.std[strongest] * np.linspace(-2, 2, 300, dtype=np.float32)
    magnitudes = roundtrip.magnitudes(sweep, *reported)
    audio = roundtrip.audio(magnitudes, 300 * 256)[10_000:-10_000]
    level = 20 * np.log10([np.sqrt(np.mean(part**2)) for part in np.array_split(audio, 8)])
    assert np.ptp(level) < 1
    assert np.abs(refine(audio, 48_000, 57.0, 256)[10:-10] - 57).max() < 0.05
    bins = np.arange(len(magnitudes))[:, None]
    centroid = (magnitudes * bins).sum(axis=0) / magnitudes.sum(axis=0)
    assert np.ptp(centroid) > 0.1 * centroid.mean()
