"""Handwritten digits: the small ones of scikit-learn, and MNIST from its files.

Shapes: pictures `[count, 1, height, width]`, grey from 0 to 1; binary ones hold 0 and 1.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.files.errors import DataError

HALF = 0.5
"""Threshold of binarisation: 8 of scikit-learn's 16, 128 of MNIST's 255."""

_BYTES = 0x08  # the kind of number in MNIST's files
_MNIST = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclass(frozen=True)
class Digits:
    """Pictures of digits with labels.

    Attributes
    ----------
    grey : Tensor [shape=(count, 1, height, width)]
        0 to 1.
    labels : Tensor [shape=(count,), int64]
        0 to 9.
    """

    grey: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture."""
        channels, height, width = self.grey.shape[1:]
        return channels, height, width

    @property
    def binary(self) -> Tensor:
        """The binarised pictures, [count, 1, height, width]."""
        return binarise(self.grey)

    def take(self, index: Tensor) -> Digits:
        """Select pictures by index."""
        return Digits(self.grey[index], self.labels[index])

    def part(self, share: float, seed: int) -> tuple[Digits, Digits]:
        """Split off a share of each class.

        Returns
        -------
        rest, aside : Digits
            In an order that depends only on the seed.

        Raises
        ------
        DataError
            A part would have no picture of some class.
        """
        from sklearn.model_selection import train_test_split

        index = np.arange(len(self))
        try:
            rest, aside = train_test_split(
                index, test_size=share, random_state=seed, stratify=self.labels.numpy(), shuffle=True
            )
        except ValueError as error:
            raise DataError(f"{len(self)} digits cannot be split by {share:g}: {error}") from None
        return self.take(torch.from_numpy(rest)), self.take(torch.from_numpy(aside))


@dataclass(frozen=True)
class Splits:
    """Training digits, test digits, and the name of the set."""

    name: str
    train: Digits
    test: Digits


def binarise(grey: Tensor) -> Tensor:
    """Threshold grey values to 0 or 1."""
    return (grey >= HALF).float()


def small(seed: int = 0) -> Splits:
    """Load scikit-learn's 1797 digits of 8 by 8 pixels; a fifth of each class is the test set.

    Returns
    -------
    splits : Splits

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = torch.from_numpy(np.asarray(found.images, np.float32) / 16)[:, None]
    train, test = Digits(grey, torch.from_numpy(np.asarray(found.target, np.int64))).part(0.2, seed)
    return Splits("scikit-learn's digits", train, test)


def mnist(folder: str | os.PathLike[str]) -> Splits:
    """Read MNIST from its four files, plain or compressed with gzip.

    Parameters
    ----------
    folder
        Folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k`, with `.gz` or without.

    Returns
    -------
    splits : Splits

    Raises
    ------
    DataError
        A file is missing, truncated or in another format.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give the one with MNIST's files.")
    parts = {}
    for split, (images, labels) in _MNIST.items():
        pictures, shown = read_idx(_find(folder, images), 3), read_idx(_find(folder, labels), 1)
        if len(pictures) != len(shown):
            raise DataError(
                f"{folder} holds {len(pictures)} pictures to {split} and {len(shown)} labels; get it again."
            )
        if not len(shown) or shown.max() > 9:
            raise DataError(f"The labels to {split} in {folder} are not those of digits; get them again.")
        grey = torch.from_numpy(pictures.astype(np.float32) / 255)[:, None]
        parts[split] = Digits(grey, torch.from_numpy(shown.astype(np.int64)))
    if parts["train"].shape != parts["test"].shape:
        raise DataError(f"The pictures in {folder} to train and to test are of different sizes; get them again.")
    return Splits("MNIST", parts["train"], parts["test"])


def read_idx(path: str | os.PathLike[str], axes: int) -> NDArray[np.uint8]:
    """Read a file of bytes in the IDX format: two zeros, number type, number of axes, their lengths, and the data.

    Parameters
    ----------
    path
        The file; one that ends in `.gz` is decompressed.
    axes
        Expected number of axes: 3 for pictures, 1 for labels.

    Returns
    -------
    data : np.ndarray [uint8]

    Raises
    ------
    DataError
        The file cannot be read, or has another format.
    """
    path = Path(path)
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from None
    head = 4 + 4 * axes
    if data[:4] != bytes([0, 0, _BYTES, axes]) or len(data) < head:
        raise DataError(f"{path} is no IDX file of bytes with {axes} axes; give MNIST's own file.")
    shape = tuple(int(length) for length in np.frombuffer(data, ">u4", axes, 4))
    if len(data) - head != math.prod(shape):
        raise DataError(
            f"{path} holds {len(data) - head} bytes, and {' x '.join(map(str, shape))} were announced; copy it again."
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)


def _find(folder: Path, name: str) -> Path:
    names = [name, name.replace("-idx", ".idx")]  # some archives write a dot
    for candidate in (folder / f"{stem}{ending}" for stem in names for ending in ("", ".gz")):
        if candidate.is_file():
            return candidate
    raise DataError(f"There is no {name} in {folder}, with .gz or without; MNIST has four such files.")
