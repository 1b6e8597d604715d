"""Plug-ins of the real world: Debian's package zam-plugins, which has good ones, a late one, and one that hangs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from export.errors import GlitchError
from realtime.effects import lookup as effects_catalog
from realtime.effects.chain import Chain, Effect, find, names, rows
from tests.realtime.effects.test_chain import RATE, noise, play, sine

INSTALLED = Path("/usr/lib/vst3")

pytestmark = pytest.mark.usefixtures("_denormals")


@pytest.fixture(scope="module", autouse=True)
def _zam_plugins() -> None:
    if not (INSTALLED / "ZamCompX2.vst3").exists():
        pytest.fail("The package zam-plugins is missing; install it with: apt-get install zam-plugins")


@pytest.fixture(scope="module")
def compressor() -> Effect:
    return find("zamcompx2")


def test_plugins_that_are_installed_are_listed() -> None:
    assert {"Reverb", "ZamCompX2", "ZamDelay"} <= set(names())


def test_a_plugin_of_ones_own_folder_is_found_first(tmp_path: Path) -> None:
    shutil.copytree(INSTALLED / "ZamGate.vst3", tmp_path / "deep" / "ZamGate.vst3")
    assert find("ZAMGATE", tmp_path).source == str(tmp_path / "deep" / "ZamGate.vst3")


@pytest.mark.parametrize("name", ["/usr/lib/vst3/ZamComp.vst3", "../vst3/ZamComp", "", ".vst3", "ZamComp/", ":"])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(GlitchError, match="There is no effect .*Reverb.*ZamComp"):
        find(name)


def test_a_plugin_plays_by_its_raw_values(compressor: Effect) -> None:
    made = {parameter.address: parameter for parameter in rows([compressor])}
    makeup = made["/fx/1/makeup"]
    assert (makeup.minimum, makeup.maximum, makeup.default) == (0.0, 1.0, 0.0)
    assert "30" in makeup.text
    assert "/fx/1/output-level" not in made  # it can be read only
    chain = Chain([compressor], RATE, 2)
    chain.set("/fx/1/makeup", 0.2)  # of 30 dB
    loud = np.abs(play(chain, sine(48_000))[0, -4800:]).max()
    assert loud == pytest.approx(0.25 * 10 ** (6 / 20), rel=0.02)


def test_a_plugin_is_described_in_plain_data(compressor: Effect) -> None:
    assert Effect.from_json(compressor.to_json()) == compressor


def test_a_plugin_reports_its_actual_latency() -> None:
    late = find("zamaximx2")
    assert late.latency == 480
    click = np.zeros((2, 4000), np.float32)
    click[:, 1000] = 0.1
    for mix in (0.0, 0.5, 1.0):
        chain = Chain([late], RATE, 2)
        chain.set("/fx/1/mix", mix)
        out = np.abs(play(chain, click)[0])
        assert chain.latency == 480
        assert out.argmax() == 1480
        assert out.max() == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize(("name", "channels"), [("zamdelay", 2), ("zamdelay", 1), ("zamcompx2", 1), ("zameq2", 4)])
def test_a_plugin_of_other_channels_is_made_to_fit(name: str, channels: int) -> None:
    chain = Chain([find(name)], RATE, channels)
    out = play(chain, noise(4800, channels))
    assert not chain.problems
    assert np.all(np.abs(out).max(axis=1) > 0)


def test_the_same_performance_renders_to_the_same_samples(compressor: Effect) -> None:
    events = ((5000, "/fx/1/threshold", 0.3), (9000, "/fx/1/stereo-detection", 1.0), (15_000, "/fx/1/bypass", 1.0))
    first = play(Chain([compressor], RATE, 2), noise(24_000), (128,), events)
    np.testing.assert_array_equal(play(Chain([compressor], RATE, 2), noise(24_000), (128,), events), first)


def test_a_plugin_that_hangs_while_it_is_looked_at_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects_catalog, "INSPECTION_TIMEOUT_S", 3.0)
    with pytest.raises(GlitchError, match="ZamVerb cannot be used.*has not answered for 3 s"):
        find("zamverb")  # it reads its impulse response again at each value of a parameter


def test_a_file_that_is_no_plugin_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "Broken.vst3").write_bytes(b"no plug-in")
    with pytest.raises(GlitchError, match="Broken cannot be used"):
        find("broken", tmp_path)


def test_a_plugin_that_crashes_while_it_is_looked_at_is_a_sentence(tmp_path: Path) -> None:
    bundle = tmp_path / "Crash.vst3"
    shutil.copytree(INSTALLED / "ZamGate.vst3", bundle)
    binary = bundle / "Contents" / "x86_64-linux" / "ZamGate.so"
    code = bytearray(binary.read_bytes())
    place = code.find(b"\x7fELF") + 0x4000
    code[place:] = b"\xcc" * (len(code) - place)  # traps, from the first call on
    binary.rename(binary.with_name("Crash.so")).write_bytes(code)
    with pytest.raises(GlitchError, match="Crash cannot be used.*ended unexpectedly"):
        find("crash", tmp_path)


def test_a_plugin_that_has_gone_is_bypassed_and_named(compressor: Effect) -> None:
    gone = Effect(compressor.name, "/nowhere/ZamCompX2.vst3", compressor.knobs)
    chain = Chain([gone, find("gain")], RATE, 2)
    chain.set("/fx/1/makeup", 1.0)
    out = play(chain, sine(4800))
    np.testing.assert_allclose(out[:, 480:], sine(4800)[:, 480:], atol=1e-6)
    assert "Effect 1, ZamCompX2, is bypassed" in chain.problems[0]
