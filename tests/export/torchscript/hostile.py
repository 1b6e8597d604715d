"""Broken and hostile files, by name of their defect."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

MARK = "MARK"  # in the environment: the file that code makes which runs though it shouldn't


class Echo(nn.Module):
    """The smallest model of the nn~ kind: a latent is held for a hop of four samples."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("decode_params", torch.tensor([1, 4, 1, 1]))
        self.register_buffer("weights", torch.arange(2000, dtype=torch.float32))  # something to cut off

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.repeat_interleave(4, 2)

    def forward(self, z: Tensor) -> Tensor:
        return self.decode(z)


class Endless(nn.Module):
    """Takes forever to load."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("decode_params", torch.tensor([1, 4, 1, 1]))

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return torch.ones(1), True

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        self.training = state[1]
        k = 0
        while k < 1_000_000_000_000:
            k = k + int(state[0].numel() > 0)
        self.decode_params = torch.full([4], k)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.repeat_interleave(4, 2)

    def forward(self, z: Tensor) -> Tensor:
        return self.decode(z)


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"import os; open(os.environ[{MARK!r}], 'w').close()",)


def good(path: Path) -> Path:
    """Write a valid TorchScript file."""
    torch.jit.script(Echo().eval()).save(str(path))
    return path


def endless(path: Path) -> Path:
    """Write a TorchScript file that takes forever to load."""
    torch.jit.script(Endless().eval()).save(str(path))
    return path


def _empty(path: Path) -> None:
    path.touch()


def _folder(path: Path) -> None:
    path.mkdir()


def _half(path: Path) -> None:
    data = good(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _last_byte_lost(path: Path) -> None:
    path.write_bytes(good(path).read_bytes()[:-1])


def _flipped(path: Path) -> None:
    """Damage a weight."""
    data = bytearray(good(path).read_bytes())
    at = data.index(struct.pack("<f", 1999.0))
    data[at] ^= 0xFF
    path.write_bytes(data)


def _picture(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))


def _text(path: Path) -> None:
    path.write_text("import os; os.abort()\n")


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Evil()))


def _old_pickle(path: Path) -> None:
    torch.save(Evil(), path, _use_new_zipfile_serialization=False)


def _pickled_module(path: Path) -> None:
    torch.save({"model": Echo(), "evil": Evil()}, path)


def _weights(path: Path) -> None:
    torch.save(Echo().state_dict(), path)


def _other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("holiday/beach.jpg", bytes(100))


def _bomb(path: Path) -> None:
    """Claim in the directory that a compressed member has four gigabytes."""
    _with_member(path, size=0xFFFF_0000)


def _overlapping(path: Path) -> None:
    """Claim more compressed data than the file has bytes, as with overlapping members."""
    _with_member(path, packed=0x1000_0000)


def _locked(path: Path) -> None:
    _with_member(path, flags=1)


def _with_member(path: Path, *, size: int | None = None, packed: int | None = None, flags: int = 0) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"m/{name}", bytes(1000))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02")  # the first of the table of contents
    if size is not None:
        data[entry + 24 : entry + 28] = struct.pack("<I", size)
    if packed is not None:
        data[entry + 20 : entry + 24] = struct.pack("<I", packed)
    data[entry + 8] |= flags
    path.write_bytes(data)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _nothing(_path: Path) -> None:
    pass


SCRIPTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (_nothing, "There is no file"),
    "empty": (_empty, "is empty"),
    "folder": (_folder, "is a folder, not a model"),
    "half": (_half, "is cut short or damaged"),
    "last byte lost": (_last_byte_lost, "is cut short or damaged"),
    "flipped": (_flipped, "is cut short or damaged"),
    "picture": (_picture, "is not a TorchScript file"),
    "text": (_text, "is not a TorchScript file"),
    "pickle": (_pickle, "is a Python pickle, which could run code when read"),
    "old pickle": (_old_pickle, "is a Python pickle, which could run code when read"),
    "pickled module": (_pickled_module, "contains weights or a pickled Python module"),
    "weights": (_weights, "contains weights or a pickled Python module"),
    "other zip": (_other_zip, "is a zip archive without TorchScript"),
    "bomb": (_bomb, r"would unpack to 4\.3 GB in 3 parts"),
    "overlapping": (_overlapping, "claims more data than it has"),
    "locked": (_locked, "is encrypted with a password"),
    **({"pipe": (_pipe, "is a device or a pipe")} if hasattr(os, "mkfifo") else {}),
}
"""By name: the function that writes the file, and the error message."""
