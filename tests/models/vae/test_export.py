from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor

from export.errors import ContractError
from export.format.card import Latent, Provenance
from export.format.graph import split
from export.format.io import load
from export.proof import chunk_equality as proof
from export.streaming.layer_base import whole_signals
from models.vae import conditions
from models.vae import export as streams
from models.vae.fitting import Batch, FitSettings, fit
from models.vae.likelihoods import DiscretisedLogistic, Gaussian, Likelihood
from models.vae.networks import Dense, Scales, audio_decoder, audio_encoder
from models.vae.priors import Mixture, StandardNormal
from models.vae.vae import Vae, Weighing

RATE = 16_000
SCALES = Scales(widths=(6, 8, 12), strides=(4, 8), dilations=(2,))
LATENT = 3
FRAMES = 24


def note(pitch: float, seconds: float, phase: float = 0.0) -> Tensor:
    """A tone with two partials, [1, samples]."""
    time = torch.arange(int(seconds * RATE)) / RATE
    angle = 2 * torch.pi * 440 * 2 ** ((pitch - 69) / 12) * time + phase
    return (0.4 * torch.sin(angle) + 0.2 * torch.sin(2 * angle))[None]


class Tones:
    """Tones of any pitch, with the pitch as a condition of the decoder."""

    def epoch(self, number: int) -> Iterator[Batch]:
        random = torch.Generator().manual_seed(number)
        for _ in range(5):
            pitches = 45 + 30 * torch.rand(6, generator=random)
            seconds = FRAMES * SCALES.hop / RATE
            x = torch.stack([note(float(p), seconds, 6.3 * float(torch.rand((), generator=random))) for p in pitches])
            yield x, {"pitch": pitches[:, None].expand(-1, FRAMES)}

    def held_out(self) -> Iterator[Batch]:
        yield from list(self.epoch(1_000))[:1]


def sound_vae(likelihood: Likelihood, scales: Scales = SCALES, *, channels: int = 1) -> Vae:
    torch.manual_seed(0)
    reported = (conditions.pitch(),)
    inputs = LATENT + conditions.total_size(reported)
    return Vae(
        audio_encoder(channels, 2 * LATENT, scales),
        audio_decoder(inputs, channels, scales, values=likelihood.values),
        likelihood,
        StandardNormal(LATENT),
        reported,
    )


@pytest.fixture(scope="module")
def trained() -> tuple[Vae, float]:
    """A VAE of sound after a few steps, and how it did before them."""
    vae = sound_vae(Gaussian(0.1))
    settings = FitSettings(epochs=1, learning_rate=1e-8)
    before = fit(vae, Tones(), settings).loss
    settings = FitSettings(epochs=8, learning_rate=8e-3, weighing=Weighing(beta=0.1, warmup_epochs=3), average=0.5)
    fitted = fit(vae, Tones(), settings)
    assert fitted.loss < before - 500
    return fitted.vae, before


@pytest.fixture(scope="module")
def sounds() -> list[tuple[str, Tensor]]:
    seconds = 40 * SCALES.hop / RATE
    return [(name, note(pitch, seconds)) for name, pitch in (("low", 48.0), ("middle", 60.0), ("high", 72.0))]


@pytest.fixture(scope="module")
def model_file(
    trained: tuple[Vae, float], sounds: list[tuple[str, Tensor]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("streams") / "tones.onnx"
    vae = trained[0]
    made = streams.write(
        vae, out, "tones", sample_rate=RATE, latent=streams.describe(vae, sounds), provenance=Provenance(data="tones")
    )
    assert made.holds
    return out


def test_the_card_has_hop_rate_conditions_and_the_latent_map(model_file: Path) -> None:
    _, card = load(model_file)
    decode, encode = card.method("decode"), card.method("encode")
    assert (card.sample_rate, decode.hop, encode.hop) == (RATE, SCALES.hop, SCALES.hop)
    assert (decode.output, decode.delay, encode.delay) == ("audio", 0, 0)
    assert [(c.name, c.unit, c.per_frame) for c in decode.controls] == [("pitch", "MIDI note", True)]
    assert len(decode.rest) > 0
    assert len(encode.rest) > 0
    assert {point.label for point in card.latent.map} == {"low", "middle", "high"}
    assert card.latent.names[card.latent.order[0]] == "latent 1"
    assert card.provenance.data == "tones"


def test_the_file_decodes_and_encodes_as_training_did(model_file: Path, trained: tuple[Vae, float]) -> None:
    model, card = load(model_file)
    vae = trained[0].eval()
    torch.manual_seed(0)
    latent, audio = torch.randn(1, LATENT, 60), 0.3 * torch.randn(1, 1, 60 * SCALES.hop)
    pitch = torch.linspace(40, 80, 60)[None]
    with torch.no_grad(), whole_signals(vae):
        wanted = {"decode": vae.decode(latent, {"pitch": pitch}), "encode": vae.encode(audio).mean}
    feeds = {
        "decode": {"decode.input": latent.numpy(), "decode.control.pitch": pitch[None].numpy()},
        "encode": {"encode.input": audio.numpy()},
    }
    for name, given in feeds.items():
        session = ort.InferenceSession(split(model, name).SerializeToString(), providers=["CPUExecutionProvider"])
        made, _ = proof.run_chunks(session, name, card.method(name), given, [13, 47])
        reach = made.shape[2] // 2  # what lies before a stream's first frame isn't the silence before a whole sound
        assert np.abs(made - wanted[name].numpy())[:, :, reach:].max() < 1e-5, name


def test_turning_a_condition_changes_the_sound(model_file: Path) -> None:
    model, card = load(model_file)
    session = ort.InferenceSession(split(model, "decode").SerializeToString(), providers=["CPUExecutionProvider"])
    low, high = (
        proof.run_chunks(
            session,
            "decode",
            card.method("decode"),
            {
                "decode.input": np.zeros((1, LATENT, 30), np.float32),
                "decode.control.pitch": np.full((1, 1, 30), pitch, np.float32),
            },
            [30],
        )[0]
        for pitch in (50, 70)
    )
    assert np.abs(low - high).max() > 1e-2


def test_recurrent_stereo_of_levels_streams_as_well(tmp_path: Path) -> None:
    # A hop as long as on stage: what recurs takes long to settle, and is given ten seconds to.
    scales = Scales(widths=(4, 6, 8), strides=(16, 32), dilations=(), recurrent=6)
    vae = sound_vae(DiscretisedLogistic(256), scales, channels=2)
    out = tmp_path / "other.onnx"
    assert streams.write(vae, out, "other", sample_rate=RATE, latent=Latent.plain(LATENT)).holds
    assert load(out)[1].method("decode").channels == 2


def test_dimensions_are_ordered_by_importance(sounds: list[tuple[str, Tensor]]) -> None:
    vae = sound_vae(Gaussian(0.1)).eval()
    last = vae.encoder.layers[-1].conv  # type: ignore[index,union-attr]
    with torch.no_grad():
        for dimension, loud in enumerate((0.0, 5.0, 1.0)):
            last.weight[dimension] *= loud
            last.bias[dimension] = 0.0
        last.weight[LATENT:] = 0
        last.bias[LATENT:] = 0
    found = streams.describe(vae, sounds)
    assert found.order == (1, 2, 0)
    assert found.std[1] > found.std[2] > found.std[0] > 0
    assert max(max(abs(point.x), abs(point.y)) for point in found.map) == pytest.approx(1)


def test_layers_that_do_not_stream_are_refused(tmp_path: Path) -> None:
    dense = Vae(Dense(8, 4, ()), Dense(2, 8, ()), Gaussian(1.0), StandardNormal(2))
    with pytest.raises(ContractError, match="don't stream"):
        streams.methods(dense)
    fast = Scales(widths=(4, 4), strides=(2,))
    uneven = Vae(audio_encoder(1, 4, SCALES), audio_decoder(2, 1, fast), Gaussian(1.0), Mixture(2, 3))
    with pytest.raises(ContractError, match="as much sound on either side"):
        streams.methods(uneven)
    short = Vae(audio_encoder(1, 4, fast), audio_decoder(2, 1, fast), Gaussian(), StandardNormal(2))
    with pytest.raises(ContractError, match="2 for each channel were expected"):
        streams.methods(short)
