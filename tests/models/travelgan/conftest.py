"""Two domains of tones, and a training so small that it takes no time."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.dsp.log_mel import LogMel
from models.training.run_config import RunConfig
from models.travelgan.networks import GeneratorConfig
from models.travelgan.settings import TravelSettings
from models.travelgan.train import Trained, train
from tests.models.tones import write_tones

TINY = TravelSettings(
    model=GeneratorConfig(bands=32, widths=(4, 6, 8), reach=(1,)),
    scale=LogMel(sample_rate=16_000, n_fft=512, hop=128, bands=32, low_hz=50),
    frames=32,
    batch=4,
    portion=4,
    vector=8,
    gist=0.5,
    identity=0.5,
    max_steps=14,
    check_every=5,
)


@pytest.fixture(scope="session")
def domains(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = write_tones(tmp_path_factory.mktemp("domains"), count=5)
    return folder / "low", folder / "high"


@pytest.fixture(scope="session")
def trained(domains: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    out = tmp_path_factory.mktemp("trained") / "tiny"
    run = RunConfig(out, accelerator="cpu", command="a test")
    return out, train(*domains, run, TINY, show_progress=False)
