import numpy as np

from models.spectral_vae import latent_plot as latentplot


def coloured(picture: np.ndarray) -> list[np.ndarray]:
    """Where each colour lies, [2, points] each, but for the paper's."""
    flat = picture.reshape(3, -1)
    colours = {tuple(colour) for colour in flat.T.tolist()} - {(255, 255, 255)}
    return [np.argwhere((picture == np.array(colour)[:, None, None]).all(axis=0)).T for colour in sorted(colours)]


def test_groups_that_lie_apart_are_drawn_apart_and_in_their_own_colours() -> None:
    random = np.random.default_rng(0)
    latents = 0.1 * random.standard_normal((200, 5)).astype(np.float32)
    labels = np.repeat([0, 1], 100)
    latents[labels == 1] += [3, 0, 1, 0, 2]
    picture = latentplot.scatter(latents, labels)
    assert picture.shape == (3, latentplot.SIZE, latentplot.SIZE)
    first, second = coloured(picture)
    assert abs(first.mean(axis=1) - second.mean(axis=1)).max() > latentplot.SIZE / 2


def test_one_latent_or_one_point_is_drawn_too() -> None:
    for shape in ((50, 1), (1, 4)):
        picture = latentplot.scatter(np.ones(shape, np.float32), np.zeros(shape[0], np.int64))
        assert len(coloured(picture)) == 1
