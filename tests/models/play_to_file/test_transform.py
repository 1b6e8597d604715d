"""A sound file through a model: as long as it was, every sample in its place, whatever the file is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.errors import GlitchError
from export.format.io import load, save
from models.play_to_file.transform import TransformSettings as Settings
from models.play_to_file.transform import transform
from tests import reference

RATE = 48_000


def noise(samples: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((samples, channels))).astype(np.float32)


def tones(rate: int, seconds: float = 1.0) -> np.ndarray:
    """Well below half of 8 kHz, in and out gently, so that resamplers pass it."""
    t = np.arange(round(rate * seconds)) / rate
    shape = np.minimum(1, np.minimum(t, t[::-1]) / 0.05)
    return (shape * sum(0.1 * np.sin(2 * np.pi * f * t) for f in (110.0, 997.0, 2500.0))).astype(np.float32)[:, None]


def through(model: Path, sound: np.ndarray, folder: Path, rate: int = RATE, **settings: object) -> np.ndarray:
    """Let a sound go through a model, as files."""
    given, out = folder / "in.wav", folder / "out.wav"
    sf.write(given, sound, rate, subtype="FLOAT")
    made = transform(model, given, out, Settings(force=True, **settings))  # type: ignore[arg-type]
    audio, reported = sf.read(out, dtype="float32", always_2d=True)
    assert (reported, audio.shape) == (rate, sound.shape)
    assert (made.rate, made.channels) == (rate, sound.shape[1])
    assert [path.name for path in sorted(folder.iterdir())] == ["in.wav", "out.wav"]
    return np.asarray(audio)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.one_of(st.integers(1, 400), st.integers(30_000, 36_000), st.integers(60_000, 70_000)))
def test_any_length_round_trips_sample_for_sample(models: dict[str, Path], tmp_path: Path, samples: int) -> None:
    sound = noise(samples)
    np.testing.assert_array_equal(through(models["passing"], sound, tmp_path), sound)


@pytest.mark.parametrize("samples", [20_000, 32_768, 32_769, 36_000, 80_000])
def test_a_sound_is_read_to_its_last_sample(models: dict[str, Path], tmp_path: Path, samples: int) -> None:
    """However it is cut into blocks, and however late the model's answer is."""
    sound = noise(samples)
    longer = through(models["resonant"], np.concatenate([sound, np.zeros((2000, 1), np.float32)]), tmp_path)
    made = through(models["resonant"], sound, tmp_path)
    assert np.abs(made[-64:]).max() > 0.01
    np.testing.assert_array_equal(made, longer[:samples])


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 96_000, 192_000])
def test_any_sample_rate_keeps_its_timing(models: dict[str, Path], tmp_path: Path, rate: int) -> None:
    sound = tones(rate)
    np.testing.assert_allclose(through(models["passing"], sound, tmp_path, rate), sound, atol=2e-3)


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_each_channel_goes_through_a_state_by_itself(models: dict[str, Path], tmp_path: Path, channels: int) -> None:
    sound = noise(20_001, channels)
    np.testing.assert_array_equal(through(models["passing"], sound, tmp_path), sound)
    alone = through(models["resonant"], sound[:, 1:2], tmp_path)
    np.testing.assert_array_equal(through(models["resonant"], sound, tmp_path)[:, 1:2], alone)


def test_a_stereo_model_takes_both_channels_at_once_and_mono_on_both(models: dict[str, Path], tmp_path: Path) -> None:
    for channels in (1, 2, 3):
        sound = noise(10_000, channels)
        np.testing.assert_allclose(through(models["louder"], sound, tmp_path), 4 * sound, rtol=1e-6)


@pytest.mark.parametrize(
    "sound", [np.zeros((0, 1)), np.zeros((50_000, 2)), np.sign(noise(50_000)), 3 * np.sign(noise(9999, 2))]
)
@pytest.mark.parametrize("model", ["passing", "resonant"])
def test_empty_silent_and_clipped_files_keep_their_length(
    models: dict[str, Path], tmp_path: Path, sound: np.ndarray, model: str
) -> None:
    made = through(models[model], sound.astype(np.float32), tmp_path)
    assert np.isfinite(made).all()
    assert sound.any() or not np.abs(made).max(initial=0.0) > 1e-6


@pytest.mark.parametrize(("frames", "bands"), [(1, 0), (4, 64)])
def test_magnitudes_and_mel_bands_come_back_in_their_place(tmp_path: Path, frames: int, bands: int) -> None:
    model = reference.spectral_model(tmp_path / "spectral.onnx", frames=frames, bands=bands)
    sound = np.zeros((RATE, 1), np.float32)
    sound[20_000:22_000] = noise(2000)
    folder = tmp_path / "files"
    folder.mkdir()
    power = through(model, sound, folder)[:, 0].astype(float) ** 2
    assert (power * np.arange(RATE)).sum() / power.sum() == pytest.approx(21_000, abs=150)


def test_the_mix_is_of_equal_power_and_the_dry_sound_untouched(models: dict[str, Path], tmp_path: Path) -> None:
    sound = noise(50_000, 2)
    np.testing.assert_array_equal(through(models["resonant"], sound, tmp_path, mix=0.0), sound)
    np.testing.assert_allclose(through(models["passing"], sound, tmp_path, mix=0.5), np.sqrt(2) * sound, rtol=1e-5)


def test_it_equals_the_output_of_the_stage(models: dict[str, Path], tmp_path: Path) -> None:
    from realtime.engine.engine import Engine

    sound = noise(12_800)
    made = through(models["resonant"], sound, tmp_path, seed=7, controls={"feedback": 0.5})
    engine = Engine(models["resonant"], RATE, seed=7, inputs=1)
    engine.apply(engine.table["/feedback"].index, 0.5)
    engine.settle()
    live = np.concatenate([engine.next(sound[k : k + 128].T) for k in range(0, 12_800, 128)], axis=1)[0]
    late = engine.input_delay
    np.testing.assert_array_equal(made[: 12_800 - late, 0], live[late:])


def test_a_model_that_encodes_and_decodes_transforms_too(models: dict[str, Path], tmp_path: Path) -> None:
    level = np.repeat([0.1, -0.2, 0.3, 0.0], 12_800).astype(np.float32)[:, None]
    made = through(models["echo"], level, tmp_path)
    same = np.abs(made - level) < 1e-6
    assert same.mean() > 0.95


def test_the_bundled_model_follows_pitch_and_loudness(models: dict[str, Path], tmp_path: Path) -> None:
    t = np.arange(2 * RATE) / RATE
    sound = np.sum([0.3 / k * np.sin(2 * np.pi * 330 * k * t) for k in range(1, 6)], axis=0).astype(np.float32)[:, None]
    made = through(models["bundled"], sound, tmp_path)[RATE // 2 :, 0]
    spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made))))
    hz = np.fft.rfftfreq(len(made), 1 / RATE)[spectrum.argmax()]
    assert min(abs(hz / 330 - k) for k in range(1, 6)) < 0.03


@pytest.mark.parametrize(
    ("kind", "out", "kept"),
    [
        (("wav", "PCM_16"), "o.wav", "PCM_16"),
        (("wav", "PCM_24"), "o.flac", "PCM_24"),
        (("flac", "PCM_16"), "o.wav", "PCM_16"),
        (("wav", "FLOAT"), "o.flac", "PCM_24"),
        (("wav", "DOUBLE"), "o.wav", "DOUBLE"),
        (("wav", "PCM_U8"), "o.wav", "PCM_U8"),
        (("wav", "ULAW"), "o.flac", "PCM_24"),
        (("ogg", "VORBIS"), "o.wav", "FLOAT"),
    ],
)
def test_samples_are_kept_as_they_were_where_the_format_can(
    models: dict[str, Path], tmp_path: Path, kind: tuple[str, str], out: str, kept: str
) -> None:
    given = tmp_path / f"given.{kind[0]}"
    sf.write(given, noise(9000, 2), 44_100, subtype=kind[1])
    transform(models["passing"], given, tmp_path / out, Settings())
    info = sf.info(tmp_path / out)
    assert (info.subtype, info.frames, info.samplerate, info.channels) == (kept, 9000, 44_100, 2)


def test_clipping_in_the_output_file_is_reported(models: dict[str, Path], tmp_path: Path) -> None:
    sf.write(tmp_path / "in.wav", np.full((4800, 1), 0.5), RATE, subtype="PCM_16")
    made = transform(models["louder"], tmp_path / "in.wav", tmp_path / "out.wav", Settings())
    assert made.over_db == pytest.approx(6.0, abs=0.1)
    audio, _ = sf.read(tmp_path / "out.wav")
    assert 0.99 < audio[100:].min() <= audio.max() <= 1.0


def test_an_existing_file_is_overwritten_only_with_force(models: dict[str, Path], tmp_path: Path) -> None:
    given, out = tmp_path / "in.wav", tmp_path / "out.wav"
    sf.write(given, noise(1000), RATE)
    out.write_bytes(b"mine")
    with pytest.raises(GlitchError, match="is there already; give another name, or --force"):
        transform(models["passing"], given, out, Settings())
    assert out.read_bytes() == b"mine"
    transform(models["passing"], given, out, Settings(force=True))
    transform(models["passing"], out, out, Settings(force=True))  # in its own place
    assert sf.info(out).frames == 1000


@pytest.mark.parametrize(
    ("model", "given", "out", "settings", "says"),
    [
        ("level", "in.wav", "out.wav", Settings(), "has no 'transform', and not both 'encode' and 'decode'"),
        ("passing", "missing.wav", "out.wav", Settings(), "There is no sound file .*missing.wav"),
        ("passing", "nothing.wav", "out.wav", Settings(), "nothing.wav is empty"),
        ("passing", "text.wav", "out.wav", Settings(), "Cannot read the sound .*text.wav"),
        ("passing", "in.wav", "out.txt", Settings(), "ends in .wav, .flac"),
        ("passing", "in.wav", "nowhere/out.wav", Settings(), "there is no folder for it"),
        ("passing", "in.wav", "out.wav", Settings(mix=2.0), "--mix goes from 0"),
        (
            "passing",
            "in.wav",
            "out.wav",
            Settings(controls={"colour": 1.0}),
            "no control 'colour'; its own are: level",
        ),
        (
            "resonant",
            "in.wav",
            "out.wav",
            Settings(controls={"colour": 1.0}),
            "'colour'; it has none of its own",
        ),
        (
            "passing",
            "in.wav",
            "out.wav",
            Settings(controls={"feedback": 9.0}),
            "/feedback goes from 0 to 1, so",
        ),
        ("passing", "many.wav", "out.flac", Settings(), "Cannot write .*out.flac"),
    ],
)
def test_impossible_requests_give_a_one_sentence_error_and_leave_no_file(
    models: dict[str, Path], tmp_path: Path, model: str, given: str, out: str, settings: Settings, says: str
) -> None:
    sf.write(tmp_path / "in.wav", noise(1000), RATE)
    sf.write(tmp_path / "many.wav", noise(100, 12), RATE)
    (tmp_path / "text.wav").write_text("not a sound")
    (tmp_path / "nothing.wav").touch()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(GlitchError, match=says) as caught:
        transform(models[model], tmp_path / given, tmp_path / out, settings)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_no_numbers_are_silence(tmp_path: Path, models: dict[str, Path]) -> None:
    model, card = load(models["passing"])
    for node in model.graph.node:
        if node.output[0] == "transform.output":
            node.op_type = "Div"
    save(tmp_path / "broken.onnx", model, card)
    folder = tmp_path / "files"
    folder.mkdir()
    made = through(tmp_path / "broken.onnx", noise(5000), folder, controls={"level": 0.0})
    assert not made.any()


def glitch_lab(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "models.cli", *map(str, arguments)]


def test_the_command_writes_and_reports_without_torch(models: dict[str, Path], tmp_path: Path) -> None:
    sf.write(tmp_path / "in.wav", noise(RATE, 2), RATE)
    command = ["transform", models["passing"], tmp_path / "in.wav", tmp_path / "out.flac", "--mix", "0.5"]
    done = subprocess.run(glitch_lab(*command), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1.0 s of sound at 48000 Hz" in done.stdout
    again = subprocess.run(glitch_lab(*command), capture_output=True, text=True)
    assert again.returncode == 1
    assert again.stderr.strip().endswith("or --force to replace it.")
    code = f"""import sys; sys.argv = ["glitch-lab", *{list(map(str, command))!r}, "--force"]
from models.cli import main
try: main()
finally: print("torch" in sys.modules)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("False"), done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(models: dict[str, Path], tmp_path: Path, number: int) -> None:
    sf.write(tmp_path / "in.wav", noise(RATE * 600), RATE)
    process = subprocess.Popen(
        glitch_lab("transform", models["resonant"], tmp_path / "in.wav", tmp_path / "out.wav"),
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while not list(tmp_path.glob(".*out.wav")) and time.monotonic() < end:
        os.sched_yield()
    process.send_signal(number)
    assert process.wait(30) != 0
    assert "Traceback" not in process.stderr.read()  # type: ignore[union-attr]
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


def test_memory_doesnt_grow_with_the_file(models: dict[str, Path], tmp_path: Path) -> None:
    """Six minutes of stereo, which are 138 MB as numbers."""
    with sf.SoundFile(tmp_path / "in.wav", "w", 44_100, 2, "PCM_16") as file:
        for second in range(360):
            file.write(noise(44_100, 2, second % 7))
    command = ["transform", models["passing"], tmp_path / "in.wav", tmp_path / "out.wav", "--mix", "0.5"]
    code = f"""import sys; sys.argv = ["glitch-lab", *{list(map(str, command))!r}]
from models.cli import main
try: main()
finally: print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 400_000  # KiB, of which nearly all are the interpreter and its libraries
    assert sf.info(tmp_path / "out.wav").frames == 360 * 44_100
