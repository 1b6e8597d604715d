"""Writes files as MNIST's are, of any pictures."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.pictures.digits import Splits

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    """Write bytes of any number of axes; packed if the name ends in `.gz`."""
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    data = head + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_mnist(folder: Path, splits: Splits, *, packed: bool = False, dots: bool = False) -> None:
    """Write digits as MNIST's four files."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, (images, labels) in ((splits.train, NAMES["train"]), (splits.test, NAMES["test"])):
        grey = np.round(part.grey[:, 0].numpy() * 255).astype(np.uint8)
        for name, values in ((images, grey), (labels, part.labels.numpy().astype(np.uint8))):
            stem = name.replace("-idx", ".idx") if dots else name
            write_idx(folder / f"{stem}{'.gz' if packed else ''}", values)
