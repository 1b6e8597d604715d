import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.pictures import digits
from models.data.pictures.augmentation import Augmentation, augment
from models.data.pictures.digits import Digits, Splits
from models.files.errors import DataError
from tests.models.data.pictures.idx import NAMES, write_idx, write_mnist


@pytest.fixture(scope="module")
def small() -> Splits:
    return digits.small()


def test_the_small_digits_are_split_by_class(small: Splits) -> None:
    assert (len(small.train), len(small.test), small.train.shape) == (1437, 360, (1, 8, 8))
    for part in (small.train, small.test):
        share = torch.bincount(part.labels, minlength=10) / len(part)
        assert bool((share - 0.1).abs().max() < 0.005)
    assert set(small.train.binary.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(small.train.binary, (small.train.grey * 16 >= 8).float())


def test_held_out_sounds_are_not_trained_on(small: Splits) -> None:
    rest, aside = small.train.part(0.1, seed=3)
    assert len(rest) + len(aside) == len(small.train)
    again = small.train.part(0.1, seed=3)[1]
    assert torch.equal(aside.grey, again.grey)
    assert not torch.equal(aside.grey, small.train.part(0.1, seed=4)[1].grey)
    with pytest.raises(DataError, match="cannot be split"):
        small.train.take(torch.arange(5)).part(0.1, seed=0)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("dots", [False, True], ids=["dashes", "dots"])
def test_mnist_is_read_from_its_own_files(small: Splits, tmp_path: Path, packed: bool, dots: bool) -> None:
    write_mnist(tmp_path, small, packed=packed, dots=dots)
    found = digits.mnist(tmp_path)
    assert found.name == "MNIST"
    for part, wanted in ((found.train, small.train), (found.test, small.test)):
        assert torch.equal(part.labels, wanted.labels)
        assert torch.equal(part.binary, wanted.binary)
        assert torch.allclose(part.grey, wanted.grey, atol=0.5 / 255 + 1e-6)


def test_a_pixel_of_128_is_white_and_one_of_127_is_black() -> None:
    grey = torch.tensor([127.0, 128.0]) / 255
    assert digits.binarise(grey).tolist() == [0, 1]


def test_missing_truncated_or_wrong_files_are_an_error(small: Splits, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        digits.mnist(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no train-images-idx3-ubyte"):
        digits.mnist(tmp_path)
    write_mnist(tmp_path, small)
    images = tmp_path / NAMES["train"][0]
    whole = images.read_bytes()
    images.write_bytes(whole[:-10])
    with pytest.raises(DataError, match="were announced"):
        digits.mnist(tmp_path)
    images.write_bytes(b"\x89PNG" + whole[4:])
    with pytest.raises(DataError, match="no IDX file"):
        digits.mnist(tmp_path)
    write_idx(images, np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(DataError, match="3 pictures to train and 1437 labels"):
        digits.mnist(tmp_path)
    write_mnist(tmp_path, small)
    write_idx(tmp_path / NAMES["test"][1], np.full(360, 77, np.uint8))
    with pytest.raises(DataError, match="not those of digits"):
        digits.mnist(tmp_path)
    images.unlink()
    (tmp_path / f"{NAMES['train'][0]}.gz").write_bytes(gzip.compress(whole)[:-20])
    with pytest.raises(DataError, match="Cannot read"):
        digits.mnist(tmp_path)


def blob() -> torch.Tensor:
    """A bright spot left of the middle, [1, 1, 17, 17]."""
    picture = torch.zeros(1, 1, 17, 17)
    picture[0, 0, 7:10, 3:6] = 1.0
    return picture


def centre(picture: torch.Tensor) -> tuple[float, float]:
    """Return the centroid of a picture in pixels: right, down."""
    weight = picture[0, 0] / picture.sum()
    places = torch.arange(17.0)
    return float((weight.sum(dim=0) * places).sum()), float((weight.sum(dim=1) * places).sum())


def test_zero_augmentation_moves_no_pixel() -> None:
    picture = torch.rand(3, 1, 8, 8)
    assert torch.allclose(augment(picture, Augmentation(), torch.Generator().manual_seed(0)), picture, atol=1e-5)


def test_pictures_are_moved_by_no_more_than_is_asked_for_and_all_of_it() -> None:
    random = torch.Generator().manual_seed(0)
    made = [centre(augment(blob(), Augmentation(pixels=2.0), random)) for _ in range(200)]
    right, down = np.array(made).T
    assert 1.7 < np.abs(right - 4).max() < 2.05
    assert 1.7 < np.abs(down - 8).max() < 2.05


def test_turning_moves_along_a_circle_and_resizing_along_a_line() -> None:
    random = torch.Generator().manual_seed(0)
    turned = np.array([centre(augment(blob(), Augmentation(degrees=30), random)) for _ in range(100)]) - 8
    assert np.hypot(*turned.T) == pytest.approx(4, abs=0.15)
    assert np.degrees(np.arcsin(np.abs(turned[:, 1]) / 4)).max() == pytest.approx(30, abs=3)
    resized = np.array([centre(augment(blob(), Augmentation(resize=0.3), random)) for _ in range(100)]) - 8
    assert resized[:, 1] == pytest.approx(0, abs=0.05)
    assert 4 / 1.36 - 0.1 < np.abs(resized[:, 0]).min() < 3.2
    assert 4.8 < np.abs(resized[:, 0]).max() < 4 * 1.36 + 0.1


def test_each_picture_is_drawn_by_itself() -> None:
    made = augment(blob().repeat(2, 1, 1, 1), Augmentation(5, 0.1, 0.1, 1.0), torch.Generator().manual_seed(0))
    assert not torch.allclose(made[0], made[1], atol=0.05)


def test_a_set_of_digits_says_its_length_and_shape() -> None:
    made = Digits(torch.zeros(4, 1, 5, 6), torch.zeros(4, dtype=torch.int64))
    assert (len(made), made.shape) == (4, (1, 5, 6))
