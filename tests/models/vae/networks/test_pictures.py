from collections.abc import Callable

import pytest
import torch
from torch import nn

from models.vae.networks import Dense, RowDecoder, RowEncoder, picture_decoder, picture_encoder
from models.vae.networks.pictures import NetworkError

SHAPES = [(1, 8, 8), (3, 16, 8), (1, 28, 28)]


def encoders(shape: tuple[int, int, int]) -> list[nn.Module]:
    return [Dense(shape, 6, (20,)), picture_encoder(shape, 6, (4, 8)), RowEncoder(shape, 6, 10)]


def decoders(shape: tuple[int, int, int], values: int) -> list[nn.Module]:
    channels, height, width = shape
    return [
        Dense(5, (values * channels, height, width), (20,)),
        picture_decoder(5, shape, (4, 8), values=values),
        RowDecoder(5, shape, 10, values=values),
    ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("values", [1, 2])
def test_networks_fit_any_picture(shape: tuple[int, int, int], values: int) -> None:
    torch.manual_seed(0)
    for encoder in encoders(shape):
        assert encoder(torch.rand(3, *shape)).shape == (3, 6), type(encoder)
    for decoder in decoders(shape, values):
        assert decoder(torch.randn(3, 5)).shape == (3, values * shape[0], *shape[1:]), type(decoder)


def test_every_pixel_affects_the_latent_and_the_reconstruction() -> None:
    torch.manual_seed(0)
    for encoder in encoders((1, 8, 8)):
        x = torch.rand(1, 1, 8, 8, requires_grad=True)
        encoder(x).square().sum().backward()
        assert x.grad is not None
        assert bool((x.grad != 0).all()), type(encoder)
    for decoder in decoders((1, 8, 8), 1):
        one, other = decoder(torch.randn(2, 5))
        assert bool((one != other).all()), type(decoder)


def test_a_picture_that_cannot_be_halved_as_often_is_refused() -> None:
    builds: tuple[Callable[[], object], ...] = (
        lambda: picture_encoder((1, 28, 28), 4, (8, 8, 8)),
        lambda: picture_decoder(4, (1, 8, 10), (8, 8)),
        lambda: picture_encoder((1, 8, 8), 4, ()),
    )
    for build in builds:
        with pytest.raises(NetworkError, match="cannot be halved"):
            build()


def test_dropout_is_for_training_only() -> None:
    torch.manual_seed(0)
    network = Dense(6, 4, (16,), dropout=0.5)
    x = torch.randn(2, 6)
    assert not torch.equal(network.train()(x), network(x))
    assert torch.equal(network.eval()(x), network(x))
