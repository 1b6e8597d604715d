"""The library: where models are found by name, and nowhere else.

What comes in over the network may name a model, never a path: names are looked up among the files that are there.
"""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path

from export.errors import GlitchError
from realtime.ipc.folders import data_folder

BUNDLED = "orchestra"
SUFFIXES = (".onnx", ".ts", ".torchscript", ".pt", ".pth")  # of models; of two of one name the first goes before


class LibraryError(GlitchError):
    """No model of that name."""


class Library:
    """The models of a folder, and those that come with the program; a file of the folder goes before a bundled one.

    TorchScript files are among them: they are converted when they are loaded for the first time.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder).expanduser() if folder is not None else own_folder()
        if folder is not None and not self.folder.is_dir():
            raise LibraryError(f"The library {self.folder} is not a folder; make it, and put models into it.")

    def names(self) -> list[str]:
        """List the names that `find` knows."""
        return sorted(self._files())

    def find(self, name: str) -> Path:
        """Give the file of a model.

        Raises
        ------
        LibraryError
            There is none of that name.
        """
        files = self._files()
        found = files.get(str(name)) or files.get(_bare(str(name)))
        if found is None:
            known = ", ".join(sorted(files)) or "none"
            raise LibraryError(f"The library {self.folder} has no model '{name!s:.80}'; it has: {known}.")
        return found

    def _files(self) -> dict[str, Path]:
        found = {path.stem: path for path in _bundled().glob("*.onnx")}
        if self.folder.is_dir():
            for suffix in reversed(SUFFIXES):
                found |= {path.stem: path for path in self.folder.glob(f"*{suffix}") if path.is_file()}
        return found


def _bare(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def digest(path: str | os.PathLike[str]) -> str:
    """Give the SHA-256 of a file: what a model is, whatever it is called."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bundled_model() -> Path:
    """Give the path of the model that plays where none is named."""
    return _bundled() / f"{BUNDLED}.onnx"


def own_folder() -> Path:
    """Say where the user's models lie."""
    return data_folder() / "models"


def _bundled() -> Path:
    return Path(str(files("models.zoo")))
