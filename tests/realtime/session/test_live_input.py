"""Live input: how late it comes back, dry and through the model, and that nothing in it does harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.fft import rfft

from realtime import Session
from realtime.decks.deck import INPUT_LATE_MS
from tests.eventually import eventually
from tests.jack import JackClient, JackServer
from tests.realtime.sessions import input_between, output_between
from tests.realtime.signals import NOISE, RATE, SINE, lag, without_dc
from tests.realtime.virtual_stage import STILL, in_and_out, listening

HOP = 128  # of the model that echoes


@pytest.mark.parametrize(
    ("rate", "block"), [(48_000, 64), (48_000, 100), (48_000, 128), (48_000, 256), (44_100, 256), (44_100, 441)]
)
def test_the_dry_path_returns_the_input_after_the_latency_that_is_shown(
    models: dict[str, Path], rate: int, block: int
) -> None:
    with listening(models["echo"], NOISE, settings={"samplerate": rate, "blocksize": block}, mix=0, amount=1) as stage:
        given, back = in_and_out(stage, 3.0)
        shown = stage.session.parts.status.readings()["/latency/input"][0] / 1000 * rate
    behind = lag(given, back)
    assert shown == pytest.approx(behind)
    expected = without_dc(given, rate)[: len(given) - behind]
    np.testing.assert_allclose(back[behind:][rate:], expected[rate:], atol=1e-5)


@pytest.mark.parametrize("rate", [48_000, 44_100])
def test_the_model_answers_when_the_dry_path_does(models: dict[str, Path], rate: int) -> None:
    envelope = (np.arange(RATE) % 12_000 < 4000) * 1.0
    sound = (envelope * 0.4 * np.sin(2 * np.pi * 150 * np.arange(RATE) / RATE)).astype(np.float32)[None]
    lags = {}
    for mix in (0, 1):
        with listening(models["echo"], sound, settings={"samplerate": rate}, mix=mix, amount=1) as stage:
            lags[mix] = lag(*in_and_out(stage, 2.0))
    assert abs(lags[1] - lags[0]) <= HOP


def test_the_bundled_model_follows_the_timbre_of_the_input(models: dict[str, Path]) -> None:
    n = np.arange(RATE)
    dark = 0.3 * np.sin(2 * np.pi * 110 * n / RATE) + 0.1 * np.sin(2 * np.pi * 220 * n / RATE)
    bright = np.sum([0.3 * np.sin(2 * np.pi * 110 * k * n / RATE) / np.sqrt(k) for k in range(1, 80)], axis=0) / 4
    centres = []
    for sound in (dark, bright):
        with listening(models["bundled"], sound[None], settings={"blocksize": 256}, mix=1, amount=1) as stage:
            _, back = in_and_out(stage, 1.5)
        spectra = np.abs(rfft(back[: 16 * 4096].reshape(16, 4096) * np.hanning(4096))) ** 2
        bins = (spectra * np.arange(2049)).sum(axis=1) / spectra.sum(axis=1)
        centres.append(float(np.median(bins)) * RATE / 4096)
    assert centres[1] > 2 * centres[0], centres


def test_a_change_of_look_ahead_makes_no_step_in_the_live_input(models: dict[str, Path]) -> None:
    with listening(models["echo"], SINE, mix=0) as stage:
        session, begin, jumps = stage.session, stage.clock, int(stage.session.deck.state["input_jumps"])
        for ahead in (2400, 4000, 1500, 3333):
            session.set("/ahead", ahead)
            stage.play(ahead / RATE + 0.2)
        assert session.deck.state["input_jumps"] == jumps + 4
        assert session.status().underruns == 0
        x, given = output_between(session, begin, stage.clock), input_between(session, begin - 8000, stage.clock)
        assert np.abs(np.diff(x)).max() < 1.5 * np.abs(np.diff(given)).max()
        stage.given = NOISE  # so that its position can be found
        stage.play(1.0)
        shown = session.parts.status.readings()["/latency/input"][0] / 1000 * RATE
        assert shown == pytest.approx(lag(*in_and_out(stage, 2.0)))


def test_a_late_deck_takes_the_input_up_again_where_it_belongs(models: dict[str, Path]) -> None:
    with listening(models["echo"], NOISE, mix=0) as stage:
        before = lag(*in_and_out(stage, 1.0))
        stage.deck().stall(3000)
        stage.play(0.5)
        assert stage.session.status().underruns == 1
        assert abs(lag(*in_and_out(stage, 1.0)) - before) <= INPUT_LATE_MS * RATE / 1000


def test_samples_that_are_not_finite_come_in_as_silence(models: dict[str, Path]) -> None:
    sound = SINE.copy()
    sound[0, ::1000], sound[0, 1::1000] = np.nan, np.inf
    with listening(models["echo"], sound, mix=0.5, amount=1) as stage:
        given, back = in_and_out(stage, 1.0)
        assert np.isfinite(given).all()
        assert np.isfinite(back).all()
        assert np.abs(back).max() > 0.1
        assert stage.session.status().nonfinite == 0


@pytest.mark.plays
def test_the_null_device_gives_silence_as_input(models: dict[str, Path]) -> None:
    with Session(models["echo"], device="null", input_device="", inputs=[1, 2]) as session:
        for address, value in {"/walk/radius": 0, "/input/mix": 0, "/input/amount": 2}.items():
            session.set(address, value)
        begin = session.clock + RATE // 4
        eventually(lambda: session.clock > begin + RATE // 4)
        assert np.abs(output_between(session, begin, session.clock)).max() < 1e-6
        assert session.parts.status.readings()["/meter/input"] == [0.0, 0.0]
        assert session.parts.status.readings()["/latency/input"][0] > 0


@pytest.mark.plays
def test_without_an_input_no_input_latency_is_shown(models: dict[str, Path]) -> None:
    with Session(models["echo"], device="null") as session:
        assert session.parts.status.readings()["/latency/input"] == []


@pytest.mark.plays
@pytest.mark.parametrize(("rate", "block"), [(48_000, 128), (44_100, 256)])
def test_on_jack_the_latency_shown_is_that_from_port_to_port(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, rate: int, block: int
) -> None:
    server = JackServer(rate=rate, block=block)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with (
        server,
        JackClient(server, "sink", inputs=1) as sink,
        Session(models["echo"], input_device="", inputs=[1]) as session,
        JackClient(server, "source", NOISE) as source,
    ):
        for address, knob in ({"/ahead": 8192.0, "/ahead/lock": 1.0, "/input/mix": 0.0} | STILL).items():
            session.set(address, knob)
        server.connect("source:out_1", "PortAudio:in_0")
        server.connect("PortAudio:out_0", "sink:in_1")
        eventually(lambda: session.segment["input_meters"][0]["peak"] > 0.1)
        begin = session.clock
        eventually(lambda: session.clock >= begin + 3 * rate)
        shown = session.parts.status.readings()["/latency/input"][0] / 1000 * rate
    sound = sink.captured[0]
    given = NOISE[0, (sink.began + np.arange(len(sound)) - source.began) % RATE]
    piece = rate // 4
    begins = [k for k in range(0, len(given) - piece, piece) if sound[k : k + 100].any()]
    lags = [lag(given[k : k + piece], sound[k : k + piece]) for k in begins]
    outside = max(set(lags), key=lags.count)
    assert lags.count(outside) >= 4, f"the latency from port to port varies: {lags}"
    assert abs(shown - outside) <= 2 * block, f"{shown:.0f} samples were shown, and it took {outside}"
