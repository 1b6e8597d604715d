"""Evaluation, on models whose results are known."""

from __future__ import annotations

import itertools
import json
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from export.format.card import Card, Latent, Method
from export.format.io import load
from models.cli import main
from models.data import manifest
from models.data.manifest import Manifest, Sound, Source
from models.encoding import control_tracks
from models.encoding.roundtrip import EvaluateError, RoundTrip
from models.evaluation import evaluate, figures_as_text
from models.evaluation import latent_probe as probe
from models.evaluation.evaluation_page import FIGURES, PAGE, exhibit

RATE = 48_000


def note(hz: float, seconds: float = 0.6, level: float = 0.15) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    fade = np.minimum(1, np.minimum(time, seconds - time) * 40)
    return np.asarray(fade * level * np.sin(2 * np.pi * hz * time), np.float32)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Sines: two labels, two notes each, one of which is held out."""
    folder = tmp_path_factory.mktemp("notes")
    sounds = []
    for label, level in (("loud", 0.3), ("soft", 0.03)):
        for split, pitch in (("train", 57.0), ("held-out", 64.0)):
            path = f"{label}-{pitch:g}.wav"
            sf.write(folder / path, note(440 * 2 ** ((pitch - 69) / 12), level=level), RATE, subtype="FLOAT")
            sounds.append(Sound(path, label, 0.6, RATE, split, pitch=pitch))  # type: ignore[arg-type]
    made = Manifest(folder, Source("sines"), tuple(sounds))
    manifest.write(made, folder / manifest.FILE_NAME)
    return made


@pytest.mark.parametrize("name", ["singing", "humming", "echo"])
def test_any_model_that_encodes_and_decodes_is_evaluated(models: dict[str, Path], notes: Manifest, name: str) -> None:
    report = evaluate.evaluate(models[name], notes.folder)
    assert [(row.split, row.label, row.sounds) for row in report.rows] == [
        ("held-out", "loud", 1),
        ("held-out", "soft", 1),
        ("held-out", "all", 2),
        ("train", "loud", 1),
        ("train", "soft", 1),
        ("train", "all", 2),
    ]
    played = ["harmonics and noise"] if name == "humming" else []  # it gives audio at a pitch and loudness
    assert list(report.ceilings) == ["true magnitudes", *played]
    ceiling = report.row("held-out", ceiling="true magnitudes")
    assert ceiling.log_mel_db < 1
    assert ceiling.spectral_convergence_db < -25
    assert ceiling.log_mel_db < report.row("held-out").log_mel_db
    assert report.real_time == pytest.approx(1 / report.load)
    assert len(report.dimensions) == load(models[name])[1].latent.size
    assert (report.invert_ms == 0) == (name != "singing")
    assert (report.pitch_leak_cents is None) == (name == "echo")


def test_only_a_model_with_pitch_control_matches_pitch_and_level(models: dict[str, Path], notes: Manifest) -> None:
    singing, humming = (
        evaluate.evaluate(models[name], notes.folder).row("held-out") for name in ("singing", "humming")
    )
    assert singing.pitch_cents is not None
    assert singing.pitch_cents < 2
    assert singing.over_25_cents == 0
    assert singing.spectral_convergence_db < humming.spectral_convergence_db
    assert singing.multi_resolution < humming.multi_resolution
    assert singing.worst in {"loud-64.wav", "soft-64.wav"}
    assert singing.log_mel_worst_db >= singing.log_mel_db


def test_usage_and_effect_of_each_latent_are_measured(models: dict[str, Path], notes: Manifest) -> None:
    report = evaluate.evaluate(models["singing"], notes.folder)
    octave, idle = report.dimensions
    assert octave.active
    assert not idle.active
    assert report.active_units == 1
    last = (1.5 + 1.125) / 2  # the middle of the last eighth of a sweep to 2, whose ends are left out
    assert octave.level_leak_db == pytest.approx(10 * np.log10(1 + last**2), abs=0.3)
    assert octave.effect_db > 1
    assert octave.centroid_hz > 50
    assert idle.level_leak_db < 0.1
    assert idle.effect_db < 0.1
    assert report.level_leak_db == octave.level_leak_db
    assert report.pitch_leak_cents is not None
    assert report.pitch_leak_cents < 3


def test_a_level_that_changes_by_six_decibels_leaks_six() -> None:
    tone = np.sin(np.arange(80_000) * 0.3)
    assert probe.level_leak_db(tone) == pytest.approx(0, abs=0.01)
    assert probe.level_leak_db(np.where(np.arange(80_000) < 40_000, tone, tone / 2)) == pytest.approx(6.02, abs=0.02)


@pytest.mark.parametrize(("early", "late"), [(0, 0), (128, 0), (0, 200), (100, 56)])
def test_reconstructions_are_aligned_for_all_delays(models: dict[str, Path], early: int, late: int) -> None:
    """A card that says that latents and sound come later moves what comes back, by as much."""
    model, card = load(models["echo"])
    audio = np.random.default_rng(0).standard_normal(12_800).astype(np.float32)
    encode, decode = Method(128, "latent", delay=early), Method(128, "audio", delay=late)
    made = RoundTrip(model, Card("echo", RATE, {"encode": encode, "decode": decode}, card.latent))(audio)
    assert made.shape == audio.shape
    sample = np.arange(12_000)
    begin = (sample + late) // 128 * 128 + early  # of what is held there: the mean of 128 samples
    summed = np.concatenate([[0.0], np.cumsum(np.float64(np.pad(audio, (0, 128))))])
    assert made[sample] == pytest.approx((summed[begin + 128] - summed[begin]) / 128, abs=1e-5)


def test_a_sound_longer_than_a_segment_is_encoded_as_one(models: dict[str, Path]) -> None:
    card = load(models["singing"])[1]
    time = np.arange(10 * RATE) / RATE
    pitch = 57 + 4 * np.sin(2 * np.pi * 0.1 * time)
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / RATE
    audio = np.asarray(0.2 * sum(np.sin(k * phase) / k for k in range(1, 6)), np.float32)
    found = control_tracks.measure(audio, card)
    frames = 1 + len(audio) // 256
    assert len(found["pitch"]) == len(found["loudness"]) == frames
    expected = pitch[np.minimum(np.arange(frames) * 256, len(pitch) - 1)]
    assert np.abs(found["pitch"] - expected)[20:-20].max() < 0.3
    assert np.ptp(found["loudness"][20:-20]) < 1
    cut = np.array_split(audio, 37)
    parts = list(control_tracks.follow(cut, card))
    assert len(parts) > 1
    assert np.array_equal(np.concatenate([part["pitch"] for part in parts]), found["pitch"])


def test_encoding_a_longer_sound_takes_no_more_memory(models: dict[str, Path]) -> None:
    card = load(models["singing"])[1]
    loudness = tuple(control for control in card.method("decode").controls if control.name == "loudness")
    decode = replace(card.method("decode"), controls=loudness)
    portion = np.zeros(4_800, np.float32)
    peaks = []
    for seconds in (20, 100):
        tracemalloc.start()
        given = itertools.repeat(portion, 10 * seconds)
        frames = sum(
            len(part["loudness"]) for part in control_tracks.follow(given, replace(card, methods={"decode": decode}))
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert frames == 1 + seconds * RATE // 256
    assert peaks[1] < 1.1 * peaks[0]


def test_a_short_window_keeps_onsets_sharp() -> None:
    audio = np.zeros(RATE, np.float32)
    audio[RATE // 2 :] = 0.1 * np.sign(np.sin(np.arange(RATE // 2)))
    found = control_tracks.loudness_db(audio, RATE, 256)
    onset = RATE // 2 // 256
    assert found[onset + 3] == pytest.approx(-20, abs=0.1)
    assert found[onset - 2] == -100
    assert control_tracks.loudness_db(audio, RATE, 256, low=True)[onset - 1] > -60


def test_a_model_with_two_hops_is_rejected(models: dict[str, Path]) -> None:
    model, card = load(models["echo"])
    methods = {"encode": Method(hop=64, output="latent"), "decode": card.method("decode")}
    with pytest.raises(EvaluateError, match="one hop for both"):
        RoundTrip(model, Card("echo", RATE, methods, Latent.plain(1)))


def test_the_page_shows_the_results(models: dict[str, Path], notes: Manifest, tmp_path: Path) -> None:
    report = evaluate.evaluate(models["singing"], notes.folder)
    page = exhibit(models["singing"], notes.folder, report, tmp_path / "page")
    assert page == tmp_path / "page" / PAGE
    text = page.read_text()
    for name in (
        *("sounds.png", "sweeps.png", "latents.png", "morph.png", "glide.png", "walk.png"),
        *("sound-1-original.wav", "sound-1-model.wav", "sound-1-ceiling.wav"),
        *("sweep-1.wav", "sweep-2.wav", "morph.wav", "glide.wav", "walk.wav"),
    ):
        assert (page.parent / name).stat().st_size > 1000
        assert f'src="{name}"' in text
    kept = json.loads((page.parent / FIGURES).read_text())
    assert kept == json.loads(report.to_json())
    assert {"rows", "load", "real_time", "active_units", "level_leak_db", "dimensions", "ceilings"} <= kept.keys()
    for cells, _ in figures_as_text.lines(report):
        assert all(f"<td>{cell}</td>" in text for cell in cells)


def test_an_empty_manifest_gives_a_one_sentence_error(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["glitch-lab", "evaluate", str(models["singing"])])
    with pytest.raises(SystemExit) as caught:
        main()
    assert "give their manifest" in str(caught.value.code)


def test_a_folder_that_cannot_be_created_gives_a_one_sentence_error(
    models: dict[str, Path], notes: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "page")
    arguments = ["evaluate", str(models["singing"]), str(notes.folder), "--limit=1", "--out", out]
    monkeypatch.setattr(sys, "argv", ["glitch-lab", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert str(caught.value.code).startswith("Cannot write to ")
