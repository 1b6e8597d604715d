"""The bundled transformation keeps what its README promises, on phrases that it never saw."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export.bending.bendable_layers import find_layers
from export.format.io import load
from export.runtime.frame_stepper import FrameStepper
from export.runtime.onnx_session import session
from models import zoo
from models.data.features import load_audio
from models.data.rendered import pairs
from models.dsp.log_mel import LogMelAnalysis
from models.travelgan.domain_spectra import Spectra, of_split, spectrogram
from models.travelgan.settings import preset
from models.travelgan.style_evaluation import StyleEvaluation, evaluate_style

ZOO = Path(zoo.__file__).parent
NAME = "plucked-to-brass"
SETTINGS = preset("notes")


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> StyleEvaluation:
    """Other melodies than those of the training, on the same instruments; through the file, a step at a time."""
    folder = tmp_path_factory.mktemp("pair")
    source, target = pairs.render(folder / "sounds", pairs.Settings(minutes=5, seed=1))
    model, card = load(ZOO / f"{NAME}.onnx")
    steps = FrameStepper(session(model.SerializeToString()), card, "transform")
    scale, analysis = SETTINGS.scale, LogMelAnalysis(SETTINGS.scale)
    turned = []
    for sound in source.of_split("held-out"):
        audio = load_audio(source.path_of(sound), scale.sample_rate)
        audio = np.pad(audio, (0, -len(audio) % card.method("transform").hop))
        made = []
        for block in audio.reshape(-1, card.method("transform").hop):
            steps.input[:] = block
            steps.run()
            made.append(torch.from_numpy(steps.output[0].copy()))
        turned.append((spectrogram(audio, analysis), scale.of_power(torch.exp(torch.cat(made, dim=1)))))
    train = [of_split(domain, "train", scale, folder / "cache") for domain in (source, target)]
    held: Spectra = of_split(target, "held-out", scale, folder / "cache")
    return evaluate_style(turned, held.values, (train[0], train[1]), SETTINGS)


@pytest.mark.timeout(600)
def test_plucked_sounds_are_classified_as_brass(verdict: StyleEvaluation) -> None:
    assert verdict.known >= 0.9
    assert verdict.untouched <= 0.3
    assert verdict.target >= 0.8


def test_notes_begin_where_they_began(verdict: StyleEvaluation) -> None:
    assert verdict.onsets >= 0.7


def test_it_is_small_and_has_its_provenance() -> None:
    path = ZOO / f"{NAME}.onnx"
    assert path.stat().st_size <= 8_000_000
    _, card = load(path)
    method = card.method("transform")
    assert (card.name, method.hop, method.output, method.gives) == (NAME, 512, "magnitudes", 1)
    assert card.provenance.licence.startswith("MIT (FluidR3")
    assert card.provenance.command.startswith("glitch-lab train travel")
    assert "no look-ahead" in card.provenance.notes


def test_only_learned_layers_can_be_bent() -> None:
    """The analysis multiplies by matrices as well."""
    found = [layer.name for layer in find_layers(*load(ZOO / f"{NAME}.onnx"))]
    assert len(found) == 16
    assert all(name.startswith("generator.") for name in found)
