"""Pictures of any size: brought to one that can be halved, made, and judged."""

import pytest
import torch

from models.data.manifest import Source
from models.dcgan.adversarial_step import initialise
from models.dcgan.domains import PictureDomain
from models.dcgan.picture_networks import PictureDiscriminator, PictureGenerator, levels, padded
from models.dcgan.settings import DcganSettings
from models.training.seeding import generator_for


@pytest.mark.parametrize(("size", "fits", "times"), [(8, 8, 2), (16, 16, 2), (28, 32, 3), (32, 32, 3), (64, 64, 4)])
def test_sizes(size: int, fits: int, times: int) -> None:
    assert (padded(size), levels(size)) == (fits, times)


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (1, 28), (3, 32)])
def test_the_trained_model_can_be_evaluated(channels: int, size: int) -> None:
    generator, discriminator = PictureGenerator(10, 4, channels, size), PictureDiscriminator(4, channels, size)
    made = generator(torch.randn(3, 10, generator=generator_for(0)))
    assert made.shape == (3, channels, padded(size), padded(size))
    assert float(made.detach().abs().max()) <= 1
    assert discriminator(made).shape == (3, 1)


def test_training_begins_with_small_weights() -> None:
    discriminator = PictureDiscriminator(16, 3, 32)
    initialise(discriminator, generator_for(0))
    weights = torch.cat(
        [layer.weight.flatten() for layer in discriminator.layers if isinstance(layer, torch.nn.Conv2d)]
    )
    assert float(weights.detach().std()) == pytest.approx(0.02, rel=0.02)
    scales = torch.cat([layer.weight for layer in discriminator.layers if isinstance(layer, torch.nn.BatchNorm2d)])
    assert float(scales.detach().mean()) == pytest.approx(1.0, abs=0.01)


def test_small_pictures_lie_in_the_middle_of_black() -> None:
    form = PictureDomain(torch.ones(4, 1, 28, 28), DcganSettings(batch=2), Source("white"))
    seen = form.real(4, generator_for(0))
    assert seen.shape == (4, 1, 32, 32)
    assert float(seen[:, :, 2:30, 2:30].min()) == 1
    assert float(seen[:, :, :2].max()) == -1
    assert form.picture(seen).shape[0] == 1
