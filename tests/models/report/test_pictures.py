import base64
import io
import re

import numpy as np
import pytest
import soundfile
from PIL import Image

from models.report import embedded_media as pictures
from models.report.single_file_page import page, section, table


def test_a_png_is_read_by_another_library() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 13, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(pictures.png(pixels)))), pixels)


def test_a_tone_is_a_bright_line_at_its_frequency() -> None:
    rate = 48_000
    audio = (0.5 * np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate)).astype(np.float32)
    level = pictures.mel_db(audio, rate)
    pixels = pictures.spectrogram(level, float(level.max())).astype(int)
    bright = pixels.sum(axis=2)[:, 20:-20]
    row = int(bright.mean(axis=1).argmax())
    assert 128 - 1 - row == int(level.mean(axis=1).argmax())
    assert bright[row].mean() > 5 * bright[5].mean()


def test_an_embedded_sound_is_unchanged() -> None:
    audio = (0.3 * np.sin(np.arange(4_800) / 7)).astype(np.float32)
    found = re.search(r"base64,([^\"]+)", pictures.player(audio, 48_000))
    assert found
    read, rate = soundfile.read(io.BytesIO(base64.b64decode(found[1])))
    assert rate == 48_000
    assert read[480:-480] == pytest.approx(audio[480:-480], abs=1e-4)
    assert read[0] == read[-1] == 0


def test_a_page_is_self_contained_and_escapes_names() -> None:
    made = page("a <b>", [section("files", table([("<script>alert(1)</script>", 3, None)], ("name", "n", "x")))])
    assert "<script>" not in made
    assert not re.search(r"(src|href)=\"(?!data:)", made)
