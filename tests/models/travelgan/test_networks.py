"""The generator changes nothing at first, looks back only, and gives the same in any cut."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from export.streaming.layer_base import reset_caches, whole_signals
from export.streaming.stack import Chain
from models.training.errors import ConfigError
from models.travelgan.networks import (
    KEPT,
    Discriminator,
    GeneratorConfig,
    Gist,
    Siamese,
    generator,
    parameters,
    spectral_statistics,
)
from models.travelgan.settings import PRESETS


def awake(config: GeneratorConfig) -> Chain:
    """A generator that does something."""
    torch.manual_seed(0)
    made = generator(config)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return made.eval()


SMALL = GeneratorConfig(bands=32, widths=(4, 6, 8))
NET = awake(SMALL)
X = torch.rand(1, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1


def at_once(net: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad(), whole_signals(net):
        made: Tensor = net(x)
    return made


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_any_cut_gives_the_same_frames(cuts: list[int]) -> None:
    lengths = [4 * cut for cut in cuts]
    x = X[:, :, : sum(lengths)]
    reset_caches(NET)
    with torch.no_grad():
        parts = torch.cat([NET(part) for part in torch.split(x, lengths, dim=2)], dim=2)
    torch.testing.assert_close(parts, at_once(NET, x), atol=1e-5, rtol=0)


def test_the_network_is_causal_and_has_no_delay() -> None:
    assert (NET.takes, NET.gives, NET.delay) == (4, 4, 0)
    changed = X.clone()
    changed[:, :, 24:] *= -1
    before, after = at_once(NET, X), at_once(NET, changed)
    torch.testing.assert_close(before[:, :, :24], after[:, :, :24], atol=1e-6, rtol=0)
    assert (before[:, :, 24:] - after[:, :, 24:]).abs().max() > 0.1


def test_it_begins_by_changing_nothing_and_stays_in_range() -> None:
    fresh = generator(SMALL)
    torch.testing.assert_close(fresh(X), KEPT * X, atol=1e-6, rtol=0)
    assert at_once(NET, 10 * X).abs().max() <= 1


@pytest.mark.parametrize(
    "config", [GeneratorConfig(bands=32, widths=(4,), paced=1), GeneratorConfig(32, (4, 4), paced=0)]
)
def test_other_shapes_stream_too(config: GeneratorConfig) -> None:
    net = awake(config)
    whole_run = at_once(net, X)
    reset_caches(net)
    with torch.no_grad():
        parts = torch.cat([net(part) for part in torch.split(X, 4, dim=2)], dim=2)
    torch.testing.assert_close(parts, whole_run, atol=1e-5, rtol=0)


def test_a_generator_that_takes_every_frame_by_itself_treats_all_alike() -> None:
    """An input shifted by a frame gives the same output shifted by a frame: nothing depends on the frame number."""
    net = awake(GeneratorConfig(bands=32, widths=(4, 6, 8), paced=0))
    assert (net.takes, net.gives) == (1, 1)
    silence = torch.full((1, 32, 40), -1.0)
    usual, late = (at_once(net, torch.cat([silence[:, :, :lead], X], dim=2)) for lead in (39, 40))
    torch.testing.assert_close(late[:, :, 40:], usual[:, :, 39:], atol=1e-5, rtol=0)


def test_a_description_is_of_bands_beside_each_other_and_of_no_level_and_no_place() -> None:
    x = 0.5 * X[:, :, :20]
    silence = torch.full((1, 32, 8), -1.0)
    here, later = (torch.cat(parts, dim=2) for parts in ([x, silence, silence], [silence, x, silence]))
    found = spectral_statistics(here)
    assert found.shape == (1, 4 * 32)
    means = slice(0, 2 * 32)  # and deviations; rise and fall depend on where a sound begins
    torch.testing.assert_close(spectral_statistics(later)[:, means], found[:, means], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        spectral_statistics(x + 0.1)[:, means], spectral_statistics(x)[:, means], atol=1e-5, rtol=0
    )
    tilted = x + torch.linspace(-0.2, 0.2, 32)[:, None]
    assert float((spectral_statistics(tilted) - spectral_statistics(x)).abs().max()) > 0.2


def test_the_gist_learns_a_difference_that_no_single_position_shows() -> None:
    torch.manual_seed(0)
    plain = torch.rand(16, 32, 32) - 0.5
    tilted = plain + torch.linspace(-0.1, 0.1, 32)[:, None]
    gist = Gist(32)
    optimizer = torch.optim.Adam(gist.parameters(), 5e-3)
    for _ in range(60):
        loss = nn.functional.softplus(-gist(tilted)).mean() + nn.functional.softplus(gist(plain)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fresh = torch.rand(16, 32, 32) - 0.5
    assert float((gist(fresh + torch.linspace(-0.1, 0.1, 32)[:, None]) > gist(fresh)).float().mean()) > 0.9


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_small_enough_for_the_stage(name: str) -> None:
    assert parameters(generator(PRESETS[name].model)) <= 1_000_000


def test_shapes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot halve 40 bands"):
        GeneratorConfig(bands=40, widths=(4, 4, 4, 4))
    with pytest.raises(ConfigError, match="0 to 1 levels"):
        GeneratorConfig(widths=(4,), paced=2)


def test_judges_see_whole_spectra() -> None:
    x = torch.rand(3, 32, 64)
    assert Discriminator(spectral=True)(x).shape == (3, 2 * 4)
    assert Siamese(32, 64, 10)(x).shape == (3, 10)
