"""A small playable model, made once for all tests here."""

from pathlib import Path

import pytest

from models.data.manifest import Manifest
from models.playable_vae.checkpoint import Playable
from models.playable_vae.finish import finish
from models.playable_vae.network import PlayableConfig
from models.playable_vae.settings import PlayableSettings
from models.playable_vae.train import train
from models.training.finish import Finished
from models.training.run_config import RunConfig

SMALL = PlayableSettings(
    model=PlayableConfig(latent=4, hidden=48, hearing=48),
    max_steps=60,
    segments=16,
    segment_frames=4,
    warmup_steps=10,
    check_every=30,
    fit_steps=30,
)


@pytest.fixture(scope="session")
def playable(small_orchestra: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Playable]:
    """A folder with a short training in it, and what came out."""
    out = tmp_path_factory.mktemp("playable")
    run = RunConfig(out, accelerator="cpu", command="a test")
    return out, train(small_orchestra.folder, run, SMALL, show_progress=False)


@pytest.fixture(scope="session")
def finished(playable: tuple[Path, Playable], small_orchestra: Manifest) -> Finished:
    return finish(playable[1], small_orchestra.folder, RunConfig(playable[0]))


@pytest.fixture(scope="session")
def playable_file(finished: Finished) -> Path:
    assert finished.model is not None
    return finished.model
