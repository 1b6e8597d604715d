"""Reader of CIFAR-10: Python or binary batches, in a folder or as a single file.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), and its web page.
"""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.files.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (3, 32, 32)
_VALUES = 3 * 32 * 32
_BATCHES = tuple(f"data_batch_{k}" for k in range(1, 6))
_MAX_BYTES = 1 << 28
_PLAIN = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


def is_cifar(path: str | os.PathLike[str]) -> bool:
    """Return whether a path looks like CIFAR-10: a folder with the first batch, or a file named like a batch."""
    path = Path(path)
    if path.is_dir():
        return any((path / f"{_BATCHES[0]}{end}").is_file() for end in ("", ".bin"))
    return path.is_file() and path.name.removesuffix(".bin") in (*_BATCHES, "test_batch")


def read(path: str | os.PathLike[str]) -> tuple[Tensor, Tensor]:
    """Read the training pictures of CIFAR-10, or those of a single file.

    Returns
    -------
    pictures : Tensor [shape=(count, 3, 32, 32)]
        0 to 1.
    labels : Tensor [shape=(count,), int64]
        Indices in `CLASSES`.

    Raises
    ------
    DataError
        A file is missing, truncated or in another format.
    """
    path = Path(path)
    files = [path] if path.is_file() else [file for name in _BATCHES if (file := _find(path, name))]
    if not files:
        raise DataError(f"There is no data_batch_1 in {path}, with .bin or without; give the folder of CIFAR-10.")
    read = [_binary(file) if file.suffix == ".bin" else _python(file) for file in files]
    pictures = np.concatenate([values for values, _ in read]).reshape(-1, *SHAPE)
    labels = np.concatenate([shown for _, shown in read])
    return torch.from_numpy(pictures.astype(np.float32) / 255), torch.from_numpy(labels.astype(np.int64))


def _find(folder: Path, name: str) -> Path | None:
    return next((file for end in ("", ".bin") if (file := folder / f"{name}{end}").is_file()), None)


def _binary(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read records of a label and 3072 values: red, green and blue planes, row by row."""
    data = np.frombuffer(_bytes(path), np.uint8)
    if not len(data) or len(data) % (_VALUES + 1):
        raise DataError(f"{path} is no whole number of CIFAR-10's records of {_VALUES + 1} bytes; get it again.")
    records = data.reshape(-1, _VALUES + 1)
    return _checked(path, records[:, 1:], records[:, 0])


def _python(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Unpickle a dictionary of arrays and nothing else, since a pickle can run arbitrary code."""
    try:
        found = _Careful(io.BytesIO(_bytes(path)), encoding="bytes").load()
        values, labels = np.asarray(found[b"data"]), np.asarray(found[b"labels"])
    except DataError:
        raise
    except Exception:  # a malicious file can raise anything
        raise DataError(f"{path} is no batch of CIFAR-10 for Python; give its own file.") from None
    return _checked(path, values, labels)


def _checked(path: Path, values: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    fits = values.dtype == np.uint8 and values.shape == (len(labels), _VALUES) and labels.dtype.kind in "iu"
    if not fits or not len(labels) or labels.min() < 0 or labels.max() >= len(CLASSES):
        raise DataError(f"{path} doesn't hold pictures of 32 by 32 pixels in ten classes; give CIFAR-10's own file.")
    return values, labels.astype(np.uint8)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path} is larger than any file of CIFAR-10; give its own files.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from None


class _Careful(pickle.Unpickler):
    """Unpickler that allows only NumPy arrays and plain values."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)
