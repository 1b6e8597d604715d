"""CIFAR-10's own files, in both kinds, and files that only pretend to be some."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.pictures import cifar
from models.dcgan.domains import PictureDomain, open_domain
from models.dcgan.settings import DcganSettings
from models.files.errors import DataError

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.integers(0, 256, (10, 3072), np.uint8)
LABELS = list(range(10))


def write_python(path: Path) -> None:
    path.write_bytes(pickle.dumps({b"data": VALUES, b"labels": LABELS, b"batch_label": b"one"}, protocol=2))


def write_binary(path: Path) -> None:
    path.write_bytes(np.column_stack([np.array(LABELS, np.uint8), VALUES]).tobytes())


@pytest.mark.parametrize(("write", "end"), [(write_python, ""), (write_binary, ".bin")])
def test_both_kinds_of_files_hold_the_same_pictures(tmp_path: Path, write: object, end: str) -> None:
    for k in (1, 2):
        write(tmp_path / f"data_batch_{k}{end}")  # type: ignore[operator]
    assert cifar.is_cifar(tmp_path)
    pictures, labels = cifar.read(tmp_path)
    assert pictures.shape == (20, 3, 32, 32)
    assert labels.tolist() == LABELS * 2
    torch.testing.assert_close(pictures[3, 1, 2, 5], torch.tensor(VALUES[3, 1024 + 2 * 32 + 5] / 255).float())
    one, _ = cifar.read(tmp_path / f"data_batch_1{end}")
    assert len(one) == 10
    form = open_domain(str(tmp_path), DcganSettings(batch=2), tmp_path / "none.json")
    assert isinstance(form, PictureDomain)
    assert form.pictures.shape == (20, 3, 32, 32)


def test_a_pickle_that_runs_something_is_refused(tmp_path: Path) -> None:
    class Bad:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.write_text, (tmp_path / "ran", "it ran")

    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({b"data": Bad(), b"labels": LABELS}))
    with pytest.raises(DataError, match="no batch of CIFAR-10"):
        cifar.read(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"x" * 3074])
def test_a_truncated_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(DataError, match="no whole number"):
        cifar.read(tmp_path)


def test_pictures_of_another_size_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({b"data": VALUES[:, :300], b"labels": LABELS}))
    with pytest.raises(DataError, match="32 by 32"):
        cifar.read(tmp_path)
    assert not cifar.is_cifar(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="no data_batch_1"):
        cifar.read(tmp_path / "elsewhere")
