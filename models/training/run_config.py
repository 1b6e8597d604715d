"""One run: where a training reads and writes, on which device it runs, and what the folder of a run contains.

OUT_DIR/
    model.ckpt              the trained model, to export
    NAME.onnx               the model file, named after the folder
    checkpoints/last.ckpt   all that is needed to resume
    checkpoints/plan.json   settings and plan, until there is a checkpoint
    logs/                   TensorBoard
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from models.training.checkpoint import FILE_NAME
from models.training.errors import ConfigError

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage of the work, how much of it is done, and how much there is."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Show nothing."""


@dataclass(frozen=True)
class RunConfig:
    """Where a training writes, and on which device it runs.

    How long it takes and its seed are settings (see `models.training.scheduled_module.Schedule`): a checkpoint stores
    them, and a resumed run takes them from there.

    Attributes
    ----------
    out
        Folder of the run.
    cache
        Folder for analysed sounds; None puts them into `out`.
    resume
        Whether to continue the training in `out`.
    accelerator
        `auto`, `cpu`, `gpu` or `cuda`, `mps`.
    devices
        Number of devices, or `auto`.
    nodes
        Machines that train together.
    command
        The command line, for the model's provenance.
    """

    out: Path
    cache: Path | None = None
    resume: bool = False
    accelerator: str = "auto"
    devices: str = "1"
    nodes: int = 1
    command: str = ""

    @property
    def name(self) -> str:
        """Name of the run and of its model: that of the folder."""
        return self.out.resolve().name

    @property
    def checkpoint(self) -> Path:
        """The trained model."""
        return self.out / FILE_NAME

    @property
    def model(self) -> Path:
        """The model file."""
        return self.out / f"{self.name}.onnx"

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return last_checkpoint(self.out)

    def cache_folder(self, name: str) -> Path:
        """Give the folder for analysed sounds: `cache`, or `name` in the run's folder."""
        return self.cache or self.out / name

    def check(self) -> None:
        """Refuse paths and devices that cannot be used.

        Raises
        ------
        ConfigError
            `out` or `cache` is a file, or there are no such devices.
        """
        for folder in (self.out, *([self.cache] if self.cache else [])):
            if folder.exists() and not folder.is_dir():
                raise ConfigError(f"{folder} is a file, and a folder to write to was expected; give another name.")
        if self.devices != "auto" and not (self.devices.isdecimal() and int(self.devices)):
            raise ConfigError(f"The number of devices must be auto or a whole number above 0, not '{self.devices}'.")
        if self.accelerator not in ACCELERATORS:
            known = ", ".join(ACCELERATORS)
            raise ConfigError(f"There is no accelerator '{self.accelerator}'; there are {known}.")
        if self.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
            raise ConfigError("There is no GPU that torch can use here; give --accelerator cpu.")


def last_checkpoint(out: Path) -> Path:
    """Give the checkpoint to resume from in the folder of a run."""
    return out / "checkpoints" / "last.ckpt"


def is_joining_process() -> bool:
    """Whether this process was started by another one on this machine, to train together with it."""
    return os.environ.get("LOCAL_RANK", "0") != "0"
