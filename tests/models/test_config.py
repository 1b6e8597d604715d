from pathlib import Path

import pytest

from models import config
from models.config import ConfigError, TrainConfig


def test_without_a_file_the_defaults_hold() -> None:
    assert config.read(None) == TrainConfig()


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("seed = 3\nmax_steps = 7\nbeta = 1\n[model]\nlatent = 8\n")
    read = config.read(file, seed=5, max_minutes=None)
    assert (read.seed, read.max_steps, read.beta, read.max_minutes, read.model.latent) == (5, 7, 1.0, None, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour = 1", "no setting 'colour'"),
        ("[model]\ncolour = 1", "no setting 'colour'"),
        ("seed = 1.5", "'seed' must be a whole number"),
        ("beta = 'big'", "'beta' must be a number"),
        ("learning_rate = 0", "'learning_rate' must be a number from 1e-08 to 1"),
        ("model = 3", "must be a table"),
        ("[model]\nn_fft = 2000", "power of two"),
        ("[model]\nhop = 300", "whole hops"),
        ("seed = ", "not TOML"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        config.read(file)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration"):
        config.read(tmp_path / "a.toml")


def test_a_resumed_training_may_be_longer_but_not_another() -> None:
    config.check_resumable(TrainConfig(max_steps=5), TrainConfig(max_steps=9, max_minutes=3.0))
    with pytest.raises(ConfigError, match="began with seed = 0, not 1"):
        config.check_resumable(TrainConfig(), TrainConfig(seed=1))
