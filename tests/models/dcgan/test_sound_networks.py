"""A generator without end: chunks that are made apart are what the stream would have made."""

from pathlib import Path

import pytest
import torch

from export.streaming.layer_base import reset_caches, whole_signals
from models.data.manifest import Source
from models.dcgan import stitching
from models.dcgan.adversarial_step import initialise
from models.dcgan.domains import SpectrumDomain
from models.dcgan.latent_rotation import HELD, measure, rotate_latents, still
from models.dcgan.settings import DcganSettings
from models.dcgan.sound_networks import BANDS, CONTEXT, GRAIN, LOOPS, EndlessDiscriminator, EndlessGenerator, Grain
from models.dsp.log_mel import LogMel
from models.files.errors import DataError
from models.training.seeding import generator_for

LATENT, CHUNK = 12, 16


@pytest.fixture
def generator() -> EndlessGenerator:
    """One that has something to say: with the weights that a training begins with, all would be near zero."""
    made = EndlessGenerator(LATENT, 4)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.2, generator=generator_for(0, weight.numel()))
    return made.eval()


def test_chunks_made_apart_with_context_equal_the_stream(generator: EndlessGenerator) -> None:
    way = stitching.draw_neighbours(2, LATENT, 4, CHUNK, generator_for(0))
    with torch.no_grad():
        with whole_signals(generator):
            stitched = stitching.generate_apart(generator, way, CHUNK)
        assert stitched.shape == (2, BANDS, 2 * CHUNK)
        for one, made in zip(way, stitched, strict=True):
            reset_caches(generator)
            streamed = torch.cat([generator(one[None, :, n : n + 1]) for n in range(one.shape[1])], dim=2)
            torch.testing.assert_close(made, streamed[0, :, CONTEXT:], atol=1e-5, rtol=0)
    assert float(stitched.std()) > 0.05


def test_without_context_a_chunk_begins_otherwise(generator: EndlessGenerator) -> None:
    way = stitching.draw_neighbours(1, LATENT, 4, CHUNK, generator_for(0))
    with torch.no_grad(), whole_signals(generator):
        known = stitching.generate_apart(generator, way, CHUNK)[:, :, :CONTEXT]
        alone = generator(way[:, :, CONTEXT:])[:, :, :CONTEXT]
    assert float((known - alone).abs().max()) > 0.01


def test_neighbours_share_latents_and_meet_at_the_border() -> None:
    shared = 4
    way = stitching.draw_neighbours(64, LATENT, shared, CHUNK, generator_for(0))
    assert way.shape == (64, LATENT + GRAIN, CONTEXT + 2 * CHUNK)
    assert torch.equal(way[:, :shared], way[:, :shared, :1].expand(-1, -1, CONTEXT + 2 * CHUNK))
    steps = way[:, shared:LATENT].diff(dim=2).abs().amax(dim=(0, 1))
    border = CONTEXT + CHUNK  # of the two chunks; the path is constant there, without a jump
    assert float(steps[border - 1]) < 0.3 * float(steps.max())


def test_single_chunks_have_constant_independent_latents() -> None:
    z = stitching.draw_single(8, LATENT, CHUNK, generator_for(0))[:, :LATENT]
    assert torch.equal(z, z[:, :, :1].expand(-1, -1, CHUNK))
    assert torch.unique(z[:, 0, 0]).numel() == 8


def test_grain_varies_by_frame_and_repeats_after_its_loops() -> None:
    grain, way = Grain().eval(), torch.zeros(1, LATENT, 40)
    streamed = torch.cat([grain(part) for part in torch.split(way, [1, 7, 32], dim=2)], dim=2)
    assert torch.equal(streamed, Grain().offline(way))
    assert float(streamed.std()) == pytest.approx(1, abs=0.1)
    assert torch.unique(streamed[0, 0]).numel() == 40
    reset_caches(grain)
    long = grain(torch.zeros(1, LATENT, max(LOOPS) + 40))
    alike = torch.corrcoef(torch.stack([long[:, :, :40].flatten(), long[:, :, -40:].flatten()]))[0, 1]
    assert float(alike) < 0.6  # one loop has come round, and the other hasn't
    grain.count += LOOPS[0] * LOOPS[1] - max(LOOPS) - 40
    assert torch.equal(grain(way), streamed)  # and now both have


def test_frames_are_made_alike_whenever_they_are_made(generator: EndlessGenerator) -> None:
    """A walk that comes a frame later gives the same spectrum a frame later: nothing happens every so many frames."""
    way = stitching.draw_neighbours(1, LATENT, 4, CHUNK, generator_for(0))
    later = torch.cat([way[:, :, :1], way], dim=2)
    with torch.no_grad(), whole_signals(generator):
        usual, late = generator(way), generator(later)
    torch.testing.assert_close(late[:, :, 1 + CONTEXT :], usual[:, :, CONTEXT:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [32, 64])
def test_the_judge_looks_at_a_chunk_or_at_two(frames: int) -> None:
    discriminator = EndlessDiscriminator(4)
    initialise(discriminator, generator_for(0))
    logits = discriminator(torch.zeros(3, BANDS, frames))
    assert logits.shape == (3, frames // 16 - 1)


def test_the_judge_sees_whether_all_are_the_same() -> None:
    discriminator = EndlessDiscriminator(4).eval()
    initialise(discriminator, generator_for(0))
    spectra = torch.rand(4, BANDS, 32, generator=generator_for(1))
    same = spectra[:1].expand(4, -1, -1)
    with torch.no_grad():
        assert float((discriminator(spectra)[0] - discriminator(same)[0]).abs().max()) > 0


def test_turned_latents_draw_the_same_and_the_first_do_the_most(generator: EndlessGenerator) -> None:
    first = generator.layers[0].conv.weight[:, :LATENT, 0]  # type: ignore[union-attr, index]
    before = (first @ first.T).clone()
    rotate_latents(generator, LogMel())
    after = first @ first.T
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)  # so what is drawn has the same distribution
    form = tones(DcganSettings(latent=LATENT, shared=4, chunk=16, batch=2))
    known = measure(generator, form)
    strongest = [known.effect_db[k] for k in known.order]
    assert strongest == sorted(strongest, reverse=True)
    assert set(known.order[:3]) <= set(range(6))
    assert strongest[0] > 2 * strongest[-1]
    assert {point.label.split()[0] for point in known.points} <= {"low", "high"}
    point = torch.tensor(known.points[0].latent)
    assert still(generator, point[None]).shape == (1, BANDS, HELD)


def tones(settings: DcganSettings) -> SpectrumDomain:
    """Two spectra: one has only low bands, the other only high ones."""
    low, high = -torch.ones(BANDS, 100), -torch.ones(BANDS, 100)
    low[:40], high[80:] = 0.0, 0.0
    return SpectrumDomain([low, high], ["low", "high"], settings, Source("tones"), LogMel())


def test_pieces_never_reach_from_one_sound_into_the_next() -> None:
    form = tones(DcganSettings(chunk=32))
    pieces = form.real(200, generator_for(0))
    assert pieces.shape == (200, BANDS, 64)
    lowest, highest = pieces[:, 0], pieces[:, -1]
    assert ((lowest == 0).all(dim=1) ^ (highest == 0).all(dim=1)).all()


def test_sounds_that_are_too_short_or_silent_are_an_error() -> None:
    settings = DcganSettings(chunk=32)
    with pytest.raises(DataError, match="longer than the 0.7 s"):
        SpectrumDomain([torch.zeros(BANDS, 63), -torch.ones(BANDS, 500)], ["a", "b"], settings, Source("x"), LogMel())


def test_a_missing_folder_gives_an_error(tmp_path: Path) -> None:
    from models.dcgan.domains import open_domain

    with pytest.raises(DataError, match="no folder and no manifest"):
        open_domain(str(tmp_path / "nothing"), DcganSettings(), tmp_path / "data.json")
