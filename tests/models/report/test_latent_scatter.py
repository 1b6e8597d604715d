import pytest
import torch

from models.report.latent_scatter import plane, scatter


def test_the_plane_has_the_two_principal_components() -> None:
    torch.manual_seed(0)
    latents = torch.randn(300, 5) * torch.tensor([0.1, 4.0, 0.1, 1.0, 0.1])
    places = plane(latents)
    assert float(places.abs().max()) == pytest.approx(1)
    for axis, dimension in ((0, 1), (1, 3)):
        together = torch.corrcoef(torch.stack([places[:, axis], latents[:, dimension]]))
        assert abs(float(together[0, 1])) > 0.97
    assert torch.allclose(plane(latents), places)


def test_a_single_latent_is_on_a_line() -> None:
    places = plane(torch.linspace(0, 1, 5)[:, None])
    assert places[:, 1].abs().max() == 0
    assert places[:, 0].tolist() == pytest.approx([-1, -0.5, 0, 0.5, 1])


def test_dots_are_drawn_in_place_in_the_colour_of_their_class() -> None:
    latents = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.1], [0.0, -0.1]])
    picture = scatter(latents, torch.tensor([0, 1, 2, 2]), 3, size=101)
    assert picture.shape == (3, 101, 101)
    left, right = picture[:, 50, 4], picture[:, 50, 96]
    assert int(left.argmax()) != int(right.argmax())
    assert bool((picture[:, 0, 0] == 1).all())
    dotted = (picture < 1).any(dim=0)
    assert 4 * 16 <= int(dotted.sum()) <= 4 * 25
