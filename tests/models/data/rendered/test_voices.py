import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.data import manifest
from models.data.manifest import Manifest
from models.data.rendered import voices
from models.data.rendered.voices import VOICES, VOWELS, Settings, Tract, sing
from models.dsp import pitch
from models.files.errors import DataError

RATE = 48_000


@pytest.fixture(scope="module")
def sung(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """One voice, five vowels, every seventh note."""
    folder = tmp_path_factory.mktemp("voices")
    return voices.render(folder, Settings(step=7, velocities=(100,), voices=("tenor",)), command="a test")


def spectrum(audio: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """dB at some frequencies, from the held part."""
    x = audio[12_000:44_768].astype(float) * np.hanning(32_768)
    return 20 * np.log10(np.abs(np.fft.rfft(x))[np.round(hz * 32_768 / RATE).astype(int)])


def test_every_vowel_is_sung_on_every_note(sung: Manifest) -> None:
    assert {sound.label for sound in sung.sounds} == {f"tenor-{vowel}" for vowel in VOWELS}
    assert {sound.pitch for sound in sung.sounds} == {46, 53, 60, 67}
    for sound in sung.sounds:
        assert sound.split == ("held-out" if sound.pitch == 67 else "train")
        info = soundfile.info(sung.path_of(sound))
        assert (info.samplerate, info.channels, info.frames) == (RATE, 1, round(1.4 * RATE))
    source = manifest.read(sung.folder).source
    assert source.command == "a test"
    assert source.licence.startswith("CC0")


def test_a_note_has_its_pitch_and_neither_clips_nor_breaks_off(sung: Manifest) -> None:
    for sound in sung.sounds:
        audio, _ = soundfile.read(sung.path_of(sound))
        assert sound.pitch is not None
        assert abs(float(np.median(pitch.refine(audio, RATE, sound.pitch, 256)[30:150])) - sound.pitch) < 0.02
        assert np.abs(audio).max() < 1
        assert np.abs(audio[[0, -1]]).max() < 1e-6


def test_harmonics_lie_under_the_resonances_of_the_vowel() -> None:
    note = 110 * np.arange(1, 30)
    loudest = {}
    for vowel in ("i", "a"):
        audio = sing("tenor", vowel, 45, 100, rate=RATE, random=np.random.default_rng(0))
        levels = spectrum(audio, note.astype(float))
        for k in (1, 2):  # of the first three resonances, the upper two
            near = np.abs(note - VOWELS[vowel][k]) < 250
            loudest[vowel, k] = note[near][np.argmax(levels[near])]
            assert abs(loudest[vowel, k] - VOWELS[vowel][k]) < 150
    assert loudest["i", 1] > 1.6 * loudest["a", 1]


def test_louder_is_brighter_and_softer_has_more_breath() -> None:
    def sounding(velocity: int) -> tuple[float, float, float]:
        audio = sing("alto", "a", 60, velocity, rate=RATE, random=np.random.default_rng(0))
        f0 = 440 * 2 ** (-9 / 12)
        tones = spectrum(audio, f0 * np.arange(1, 20))
        between = spectrum(audio, f0 * (np.arange(1, 20) + 0.5))
        return (
            float(10 * np.log10(np.mean(audio**2))),
            float(tones[10:].mean() - tones[0]),
            float(between.mean() - tones.mean()),
        )

    soft, loud = sounding(20), sounding(120)
    assert loud[0] > soft[0] + 10
    assert loud[1] > soft[1] + 10
    assert loud[2] < soft[2] - 6


def test_a_soprano_opens_her_mouth_for_a_high_note() -> None:
    tract = Tract.of("soprano", "i", 1_000.0, np.random.default_rng(0))
    assert tract.hz[0] == pytest.approx(1_020)
    assert (np.diff(tract.hz) > 0).all()


def test_the_same_seed_gives_the_same_bytes(sung: Manifest, tmp_path: Path) -> None:
    settings = Settings(step=7, velocities=(100,), voices=("tenor",))
    again = voices.render(tmp_path / "again", settings, command="a test")
    for sound in again.sounds:
        here, there = (hashlib.sha256(m.path_of(sound).read_bytes()).digest() for m in (again, sung))
        assert here == there
    other = sing("tenor", "a", 60, 100, rate=RATE, random=np.random.default_rng(1))
    assert not np.array_equal(other, sing("tenor", "a", 60, 100, rate=RATE, random=np.random.default_rng(2)))


@pytest.mark.parametrize("voice", VOICES)
def test_every_voice_sings_its_whole_range_at_any_rate(voice: str) -> None:
    for note in (VOICES[voice].lowest, VOICES[voice].highest):
        for rate in (16_000, 44_100):
            audio = sing(voice, "o", note, 127, rate=rate, random=np.random.default_rng(0))
            assert len(audio) == round(1.4 * rate)
            assert np.isfinite(audio).all()
            assert 0.05 < np.abs(audio).max() < 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Settings(voices=("crow",)), "There is no voice crow; there are bass, tenor, alto, soprano."),
        (Settings(rate=8_000), "Voices are rendered at 16000 to 192000 Hz, not 8000."),
        (Settings(step=0), "at least 1 semitone"),
        (Settings(velocities=(0,)), "whole numbers from 1 to 127"),
    ],
)
def test_wrong_settings_give_a_one_sentence_error(tmp_path: Path, settings: Settings, says: str) -> None:
    with pytest.raises(DataError, match=says):
        voices.render(tmp_path, settings)
