"""A small orchestra and a small model, made once for all tests here."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from export.format.card import Card
from export.format.io import load as load_model
from models.checkpoint_export import export
from models.data.manifest import Manifest
from models.data.rendered import orchestra
from models.spectral_vae.checkpoint import Trained
from models.spectral_vae.network import VaeConfig
from models.spectral_vae.settings import TrainConfig
from models.spectral_vae.train import Data, train
from models.training.checkpoint import FILE_NAME
from models.training.run_config import RunConfig

SMALL = TrainConfig(
    model=VaeConfig(latent=4, encoder_hidden=48, hidden=64, harmonics=24, bands=24),
    max_steps=40,
    segments=16,
    warmup_steps=10,
    check_every=20,
)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Threads only get into each other's way at this size, and one adds up numbers in the same order every time."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_orchestra(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Two instruments, every third semitone, one velocity."""
    settings = orchestra.Settings(step=3, velocities=(80,), instruments=("flute", "clarinet"))
    return orchestra.render(tmp_path_factory.mktemp("orchestra"), settings, command="a test")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="session")
def training(small_orchestra: Manifest, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """A folder with a short training in it, and its model."""
    out = tmp_path_factory.mktemp("training")
    run = RunConfig(out, cache, accelerator="cpu", command="a test")
    return out, train(Data(small_orchestra.folder), run, replace(SMALL), show_progress=False).trained


@pytest.fixture(scope="session")
def model_file(training: tuple[Path, Trained], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "small.onnx"
    export(training[0] / FILE_NAME, out)
    return out


@pytest.fixture(scope="session")
def card(model_file: Path) -> Card:
    return load_model(model_file)[1]
