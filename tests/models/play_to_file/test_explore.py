"""Ways through a model: what they lead past, and that they are written whole or not at all."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from export.errors import GlitchError
from export.format.io import load
from models.cli import main
from models.encoding.encoded_sound import EncodeError, encode_sound
from models.play_to_file.explore import ExploreError, explore
from models.play_to_file.explore import ExploreSettings as Settings
from models.play_to_file.named_parameters import KnobError
from models.report.long_spectrogram import BANDS, COLUMNS, spectrogram_of
from models.report.png_plots import PictureError
from realtime.takes.recorder import RecordError
from tests.realtime.decks.test_offline_deck import RATE, SECONDS, SEED, on_stage


def tone(path: Path, hz: float, *, rate: int = 44_100, seconds: float = 1.0, channels: int = 2) -> Path:
    time = np.arange(round(seconds * rate)) / rate
    fade = np.minimum(1, np.minimum(time, seconds - time) * 20)
    sound = fade * sum(0.15 / k * np.sin(2 * np.pi * hz * k * time) for k in range(1, 8))
    sf.write(path, np.repeat(sound[:, None], channels, axis=1), rate)
    return path


def read(path: Path) -> np.ndarray:
    return sf.read(path, dtype="float32", always_2d=True)[0]


@pytest.mark.plays
def test_a_walk_equals_the_recording_of_the_stage(models: dict[str, Path], tmp_path: Path) -> None:
    model = tmp_path / "mine.onnx"
    shutil.copy(models["bundled"], model)
    knobs = {"/walk/kind": 1.0, "/walk/speed": 2.0, "/walk/radius": 1.25, "/walk/seed": float(SEED), "/pitch": 60.0}
    settings = Settings("spherical", seconds=SECONDS, speed=2.0, radius=1.25, seed=SEED, controls={"pitch": 60.0})
    made = explore(model, tmp_path / "walk.wav", settings)
    assert (made.seconds, made.rate, made.channels, made.nonfinite) == (SECONDS, RATE, 1, 0)
    offline = read(tmp_path / "walk.wav")
    stage = on_stage(model, tmp_path, knobs)[: len(offline)]
    assert np.abs(offline).max() > 0.05
    assert np.abs(offline - stage).max() <= 1e-5


def test_the_seed_is_the_walk(models: dict[str, Path], tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        explore(models["level"], tmp_path / f"{name}.wav", Settings(seconds=1.0, speed=4.0, seed=seed))
    one, again, two = (read(tmp_path / f"{name}.wav") for name in ("one", "again", "two"))
    assert (one == again).all()
    assert np.abs(one - two).max() > 0.01


def test_a_sweep_passes_every_latent_once_from_end_to_end(models: dict[str, Path], tmp_path: Path) -> None:
    from models.play_to_file.explore import play, prepare
    from models.play_to_file.latent_routes import SweepRoute

    route = SweepRoute(load(models["level"])[1], 2.0, 4.0)
    engine = prepare(models["level"], route, RATE, Settings("sweep"))
    found = np.array([engine.latents.manual.copy() for _ in play(engine, route, 4 * RATE)])  # [frames, latents]
    for k, quarter in enumerate(np.array_split(found, 4)):
        others = np.delete(quarter[1:-1], k, axis=1)
        assert (others == 0).all()
        assert quarter[1, k] == pytest.approx(-2, abs=0.1)
        assert quarter[-2, k] == pytest.approx(2, abs=0.1)


def test_a_grid_goes_over_the_map_where_there_is_one(models: dict[str, Path], tmp_path: Path) -> None:
    from models.play_to_file.explore import play, prepare
    from models.play_to_file.latent_routes import SIDE, GridRoute

    for name in ("bundled", "level"):
        route = GridRoute(load(models[name])[1], 2.0, 1.6)
        engine = prepare(models[name], route, RATE, Settings("grid"))
        seen = set()
        for _ in play(engine, route, round(1.6 * RATE)):
            knobs = engine.values
            xy = (knobs["/xy/x"], knobs["/xy/y"]) if name == "bundled" else tuple(engine.latents.manual[:2])
            seen.add(tuple(np.round(xy, 3)))
        low, high = (0.0, 1.0) if name == "bundled" else (-2.0, 2.0)
        assert len(seen) == SIDE * SIDE
        assert {min(seen), max(seen)} == {(low, low), (high, high)}


@pytest.mark.parametrize("rate", [48_000, 22_050])
def test_a_sound_through_the_model_is_aligned_with_its_source(
    models: dict[str, Path], tmp_path: Path, rate: int
) -> None:
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(2 * rate))
    hz = np.fft.rfftfreq(2 * rate, 1 / rate)
    given = np.fft.irfft(np.where((hz > 40) & (hz < 120), spectrum, 0))
    given *= 0.3 / np.abs(given).max()
    sf.write(tmp_path / "in.wav", np.stack([given, given], axis=1), rate, subtype="FLOAT")
    made = explore(models["echo"], tmp_path / "out.wav", Settings("through", sounds=(tmp_path / "in.wav",)))
    assert (made.seconds, made.rate) == (2.0, rate)
    out = read(tmp_path / "out.wav")[:, 0]
    assert len(out) == len(given)
    inside = slice(rate // 2, -rate // 4)
    shifts = range(-rate // 100, rate // 100, 4)
    alike = [np.corrcoef(given[inside], np.roll(out, -shift)[inside])[0, 1] for shift in shifts]
    assert max(alike) > 0.9
    # The model holds the mean of 128 of its samples, and its card calls that half as late.
    assert abs(shifts[int(np.argmax(alike))]) <= 1.2 * 64 * rate / RATE


def test_pitch_and_loudness_follow_the_source(models: dict[str, Path], tmp_path: Path) -> None:
    path = tone(tmp_path / "a.wav", 220.0)
    plain = {"latent/1/scale": 0.0}  # without the octave
    explore(models["singing"], tmp_path / "out.wav", Settings("through", sounds=(path,), controls=plain))
    made, given = read(tmp_path / "out.wav")[:, 0], read(path)[:, 0]
    assert len(made) == len(given)
    from models.dsp.pitch import refine

    assert np.median(np.abs(refine(made[8_000:-8_000], 44_100, 57.0, 256) - 57.0)) < 0.1
    inside = slice(12_000, -12_000)
    assert 20 * np.log10(made[inside].std() / given[inside].std()) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".mp3"])
def test_sounds_of_any_format_keep_their_sample_rate(models: dict[str, Path], tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    sf.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (9_000, 2)), 32_000)
    made = explore(models["humming"], tmp_path / "out.flac", Settings("through", sounds=(path,)))
    assert sf.info(tmp_path / "out.flac").frames == sf.info(path).frames == round(made.seconds * 32_000)
    assert (made.rate, made.channels) == (32_000, 1)
    assert np.abs(read(tmp_path / "out.flac")).max() > 0.01


def test_a_truncated_input_gives_an_error_and_leaves_no_file(models: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "in.flac"
    sf.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 200_000), 48_000)
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(GlitchError, match="to its end"):
        explore(models["echo"], tmp_path / "out.wav", Settings("through", sounds=(path,)))
    assert list(tmp_path.iterdir()) == [path]


def test_a_fixed_control_is_not_followed(models: dict[str, Path], tmp_path: Path) -> None:
    from models.dsp.pitch import refine

    path = tone(tmp_path / "a.wav", 220.0)
    explore(models["singing"], tmp_path / "out.wav", Settings("through", sounds=(path,), controls={"pitch": 64.0}))
    made = read(tmp_path / "out.wav")[8_000:-8_000, 0]
    assert np.median(np.abs(refine(made, 44_100, 64.0, 256) - 64.0)) < 0.1


@pytest.mark.parametrize("way", ["linear", "spherical"])
def test_a_morph_leads_from_one_sound_to_the_other(models: dict[str, Path], tmp_path: Path, way: str) -> None:
    from models.play_to_file.explore import play, prepare
    from models.play_to_file.latent_routes import MorphRoute

    one = tone(tmp_path / "one.wav", 220.0)
    two = tone(tmp_path / "two.flac", 330.0, rate=48_000, seconds=0.7, channels=1)
    card = load(models["singing"])[1]
    sounds = [encode_sound(models["singing"], path) for path in (one, two)]
    route = MorphRoute(card, sounds, way)
    assert route.seconds == pytest.approx(1.0, abs=0.01)
    engine = prepare(models["singing"], route, RATE, Settings())
    scores, pitches = [], []
    for _ in play(engine, route, round(route.seconds * RATE)):
        scores.append(engine.latents.scores)
        pitches.append(engine.values["/pitch"])
    assert np.allclose(scores[0], np.clip(sounds[0].scores[0], -6, 6), atol=1e-6)
    assert np.allclose(scores[-1], np.clip(sounds[1].scores[-1], -6, 6), atol=1e-6)
    middle = len(pitches) // 2
    assert pitches[middle // 4] == pytest.approx(57, abs=1.5)
    assert pitches[middle] == pytest.approx(57 + 3.5, abs=1)
    assert pitches[-middle // 4] == pytest.approx(64, abs=1.5)


def test_encoded_frames_are_aligned_with_the_sound(models: dict[str, Path], tmp_path: Path) -> None:
    rate = 44_100
    steps = np.repeat([0.0, 0.5, -0.5, 0.25], rate // 4)
    sf.write(tmp_path / "steps.wav", steps, rate)
    output = encode_sound(models["echo"], tmp_path / "steps.wav")
    frames = len(output)
    assert frames == pytest.approx(48_000 / 128, abs=1)
    for k, level in enumerate((0.0, 0.5, -0.5, 0.25)):
        inside = output.scores[round((k + 0.1) * frames / 4) : round((k + 0.9) * frames / 4), 0]
        assert inside == pytest.approx(level, abs=0.01)


def test_the_picture_shows_the_whole_sound(models: dict[str, Path], tmp_path: Path) -> None:
    png = tmp_path / "walk.png"
    for name in ("bundled", "level"):  # with a map, and without
        explore(models[name], tmp_path / "walk.wav", Settings(seconds=1.0), picture=png)
        assert png.read_bytes().startswith(b"\x89PNG\r\n")
        png.unlink()


def test_a_long_spectrogram_fills_its_columns_and_shows_frequencies_in_place() -> None:
    time = np.arange(16 * RATE) / RATE
    spectrogram = spectrogram_of(
        np.where(time < 8, np.sin(2 * np.pi * 1000 * time), 0.01 * np.sin(2 * np.pi * 4000 * time)), RATE
    )
    shown = spectrogram.decibels()
    assert shown.shape == (BANDS, COLUMNS)
    assert shown.max() == 0
    assert np.argmax(shown[:, COLUMNS // 4]) == pytest.approx(spectrogram.place_of(1000), abs=1)
    assert np.argmax(shown[:, 3 * COLUMNS // 4]) == pytest.approx(spectrogram.place_of(4000), abs=1)
    # 40 dB less, in a band three times as wide, by whose width it is divided
    assert shown[:, 3 * COLUMNS // 4].max() == pytest.approx(-46, abs=6)
    assert spectrogram_of(np.zeros(100), RATE).decibels().shape[1] == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings("sideways"), "There is no way 'sideways'"),  # type: ignore[arg-type]
        (Settings(seconds=0.0), "longer than 0 s"),
        (Settings("through"), "and 0 are given"),
        (Settings(sounds=(Path("a.wav"),)), "name two"),
        (Settings("brownian", sounds=(Path("a.wav"), Path("b.wav"))), "takes no sounds"),
        (Settings("through", sounds=(Path("a.wav"),), rate=44_100), "keeps its own rate"),
        (Settings(controls={"colour": 1.0}), "has no control 'colour'"),
        (Settings(controls={"gain": 1.0}), "has no control 'gain'"),
    ],
)
def test_impossible_requests_give_a_one_sentence_error(
    models: dict[str, Path], tmp_path: Path, settings: Settings, says: str
) -> None:
    with pytest.raises((ExploreError, KnobError), match=says):
        explore(models["level"], tmp_path / "a.wav", settings)
    assert not list(tmp_path.iterdir())


def test_unreadable_inputs_and_unwritable_outputs_are_refused_and_leave_no_file(
    models: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no sound")
    before = set(tmp_path.iterdir())
    for out, settings, picture, kind in (
        ("a.txt", Settings(), None, RecordError),
        ("nowhere/a.wav", Settings(), None, RecordError),
        ("a.wav", Settings(), tmp_path / "a.jpg", PictureError),
        ("a.wav", Settings(), tmp_path / "nowhere" / "a.png", PictureError),
        ("a.wav", Settings("through", sounds=(broken,)), None, EncodeError),  # the model has no encoder
    ):
        with pytest.raises(kind):
            explore(models["level"], tmp_path / out, settings, picture=picture)
    with pytest.raises(GlitchError, match="Cannot read the sound"):
        explore(models["echo"], tmp_path / "a.wav", Settings("through", sounds=(broken,)))
    assert set(tmp_path.iterdir()) == before


def test_the_command_writes_sound_and_picture(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "walk.flac"
    arguments = ["explore", str(models["bundled"]), str(out), "--way=spherical", "--minutes=0.01", "--rate=44100"]
    monkeypatch.setattr(sys, "argv", ["glitch-lab", *arguments, "--controls", "pitch=60, loudness=-20"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert not caught.value.code
    assert sf.info(out).samplerate == 44_100
    assert sf.info(out).frames == round(0.6 * 44_100)
    assert out.with_suffix(".png").is_file()
    assert "0.6 s of sound at 44100 Hz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seconds=1", "--minutes=1"], "give one of them"),
        (["--picture=a.png", "--no-picture"], "give one of them"),
        (["--controls=pitch"], "takes pairs with commas"),
        (["--controls=pitch=high"], "takes pairs with commas"),
    ],
)
def test_wrong_options_get_one_sentence(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["glitch-lab", "explore", str(models["level"]), str(tmp_path / "a.wav"), *arguments]
    )
    with pytest.raises(SystemExit) as caught:
        main()
    assert says in str(caught.value.code)
