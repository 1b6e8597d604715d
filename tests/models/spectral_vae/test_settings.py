from pathlib import Path

import pytest

from models.spectral_vae import settings as config
from models.spectral_vae.settings import TrainConfig
from models.training.errors import ConfigError


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


def test_a_missing_file_gives_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration"):
        config.read(tmp_path / "a.toml")


def test_a_resumed_training_may_be_longer_but_not_another() -> None:
    config.check_resumable(TrainConfig(max_steps=5), TrainConfig(max_steps=9, max_minutes=3.0))
    with pytest.raises(ConfigError, match="began with seed = 0, not 1"):
        config.check_resumable(TrainConfig(), TrainConfig(seed=1))


def test_a_preset_applies_unless_file_or_command_line_override_it(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("segments = 7\n[model]\nhidden = 99\n")
    read = config.read(file, preset="fast", max_steps=5)
    assert (read.segments, read.max_steps, read.model.hidden, read.model.latent) == (7, 5, 99, 8)
    assert config.read(None, preset="good") == TrainConfig()
    assert config.read(None, preset="overnight").model.layers == 3
    with pytest.raises(ConfigError, match="no preset 'slow'; there are fast, good, overnight"):
        config.read(None, preset="slow")


def test_a_plan_in_minutes_is_not_limited_by_default_steps(tmp_path: Path) -> None:
    assert config.read(None, preset="fast", max_minutes=600.0).max_steps == config.MAX_STEPS
    assert config.read(None, max_minutes=600.0, max_steps=9).max_steps == 9
    (tmp_path / "a.toml").write_text("max_steps = 8")
    assert config.read(tmp_path / "a.toml", max_minutes=600.0).max_steps == 8


def test_settings_are_changed_as_they_are_read() -> None:
    kept = TrainConfig(seed=3, prepare=True)
    assert config.changed(kept) == kept
    assert config.changed(kept, max_steps=9, seed=None) == TrainConfig(seed=3, prepare=True, max_steps=9)
    with pytest.raises(ConfigError, match="'max_steps' must be a whole number"):
        config.changed(kept, max_steps=0)


def test_whether_sounds_are_prepared_is_yes_or_no_and_may_be_left_open_later(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("prepare = 1")
    with pytest.raises(ConfigError, match="'prepare' must be true or false"):
        config.read(tmp_path / "a.toml")
    config.check_resumable(TrainConfig(prepare=True), TrainConfig())
    with pytest.raises(ConfigError, match="began with prepare = True"):
        config.check_resumable(TrainConfig(prepare=True), TrainConfig(prepare=False))
