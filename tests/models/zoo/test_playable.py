"""The bundled playable models keep what their README promises, on the few notes that a test has time for."""

from pathlib import Path

import numpy as np
import pytest

from export.format.io import load
from models import zoo
from models.data.features import load_audio
from models.data.manifest import Manifest
from models.data.rendered import orchestra
from models.dsp import sound_distances
from models.playable_vae.replay import Replay, Score

ZOO = Path(zoo.__file__).parent
RATE = 48_000


@pytest.fixture(scope="module")
def replay() -> Replay:
    return Replay(*load(ZOO / "orchestra.onnx"))


def test_held_out_notes_come_back_and_each_label_has_a_preset(replay: Replay, small_orchestra: Manifest) -> None:
    notes = small_orchestra.of_split("held-out")[::3]
    text = next(control.text for control in replay.decode.controls if control.name == "instrument")
    assert all(f" {name}" in text for name in orchestra.INSTRUMENTS)
    figures = []
    for note in notes:
        audio = load_audio(small_orchestra.path_of(note), RATE)
        made = replay.resynthesise(audio, note.pitch)
        assert note.pitch is not None
        cents = float(np.median(sound_distances.pitch_errors_cents(audio, made, RATE, note.pitch)))
        mel = sound_distances.log_mel_difference_db(audio, made, RATE)
        figures.append((mel, sound_distances.spectral_convergence_db(audio, made), cents))
    mel, convergence, cents = np.array(figures).T
    assert mel.max() <= 5.0
    assert convergence.max() <= -9.0
    assert cents.max() <= 5.0


def test_they_are_small_and_have_their_provenance() -> None:
    for name, voices in (("orchestra", 1), ("orchestra-eight", 8)):
        path = ZOO / f"{name}.onnx"
        assert path.stat().st_size <= 8_000_000
        _, card = load(path)
        assert card.name == name
        assert card.provenance.licence.startswith("MIT (FluidR3")
        assert card.provenance.command.startswith("glitch-lab train playable")
        assert card.latent.size == 8
        assert "violin A#3" in {point.label for point in card.latent.map}
        pitches = [control for control in card.method("decode").controls if control.name.startswith("pitch")]
        assert len(pitches) == voices
        assert (pitches[0].minimum, pitches[0].maximum, pitches[0].unit) == (24, 108, "MIDI note")


def test_voices_sing_their_vowels_in_tune() -> None:
    from models.dsp.pitch import refine

    path = ZOO / "voices.onnx"
    assert path.stat().st_size <= 8_000_000
    voices = Replay(*load(path))
    assert voices.card.provenance.licence.startswith("CC0")
    assert voices.card.provenance.command.startswith("glitch-lab train playable")
    text = next(control.text for control in voices.decode.controls if control.name == "instrument")
    for name, note in (("bass-o", 43.0), ("tenor-i", 55.0), ("alto-a", 65.0), ("soprano-u", 74.0)):
        number = float(text.partition(f" {name}")[0].rpartition(" ")[2])
        audio = voices.play(Score(np.full(250, note), np.full(250, -25.0), instrument=number))[4_000:]
        assert 10 * np.log10(np.mean(np.square(audio, dtype=float))) == pytest.approx(-25, abs=1)
        assert np.median(np.abs(refine(audio, RATE, note, 256)[8:-8] - note)) < 0.05


def test_moving_a_latent_changes_the_timbre_and_neither_level_nor_pitch(replay: Replay) -> None:
    from models.dsp.pitch import refine

    latent, frames = replay.card.latent, 600
    sweep = np.repeat(np.array(latent.mean)[:, None], frames, axis=1)
    strongest = latent.order[0]
    sweep[strongest] += latent.std[strongest] * np.linspace(-2, 2, frames)
    audio = replay.play(Score(np.full(frames, 57.0), np.full(frames, -20.0), sweep))[4_000:]
    level = [10 * np.log10(np.mean(np.square(part, dtype=float))) for part in np.array_split(audio, 8)]
    assert np.ptp(level) < 0.5
    assert np.mean(level) == pytest.approx(-20, abs=0.5)
    assert np.abs(refine(audio, RATE, 57.0, 256)[10:-10] - 57).max() < 0.05


@pytest.mark.parametrize("name", ["flute", "piano", "violin"])
def test_a_preset_sounds_at_its_pitch_over_its_range(replay: Replay, name: str) -> None:
    from models.dsp.pitch import refine

    text = next(control.text for control in replay.decode.controls if control.name == "instrument")
    number = float(text.partition(f" {name}")[0].rpartition(" ")[2])
    instrument = orchestra.INSTRUMENTS[name]
    for note in np.linspace(instrument.lowest, instrument.highest, 4):
        audio = replay.play(Score(np.full(250, note), np.full(250, -25.0), instrument=number))[4_000:]
        assert np.median(np.abs(refine(audio, RATE, note, 256)[8:-8] - note)) < 0.05
