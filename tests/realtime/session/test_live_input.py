"""Live input on a real audio server: what a client of JACK plays into us, and what another hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.fft import irfft, rfft

from realtime import Session
from realtime.audio.mixer import DC_HZ
from realtime.decks.client import wait_for
from realtime.session.commands import readings
from tests.jack import JackClient, JackServer

RATE = 48_000
NOISE = np.random.default_rng(0).uniform(-0.25, 0.25, (1, RATE)).astype(np.float32)
SINE = (0.4 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)[None]
AHEAD = {"/ahead": 2048, "/ahead/lock": 1}
STILL = {"/walk/radius": 0, "/smoothing": 0}  # of latents


@contextmanager
def played(
    model: Path,
    server: JackServer,
    patch: pytest.MonkeyPatch,
    sound: np.ndarray,
    *,
    sink: JackClient | None = None,
    blocksize: int = 0,
    **knobs: float,
) -> Iterator[Session]:
    """Play a sound into a session on a server, and out of it into a sink."""
    for name, value in server.environment.items():
        patch.setenv(name, value)
    with Session(model, input_device="", inputs=[1], blocksize=blocksize) as session:
        still = STILL if session.card.played == "decode" else {}
        for address, value in (AHEAD | still | {f"/input/{name}": value for name, value in knobs.items()}).items():
            session.set(address, value)
        with JackClient(server, "source", sound) as source:
            server.connect("source:out_1", "PortAudio:in_0")
            if sink is not None:
                sink.source = source
                server.connect("PortAudio:out_0", f"{sink.name}:in_1")
            assert wait_for(lambda: session.segment["input_meters"][0]["peak"] > 0.1, 5), "nothing comes in"
            yield session


def undisturbed(session: Session, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """Give what came in and what went out in so many seconds without an underrun."""

    for _ in range(8):  # a machine that is busy may come too late now and then
        begin, before, jumps = session.clock, session.status().underruns, int(session.deck.state["input_jumps"])
        wait_for(lambda: session.clock >= begin + seconds * session.sample_rate, 2 * seconds + 5)  # noqa: B023
        if session.status().underruns == before:
            assert session.deck.state["input_jumps"] == jumps, "the input jumped for no reason"
            at = np.arange(begin, begin + int(seconds * session.sample_rate))
            history, heard = session.segment["history"], session.segment["input"]
            return heard[at % len(heard), 0].copy(), history[at % len(history), 0].copy()
    pytest.skip("this machine is too busy to play without underruns")


def lag(before: np.ndarray, after: np.ndarray) -> int:
    """By how many samples one sound lies behind another."""
    size = 1 << (2 * len(before) - 1).bit_length()
    return int(np.argmax(irfft(np.conj(rfft(before, size)) * rfft(after, size))[: len(before)]))


def without_dc(x: np.ndarray, rate: float) -> np.ndarray:
    """Apply the callback's filter."""
    pole, out, last_in, last_out = 1 - 2 * np.pi * DC_HZ / rate, np.zeros(len(x)), 0.0, 0.0
    for i, sample in enumerate(x.astype(float)):
        last_in, last_out = sample, sample - last_in + pole * last_out
        out[i] = last_out
    return out


@pytest.mark.parametrize(
    ("rate", "block", "asked"), [(48_000, 64, 0), (48_000, 128, 100), (48_000, 256, 0), (44_100, 256, 0)]
)
def test_the_dry_way_gives_back_what_came_in_after_the_time_that_is_told(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, rate: int, block: int, asked: int
) -> None:
    with JackServer(rate=rate, block=block) as server:
        with (
            JackClient(server, "sink", inputs=1) as sink,
            played(models["echo"], server, monkeypatch, NOISE, sink=sink, blocksize=asked, mix=0, amount=1) as session,
        ):
            given, back = undisturbed(session, 2.0)
            told = readings(session)["/latency/input"][0] / 1000 * rate
        behind = lag(given, back)
        expected = without_dc(given, rate)[: len(given) - behind]
        np.testing.assert_allclose(back[behind:][rate:], expected[rate:], atol=1e-5)
        time = sink.began + np.arange(sink.heard.shape[1])
        given = NOISE[0, (time - sink.source.began) % RATE]
        piece = rate // 4
        begins = [k for k in range(0, len(given) - piece, piece) if sink.heard[0, k : k + 100].any()]
        lags = [lag(given[k : k + piece], sink.heard[0, k : k + piece]) for k in begins]
        outside = max(set(lags), key=lags.count)
        assert lags.count(outside) >= 4, f"the time from port to port changes: {lags}"
        assert 0 <= outside - behind <= 2 * block
        assert abs(told - outside) <= 2 * block, f"{told:.0f} samples were told, and it took {outside}"


def test_the_models_answer_lies_where_the_dry_way_lies(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    envelope = (np.arange(RATE) % 12_000 < 4000) * 1.0
    sound = (envelope * 0.4 * np.sin(2 * np.pi * 150 * np.arange(RATE) / RATE)).astype(np.float32)[None]
    for rate in (48_000, 44_100):  # the model's own, and another
        with (
            JackServer(rate=rate) as server,
            played(models["echo"], server, monkeypatch, sound, mix=0, amount=1) as session,
        ):
            lags = {}
            for mix in (0, 1):
                session.set("/input/mix", mix)
                wait_for(lambda: session.deck.state["events"] > 5, 0.3)
                lags[mix] = lag(*undisturbed(session, 2.0)) - int(session.deck.state["input_delay"])
        assert abs(lags[1] - lags[0]) <= 128


def test_the_bundled_model_follows_the_input_s_timbre(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    n = np.arange(RATE)
    dark = 0.3 * np.sin(2 * np.pi * 110 * n / RATE) + 0.1 * np.sin(2 * np.pi * 220 * n / RATE)
    bright = sum(0.3 * np.sin(2 * np.pi * 110 * k * n / RATE) / np.sqrt(k) for k in range(1, 80)) / 4
    centres = []
    for sound in (dark, bright):
        with (
            JackServer(block=256) as server,
            played(models["bundled"], server, monkeypatch, sound.astype(np.float32)[None], mix=1, amount=1) as session,
        ):
            _, heard = undisturbed(session, 1.5)
            spectra = np.abs(rfft(heard[: 16 * 4096].reshape(16, 4096) * np.hanning(4096))) ** 2
            bins = (spectra * np.arange(2049)).sum(axis=1) / spectra.sum(axis=1)
            centres.append(np.median(bins) * RATE / 4096)
    assert centres[1] > 2 * centres[0], centres


def test_decoding_further_ahead_makes_no_step_in_the_live_input(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with JackServer() as server, played(models["echo"], server, monkeypatch, SINE, mix=0) as session:
        undisturbed(session, 0.3)
        begin, jumps = session.clock, int(session.deck.state["input_jumps"])
        for ahead in (2400, 4000, 1500, 3333):
            session.set("/ahead", ahead)
            reached = session.clock + ahead + RATE // 5
            assert wait_for(lambda: session.clock > reached, 5)  # noqa: B023
        at = np.arange(begin - 8000, session.clock)
        heard, given = (session.segment[name][at % len(session.segment[name]), 0] for name in ("history", "input"))
        assert session.deck.state["input_jumps"] >= jumps + 4
        assert np.abs(np.diff(heard[8000:])).max() < 2 * np.abs(np.diff(given)).max()  # JACK may leave out a block
        assert readings(session)["/latency/input"][0] == pytest.approx(1000 * (3333 + 128 + 48 + 64) / RATE, abs=8)


def test_what_is_no_number_comes_in_as_silence(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    sound = SINE.copy()
    sound[0, ::1000], sound[0, 1::1000] = np.nan, np.inf
    with JackServer() as server, played(models["echo"], server, monkeypatch, sound, mix=0.5, amount=1) as session:
        given, heard = undisturbed(session, 1.0)
        assert np.isfinite(given).all()
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() > 0.1
        assert session.status().nonfinite == 0


def test_the_null_device_hears_silence(models: dict[str, Path]) -> None:
    with Session(models["echo"], device="null", input_device="", inputs=[1, 2]) as session:
        for address, value in {"/walk/radius": 0, "/input/mix": 0, "/input/amount": 2}.items():
            session.set(address, value)
        begin = session.clock + RATE // 4
        assert wait_for(lambda: session.clock > begin + RATE // 4, 5)
        assert np.abs(session.segment["history"][begin : session.clock]).max() < 1e-6
        assert readings(session)["/meter/input"] == [0.0, 0.0]
        assert readings(session)["/latency/input"][0] > 0


def test_without_an_input_no_time_is_told(models: dict[str, Path]) -> None:
    with Session(models["echo"], device="null") as session:
        assert readings(session)["/latency/input"] == []
