"""The bundled endless generator keeps what its README promises: it sounds wherever it is led, and has no seams."""

from pathlib import Path

import numpy as np
import pytest

from export.format.io import load
from models import zoo
from models.dcgan.latent_rotation import HELD
from models.dcgan.sound_networks import CONTEXT
from realtime.engine.decoder import Decoder
from realtime.latent.walk import Walk

MODEL = Path(zoo.__file__).parent / "endless.onnx"
UNCONSTRAINED = Path(__file__).parents[2] / "benchmarks" / "stitching" / "endless-unconstrained.onnx"


@pytest.mark.parametrize("path", [MODEL, UNCONSTRAINED])
def test_it_is_small_and_fast_and_has_its_provenance(path: Path) -> None:
    assert path.stat().st_size <= 8_000_000
    _, card = load(path)
    assert card.name == path.stem
    assert card.provenance.licence.startswith("MIT (FluidR3")
    assert card.provenance.command.startswith("glitch-lab train dcgan")
    assert card.latent.size == 100
    assert len(card.latent.map) == 96
    measured = card.method("decode").measured
    assert measured is not None
    assert measured.real_time is not None
    assert measured.real_time > 8


@pytest.mark.parametrize(("speed", "radius"), [(0.5, 1.0), (4.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_it_sounds_wherever_it_is_led(speed: float, radius: float) -> None:
    decoder = Decoder(MODEL)
    latent = decoder.card.latent
    walk = Walk(latent.size, 48_000 / decoder.hop, seed=3)
    way = np.stack([walk.next(speed, radius) for _ in range(940)], axis=1)  # 10 s
    scores = np.zeros_like(way)
    scores[list(latent.order)] = way
    latents = np.array(latent.mean)[:, None] + np.array(latent.std)[:, None] * scores
    audio = decoder.render(latents.astype(np.float32))[0, decoder.hop :]
    levels = 20 * np.log10([np.sqrt(np.mean(part**2)) for part in np.array_split(audio, 20)])
    assert levels.min() > -45
    assert levels.max() < -8
    assert np.abs(audio).max() < 2  # beyond three steps a second it was never trained; the limiter takes the peaks


def test_different_places_sound_different() -> None:
    decoder = Decoder(MODEL)
    played = []
    for point in decoder.card.latent.map[:24]:
        decoder.reset()
        frames = []
        for _ in range(CONTEXT + HELD):
            decoder.graph.input[0, :, 0] = point.latent
            decoder.graph.run()
            frames.append(decoder.graph.output[0, :, 0].copy())
        played.append(np.mean(frames[-HELD:], axis=0) * 10 / np.log(10))  # dB, [bands]
    between = np.array(played)[:, None] - np.array(played)[None]
    apart = np.abs(between).mean(axis=2)[np.triu_indices(len(played), 1)]
    assert np.median(apart) > 3
