# mypy: disable-error-code="call-overload"
# (the stubs of PyQt6 declare the functions of QTest as methods)
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor, QImage, QWheelEvent
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication

from export.bending.bend import bend_file
from gui import style
from gui.host_memory import HostMemory
from gui.panels.health import Figure
from gui.viewmodels.readings import DASH
from gui.window import Window
from realtime.ipc.memory_layout import RING, Geometry
from realtime.ipc.segments import Segment
from tests.gui.fake_host import RATE, FakeHost, tone
from tests.reference import layered_model, level_model, passing_model, tone_model


def look(window: Window, frames: int = 40) -> None:
    """Run several ticks of the timer."""
    for _ in range(frames):
        window.tick()
    QApplication.processEvents()


def pixels(image: QImage) -> np.ndarray:
    """Brightness of an image's pixels: [shape=(height, width)]."""
    image = image.convertToFormat(QImage.Format.Format_Grayscale8)
    data = image.constBits()
    assert data is not None
    data.setsize(image.sizeInBytes())
    return np.frombuffer(data, np.uint8).reshape(image.height(), image.bytesPerLine())[:, : image.width()].astype(int)


@pytest.mark.parametrize("frequency", [1000.0, 440.0])
def test_a_tone_shows_at_its_frequency_within_one_bin(window: Window, fake_host: FakeHost, frequency: float) -> None:
    fake_host.play(tone(frequency, 2.0, level=0.2))
    look(window)
    view = window.spectrogram
    drawn = pixels(view.grab().toImage())
    column = drawn[view.plot.top() : view.plot.bottom() + 1, view.plot.right() - 20]
    shown = float(view.axis.frequency(column.argmax() + 0.5))
    assert abs(shown - frequency) <= view.analysis.bin_hz
    assert column.max() > 150


def test_labels_are_at_their_frequencies(window: Window) -> None:
    view = window.spectrogram
    marks = {text: y for y, text in view._frequency_marks()}
    assert marks["1k"] == view.plot.top() + round(view.axis.row(1000))
    assert {"50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k"} == set(marks)


def test_the_picture_moves_with_the_clock_and_only_with_it(window: Window, fake_host: FakeHost) -> None:
    fake_host.play(tone(1000, 1.0))
    look(window)
    before = window.spectrogram.shown().copy()
    look(window, 10)
    assert (window.spectrogram.shown() == before).all()
    hop = window.spectrogram.analysis.hop
    fake_host.play(tone(5000, 3 * hop / RATE))
    look(window, 1)
    after = window.spectrogram.shown()
    assert (after[:, :-3] == before[:, 3:]).all()
    assert (after[:, -1] != before[:, -1]).any()


def test_another_size_keeps_the_picture(window: Window, fake_host: FakeHost) -> None:
    fake_host.play(tone(1000, 2.0, level=0.2))
    look(window)
    window.resize(1000, 700)
    look(window, 1)
    view = window.spectrogram
    column = view.shown()[:, -50].astype(int)
    assert len(column) == view.plot.height()
    assert abs(float(view.axis.frequency(column.argmax() + 0.5)) - 1000) <= 2 * view.analysis.bin_hz


def test_each_latent_and_parameter_has_a_fader(window: Window) -> None:
    expected = {f"/latent/{k}" for k in range(1, 17)} | {"/walk/radius", "/walk/speed", "/gain"}
    assert set(window.bank.faders) == expected


def test_the_models_own_controls_have_faders(application: QApplication, tmp_path: Path) -> None:
    with FakeHost(tone_model(tmp_path / "tone.onnx"), tmp_path / "notes") as fake_host:
        host = HostMemory(fake_host.name)
        window = Window(host)
        assert "/loudness" in window.bank.faders
        assert window.bank.models["/loudness"].value == -12
        window.close()
        host.close()


def test_a_transform_has_faders_for_its_input(application: QApplication, tmp_path: Path) -> None:
    with FakeHost(passing_model(tmp_path / "passing.onnx"), tmp_path / "notes") as fake_host:
        host = HostMemory(fake_host.name)
        window = Window(host)
        faders = {"/freeze", "/freeze/length", "/feedback", "/input/mix", "/gain", "/level"}
        assert set(window.bank.faders) == faders
        window.show()
        look(window)
        window.close()
        host.close()


def test_layers_that_can_be_bent_have_faders(application: QApplication, tmp_path: Path) -> None:
    bend_file(layered_model(tmp_path / "plain.onnx"), tmp_path / "bent.onnx", ["all"])
    with FakeHost(tmp_path / "bent.onnx", tmp_path / "notes") as fake_host:
        host = HostMemory(fake_host.name)
        window = Window(host)
        window.show()
        look(window, 2)
        faders = {address for address in window.bank.faders if address.startswith("/bend/")}
        layers, knobs = ("front", "body", "out"), ("scale", "shift", "amount")
        assert faders == {f"/bend/{layer}/{knob}" for layer in layers for knob in knobs}
        assert window.bank.models["/bend/out/scale"].value == 1.0
        drag(window, "/bend/body/scale", 40, Qt.KeyboardModifier.NoModifier)
        assert fake_host.wait_for(lambda: fake_host.value("/bend/body/scale") > 1.0)
        window.close()
        host.close()


def drag(window: Window, address: str, pixels_up: int, modifier: Qt.KeyboardModifier) -> None:
    fader = window.bank.faders[address]
    at = fader.handle().center().toPoint()
    QTest.mousePress(fader, Qt.MouseButton.LeftButton, modifier, at)
    for k in range(1, 11):
        to = QPointF(at.x(), at.y() - pixels_up * k / 10)
        _move(fader, to, modifier)
    QTest.mouseRelease(fader, Qt.MouseButton.LeftButton, modifier, at - QPoint(0, pixels_up))


def _move(fader: object, to: QPointF, modifier: Qt.KeyboardModifier) -> None:
    from PyQt6.QtCore import QEvent
    from PyQt6.QtGui import QMouseEvent

    left = Qt.MouseButton.LeftButton
    event = QMouseEvent(QEvent.Type.MouseMove, to, fader.mapToGlobal(to), left, left, modifier)  # type: ignore[attr-defined]
    QApplication.sendEvent(fader, event)  # type: ignore[arg-type]


def test_shift_drags_ten_times_finer(window: Window, fake_host: FakeHost) -> None:
    drag(window, "/latent/1", 40, Qt.KeyboardModifier.NoModifier)
    assert fake_host.wait_for(lambda: len(fake_host.values_of("/latent/1")) >= 9)
    drag(window, "/latent/2", 40, Qt.KeyboardModifier.ShiftModifier)
    assert fake_host.wait_for(lambda: len(fake_host.values_of("/latent/2")) >= 9)
    coarse, fine = fake_host.value("/latent/1"), fake_host.value("/latent/2")
    assert coarse > 0.5
    assert fine == pytest.approx(coarse / 10, rel=0.15)


def test_a_double_click_resets_to_the_default(window: Window, fake_host: FakeHost) -> None:
    fake_host.set("/latent/4", 2.5)
    look(window, 2)
    fader = window.bank.faders["/latent/4"]
    QTest.mouseDClick(fader, Qt.MouseButton.LeftButton, pos=fader.handle().center().toPoint())
    assert fake_host.wait_for(lambda: fake_host.values_of("/latent/4")[-1:] == [0.0])


@pytest.mark.parametrize(
    ("key", "steps"),
    [(Qt.Key.Key_Up, 1), (Qt.Key.Key_Down, -1), (Qt.Key.Key_PageUp, 10), (Qt.Key.Key_PageDown, -10)],
)
def test_keys_move_a_fader(window: Window, fake_host: FakeHost, key: Qt.Key, steps: int) -> None:
    QTest.keyClick(window.bank.faders["/latent/2"], key)
    assert fake_host.wait_for(lambda: bool(fake_host.values_of("/latent/2")))
    assert fake_host.value("/latent/2") == pytest.approx(0.12 * steps, abs=1e-6)


def test_the_wheel_moves_a_fader(window: Window, fake_host: FakeHost) -> None:
    fader = window.bank.faders["/gain"]
    at = QPointF(fader.rect().center())
    none, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
    for modifier in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier):
        turn = QPoint(0, -120)
        event = QWheelEvent(at, fader.mapToGlobal(at), QPoint(), turn, none, modifier, phase, False)
        QApplication.sendEvent(fader, event)
    assert fake_host.wait_for(lambda: len(fake_host.values_of("/gain")) == 2)
    assert fake_host.values_of("/gain") == pytest.approx([-0.92, -1.012], abs=1e-5)


def test_the_handle_follows_another_controller(window: Window, fake_host: FakeHost) -> None:
    fader = window.bank.faders["/latent/3"]
    before = fader.handle().center().y()
    fake_host.set("/latent/3", 3.0)
    look(window, 2)
    assert fader.handle().center().y() < before - 20
    assert not fake_host.received


def test_the_marker_shows_the_value_that_sounds(window: Window, fake_host: FakeHost) -> None:
    fader = window.bank.faders["/latent/5"]
    for played in (-4.0, 2.0):
        fake_host.deck["latents"][4] = played
        look(window, 2)
        image = fader.grab().toImage()
        amber = [y for y in range(image.height()) if QColor(image.pixel(fader.width() // 2, y)) == style.PLAYED]
        expected = fader._y((played + 6) / 12)
        assert amber
        assert abs(np.mean(amber) - expected) <= 1.5


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have one")
def test_a_machine_without_a_screen_gives_one_sentence(fake_host: FakeHost) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    command = [sys.executable, "-m", "gui", fake_host.name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no screen" in done.stderr
    assert done.stderr.count("\n") == 1


def test_many_latents_scroll(application: QApplication, tmp_path: Path) -> None:
    with FakeHost(level_model(tmp_path / "wide.onnx", latents=64), tmp_path / "notes") as fake_host:
        host = HostMemory(fake_host.name)
        window = Window(host)
        window.show()
        look(window, 2)
        bar = window.bank._area.horizontalScrollBar()
        assert bar is not None
        assert bar.maximum() > 0
        assert window.width() == 1280
        assert window.bank.faders["/gain"].isVisible()
        window.close()
        host.close()


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape])
@pytest.mark.parametrize("focus", ["/latent/1", None])
def test_escape_is_panic_wherever_the_focus_is(
    window: Window, fake_host: FakeHost, key: Qt.Key, focus: str | None
) -> None:
    if focus:
        window.bank.faders[focus].setFocus()
    QTest.keyClick(window, key)
    assert fake_host.wait_for(lambda: bool(fake_host.values_of("/panic")))


def test_the_panic_button_acts_when_pressed(window: Window, fake_host: FakeHost) -> None:
    QTest.mousePress(window.header.panic_button, Qt.MouseButton.LeftButton)
    assert fake_host.wait_for(lambda: bool(fake_host.values_of("/panic")))


def test_mute_by_key_by_button_and_by_another_controller(window: Window, fake_host: FakeHost) -> None:
    button = window.header.mute_button
    QTest.keyClick(window, Qt.Key.Key_M)
    assert fake_host.wait_for(lambda: fake_host.values_of("/mute") == [1.0])
    assert button.isChecked()
    look(window, 2)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert fake_host.wait_for(lambda: fake_host.values_of("/mute") == [1.0, 0.0])
    look(window, 2)
    fake_host.set("/mute", 1)
    look(window, 2)
    assert button.isChecked()


def test_f_is_full_screen_and_q_closes_the_window(window: Window) -> None:
    QTest.keyClick(window, Qt.Key.Key_F)
    assert window.isFullScreen()
    QTest.keyClick(window, Qt.Key.Key_F)
    assert not window.isFullScreen()
    QTest.keyClick(window, Qt.Key.Key_Q)
    assert not window.isVisible()


def test_a_question_mark_shows_the_shortcuts(window: Window) -> None:
    QTest.keyClick(window, Qt.Key.Key_Question)
    assert window.shortcuts_page.isVisible()
    QTest.mouseClick(window.shortcuts_page, Qt.MouseButton.LeftButton)
    assert not window.shortcuts_page.isVisible()


def test_escape_closes_the_page_of_shortcuts_before_it_is_panic(window: Window, fake_host: FakeHost) -> None:
    QTest.keyClick(window, Qt.Key.Key_Question)
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert not window.shortcuts_page.isVisible()
    QTest.keyClick(window, Qt.Key.Key_M)
    assert fake_host.wait_for(lambda: bool(fake_host.values_of("/mute")))
    assert not fake_host.values_of("/panic")


def shown_numbers(window: Window) -> list[str]:
    return [figure.number()[0] for figure in window.figures.findChildren(Figure)]


def test_figures_show_the_host_s_values(window: Window, fake_host: FakeHost) -> None:
    fake_host.deck["deck"]["underruns"] = 3
    window.telemetry.poll_figures(1.0)
    window.telemetry.poll_figures(2.0)
    assert shown_numbers(window) == ["11", "3", "9.3", "0"]
    assert "decode ahead 5.3 · inversion 1.3 · device 2.7" in window.figures.latency.detail()
    QTest.mouseClick(window.figures.underruns, Qt.MouseButton.LeftButton)
    assert shown_numbers(window)[1] == "0"


def _nan_latents(fake_host: FakeHost) -> None:
    fake_host.deck["latents"][:] = np.nan


def _nan_deck(fake_host: FakeHost) -> None:
    for key in ("decode_ms", "worst_ms", "deadline_ms"):
        fake_host.deck["deck"][key] = np.nan


def _no_deadline(fake_host: FakeHost) -> None:
    fake_host.deck["deck"]["deadline_ms"] = 0


def _nan_values(fake_host: FakeHost) -> None:
    fake_host.segment["values"][:] = np.nan


def _nan_sound(fake_host: FakeHost) -> None:
    fake_host.play(np.full(9000, np.nan, np.float32))


def _wild_stream(fake_host: FakeHost) -> None:
    fake_host.stream["sample_rate"], fake_host.stream["channels"] = np.nan, 99
    fake_host.stream["clock"] = 1 << 50


def _info_cut_short(fake_host: FakeHost) -> None:
    fake_host.segment["info"][:40] = np.frombuffer(b'{"pid": 1, "model": "x' + bytes(18), np.uint8)


def _info_of_nonsense(fake_host: FakeHost) -> None:
    fake_host.segment.write_info(
        {"model": "/nowhere.onnx", "decks": {"a": "glitch-gone"}, "osc": None, "latency": 5, "block": "x"}
    )


def _decks_of_nonsense(fake_host: FakeHost) -> None:
    fake_host.segment.write_info({**fake_host.info, "decks": {"a": 5, "b": None}, "osc": ["a"]})


@pytest.mark.parametrize(
    "spoil",
    [
        _nan_latents,
        _nan_deck,
        _no_deadline,
        _nan_values,
        _nan_sound,
        _wild_stream,
        _info_cut_short,
        _info_of_nonsense,
        _decks_of_nonsense,
    ],
)
def test_garbage_in_memory_shows_dashes_without_a_crash(
    window: Window, fake_host: FakeHost, spoil: Callable[[FakeHost], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: errors.append(error))
    spoil(fake_host)
    window._host._due = window._figures_due = 0.0
    look(window, 6)
    window.grab()
    assert not errors
    if spoil in (_nan_deck, _no_deadline):
        assert window.figures.load.number()[0] == DASH
    if spoil is _nan_latents:
        assert window.bank.models["/latent/1"].played is None


def test_the_memory_may_vanish_under_the_window(window: Window, fake_host: FakeHost) -> None:
    fake_host.play(tone(1000, 1.0))
    assert fake_host.segment._memory is not None
    fake_host.segment._memory.unlink()
    fake_host.segment._owner = False
    look(window)
    window.grab()
    assert window.isVisible()


def test_a_stalled_host_is_shown(window: Window, fake_host: FakeHost) -> None:
    fake_host.play(tone(1000, 0.1))
    window.telemetry.poll_figures(100.0)
    assert window.telemetry.identity.value.state == "playing"
    window.telemetry.poll_figures(102.0)
    assert window.telemetry.identity.value.state == "stalled"
    assert "stalled" in window.header._place.text()


def test_a_deck_that_was_restarted_is_followed(window: Window, fake_host: FakeHost) -> None:
    with Segment.create(Geometry("deck", 1, RING), fake_host._registry) as fresh:
        fresh["latents"][0] = 1.25
        fake_host.segment.write_info({**fake_host.info, "decks": {"a": fresh.name}})
        window._host._due = 0.0
        look(window, 2)
        assert window.bank.models["/latent/1"].played == 1.25


def test_another_model_brings_its_own_faders(window: Window, fake_host: FakeHost, tmp_path: Path) -> None:
    other = level_model(tmp_path / "other.onnx", latents=3)
    fake_host.segment.write_info({**fake_host.info, "model": str(other), "model_name": "other"})
    window._host._due = 0.0
    look(window, 2)
    assert [a for a in window.bank.faders if a.startswith("/latent/")] == ["/latent/1", "/latent/2", "/latent/3"]
    assert window.windowTitle().startswith("other")


def test_the_window_closes_when_the_host_stops(window: Window, fake_host: FakeHost) -> None:
    fake_host.stream["stopping"] = 1
    look(window, 1)
    assert not window.isVisible()


def test_the_window_cannot_write_to_the_hosts_memory(window: Window) -> None:
    host = window._host
    for array in (host.stream, host.meters, host.values, host.history):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    deck = host.deck
    assert deck is not None
    for array in deck.arrays.values():
        assert not array.flags.writeable


def test_nothing_is_repainted_when_nothing_changes(window: Window, fake_host: FakeHost) -> None:
    from PyQt6.QtCore import QEvent, QObject

    class Paints(QObject):
        count = 0

        def eventFilter(self, _: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 (Qt's name)
            self.count += event is not None and event.type() == QEvent.Type.Paint
            return False

    fake_host.play(tone(1000, 0.5))
    look(window)
    paints = Paints()
    for view in (window.spectrogram, window.meters, *window.bank.faders.values(), *window.figures.findChildren(Figure)):
        view.installEventFilter(paints)
    for _ in range(10):
        look(window, 2)
    assert paints.count <= 2, "the held peak and a figure may still settle"
    fake_host.deck["latents"][0] = 3.0
    look(window, 2)
    assert paints.count >= 1


def test_the_window_needs_no_torch_no_audio_and_no_compiler() -> None:
    code = (
        "import sys; import gui.__main__; "
        "print([m for m in ('torch', 'sounddevice', 'numba', 'onnxruntime', 'scipy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_missing_session_file_gives_a_one_sentence_error() -> None:
    done = subprocess.run([sys.executable, "-m", "gui", "glitch-0-none"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == "There is no session 'glitch-0-none' to attach to; start glitch-live first."


@pytest.mark.parametrize("channels", [1, 2, 4, 8])
def test_every_channel_has_its_own_meter(application: QApplication, tmp_path: Path, channels: int) -> None:
    model = level_model(tmp_path / "level.onnx")
    with FakeHost(model, tmp_path, channels=channels) as fake_host:
        host = HostMemory(fake_host.name)
        window = Window(host)
        window.timer.stop()
        window.show()
        fake_host.segment["meters"]["peak"][:] = 0.5  # beyond the channels of the session
        fake_host.segment["meters"]["power"][:] = 0.1
        look(window)
        assert len(window.telemetry.levels.value) == channels
        drawn = pixels(window.meters.grab().toImage())
        row = drawn[-60, 10:72] > 60
        assert np.count_nonzero(np.diff(row.astype(int)) == 1) == channels
        window.close()
        host.close()


def test_a_lamp_shows_a_recording_and_its_duration(window: Window, fake_host: FakeHost) -> None:
    window.telemetry.poll_figures(0.0)
    assert window.header.recording.text() == ""
    fake_host.set("/record", 1)
    window.telemetry.poll_figures(1.0)
    fake_host.play(tone(100.0, 65.0))
    window.telemetry.poll_figures(2.0)
    assert window.header.recording.text() == "● REC 1:05"
    fake_host.set("/record", 0)
    window.telemetry.poll_figures(3.0)
    assert window.header.recording.text() == ""
