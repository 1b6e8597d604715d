"""The library: models by name.

A message from the network can name a model, but never a path: names are looked up among the files of the library.
"""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path

from export.errors import GlitchError
from realtime.ipc.user_folders import data_folder

BUNDLED = "orchestra"
SUFFIXES = (
    ".onnx",
    ".ts",
    ".torchscript",
    ".pt",
    ".pth",
)  # of models; if two files have the same name, the first suffix wins


class LibraryError(GlitchError):
    """There is no model of that name, or no such folder."""


class Library:
    """The models of a folder, and the bundled ones.

    A model of the folder takes precedence over a bundled one of the same name. TorchScript files are converted when
    they are loaded for the first time.

    Parameters
    ----------
    folder
        Of the models; None takes `models_folder()`.

    Raises
    ------
    LibraryError
        The folder doesn't exist.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = Path(folder).expanduser() if folder is not None else models_folder()
        if folder is not None and not self.folder.is_dir():
            raise LibraryError(f"The library {self.folder} is not a folder; make it, and put models into it.")

    def names(self) -> list[str]:
        """List the names of all models."""
        return sorted(self._files())

    def find(self, name: str) -> Path:
        """Find the file of a model.

        Parameters
        ----------
        name
            Of the model, with or without the suffix.

        Returns
        -------
        Path
            In the library's folder, or among the bundled models.

        Raises
        ------
        LibraryError
            There is no model of that name.
        """
        files = self._files()
        found = files.get(str(name)) or files.get(_without_suffix(str(name)))
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


def _without_suffix(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def digest(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, which identifies a model whatever its name."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bundled_model() -> Path:
    """Return the path of the model that plays by default."""
    return _bundled() / f"{BUNDLED}.onnx"


def models_folder() -> Path:
    """Return the folder of the user's models."""
    return data_folder() / "models"


def _bundled() -> Path:
    return Path(str(files("models.zoo")))
