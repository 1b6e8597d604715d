"""Where the sound goes: a PortAudio stream that calls the compiled callback, or the null device.

The null device is a thread that keeps time and plays to nowhere, for machines without audio. It runs the same compiled
code as the device would.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from export.errors import GlitchError
from realtime.ipc.layout import MAX_CHANNELS
from realtime.ipc.priority import DEVICE_PRIORITY, request_realtime

if TYPE_CHECKING:
    from realtime.audio.mixer import Mixer

Kind = Literal["input", "output"]

NULL = "null"
NULL_BLOCK = 128
PORTAUDIO_MISSING = "The PortAudio library is missing; install it (Debian: apt install libportaudio2)"


class DeviceError(GlitchError):
    """No such device, or it cannot play as asked."""


@dataclass(frozen=True)
class Device:
    """An output device, or an input: `index` is PortAudio's, None for the null device."""

    index: int | None
    name: str
    channels: int
    sample_rate: float
    default: bool = False
    why: str = ""  # why it was chosen, where that needs saying

    def __str__(self) -> str:
        return self.name if self.index is not None else "null device (no sound)"


class Stream(Protocol):
    """What plays a mixer."""

    def start(self) -> None:
        """Begin to call back."""

    def close(self) -> None:
        """End, and wait until nothing calls back any more."""

    @property
    def latency_s(self) -> float:
        """Time from the callback to the speaker."""

    @property
    def input_latency_s(self) -> float:
        """Time from the microphone to the callback; 0 without an input."""


def devices(kind: Kind = "output") -> list[Device]:
    """List the devices that can play, or those that can hear.

    Raises
    ------
    DeviceError
        The PortAudio library is missing.
    """
    sd = _sounddevice()
    hosts = [host["name"] for host in sd.query_hostapis()]
    default = _default_index(sd, kind)
    channels = f"max_{kind}_channels"
    return [
        Device(k, f"{d['name']} ({hosts[d['hostapi']]})", d[channels], d["default_samplerate"], k == default)
        for k, d in enumerate(sd.query_devices())
        if d[channels] > 0
    ]


def choose(wanted: str | int | None, sample_rate: float) -> Device:
    """Find an output device by index, by a part of its name, or (None) the default one.

    Without any device, and asked for none by name, the null device is chosen and says why. `sample_rate` is the null
    device's.
    """
    null = Device(None, NULL, MAX_CHANNELS, sample_rate)
    if wanted == NULL:
        return null
    try:
        found = devices()
    except DeviceError as error:
        if wanted is not None:
            raise
        return dataclasses.replace(null, why=f"{error}.")
    if wanted is None or wanted == "":
        chosen = [d for d in found if d.default] or found
        return chosen[0] if chosen else dataclasses.replace(null, why="This machine has no audio device.")
    return _find(wanted, found, "output")


def choose_input(wanted: str | int, output: Device) -> Device:
    """Find an input by index or a part of its name; `""` takes the default one.

    Beside the null device there is only the null input, which is silent.
    """
    if output.index is None and wanted in ("", NULL):
        return Device(None, NULL, MAX_CHANNELS, output.sample_rate)
    found = devices("input")
    if wanted == "":
        chosen = [d for d in found if d.default] or found
        if not chosen:
            raise DeviceError("This machine has no audio input; plug one in, or start without --input.")
        return chosen[0]
    source = _find(wanted, found, "input")
    if output.index is None:
        raise DeviceError(
            f"{source.name} cannot be heard while nothing but the null device plays; choose an output with --device, "
            "or leave --input out."
        )
    return source


def named(name: str, kind: Kind, sample_rate: float) -> Device | None:
    """Find the device that calls itself so, if it is there; it may have another index than before."""
    null = Device(None, NULL, MAX_CHANNELS, sample_rate)
    return null if name == str(null) else next((d for d in devices(kind) if d.name == name), None)


def _find(wanted: str | int, found: list[Device], kind: Kind) -> Device:
    text = str(wanted).lower()
    exact = [d for d in found if str(d.index) == text]
    named = exact or [d for d in found if text in d.name.lower()]
    if len(named) == 1:
        return named[0]
    names = "; ".join(f"{d.index}: {d.name}" for d in named or found) or "none"
    problem = f"fits several {kind} devices" if named else f"is not an {kind} device here"
    remedy = "'glitch-live --list-devices' shows them" + (", 'null' always works" if kind == "output" else "")
    raise DeviceError(f"'{wanted}' {problem} ({names}); {remedy}.")


@dataclass(frozen=True)
class Channels:
    """Which channels of the devices are played and heard, counted from 0: `outputs[0]` is where our first goes."""

    outputs: tuple[int, ...]
    inputs: tuple[int, ...] = ()

    @property
    def opened(self) -> int:
        """How many channels the output has to be opened with."""
        return max(self.outputs) + 1

    @property
    def opened_inputs(self) -> int:
        """How many channels the input has to be opened with; 0 is no input."""
        return max(self.inputs, default=-1) + 1


def choose_channels(
    device: Device, source: Device | None, outputs: Sequence[int] | None, inputs: Sequence[int] | None, model: int
) -> Channels:
    """Choose channels: those asked for (from 1 on), else as many as the model has, two at least, and one input.

    Raises
    ------
    DeviceError
        A device hasn't so many, or more are asked for than can be played.
    """
    played = tuple(outputs or range(1, min(max(2, model), device.channels, MAX_CHANNELS) + 1))
    heard: tuple[int, ...] = () if source is None else tuple(inputs or (1,))
    for name, chosen, where in (("output", played, device), ("input", heard, source)):
        if len(chosen) > MAX_CHANNELS or len(set(chosen)) != len(chosen):
            raise DeviceError(f"At most {MAX_CHANNELS} {name} channels can be chosen, each once, not {list(chosen)}.")
        wrong = [c for c in chosen if not 1 <= c <= (where.channels if where else 0)]
        if wrong and where is not None:
            raise DeviceError(f"{where} has {name} channels 1 to {where.channels}, not {wrong[0]}.")
    return Channels(tuple(c - 1 for c in played), tuple(c - 1 for c in heard))


def open_stream(
    mixer: Mixer,
    device: Device,
    source: Device | None,
    *,
    sample_rate: float,
    block: int,
    latency: float | Literal["low", "high"],
) -> Stream:
    """Open a stream on a device, and an input, for a mixer whose channels fit; it plays after `start`."""
    if device.index is None:
        return NullStream(mixer, sample_rate, block or NULL_BLOCK)
    return PortAudioStream(mixer, device, source, sample_rate, block, latency)


def fitting_rate(
    device: Device, wanted: float | None, model_rate: float, *, channels: int = 2, strict: bool = True
) -> float:
    """Choose a rate: the one asked for, else (or where that isn't `strict`) the model's, else the device's own."""
    if device.index is None:
        return wanted or model_rate
    sd = _sounddevice()
    for rate in [wanted] if wanted and strict else [wanted or model_rate, model_rate, device.sample_rate]:
        with contextlib.suppress(sd.PortAudioError), _silent_natives():
            sd.check_output_settings(device.index, channels, "float32", samplerate=rate)
            return float(rate)
    raise DeviceError(
        f"{device} cannot play at {wanted or model_rate:.0f} Hz; its own rate is {device.sample_rate:.0f}."
    )


class PortAudioStream:
    """A PortAudio stream that calls `portaudio_callback`, without the interpreter."""

    def __init__(
        self,
        mixer: Mixer,
        device: Device,
        source: Device | None,
        sample_rate: float,
        block: int,
        latency: float | Literal["low", "high"],
    ) -> None:
        from realtime.audio.callback import portaudio_callback  # compiled code, loaded only by those who play

        sd = _sounddevice()
        self._mixer = mixer  # the callback points into it
        stream = mixer.segment["stream"][0]
        both = source is not None
        channels, inputs = int(stream["channels"]), int(stream["inputs"])
        try:
            with _silent_natives():
                self._stream = sd._StreamBase(
                    "duplex" if both else "output",
                    samplerate=sample_rate,
                    blocksize=block,
                    device=(source.index, device.index) if source is not None else device.index,
                    channels=(inputs, channels) if both else channels,
                    dtype="float32",
                    latency=latency,
                    extra_settings=None,
                    callback=sd._ffi.cast("PaStreamCallback*", portaudio_callback.address),
                    finished_callback=None,
                    clip_off=True,
                    dither_off=True,
                    never_drop_input=None,
                    prime_output_buffers_using_stream_callback=None,
                    userdata=sd._ffi.cast("void*", mixer.addresses.ctypes.data),
                    wrap_callback=None,
                )
        except sd.PortAudioError as error:
            raise DeviceError(
                f"{device} cannot be opened: {_reason(error)}; try another --blocksize or rate."
            ) from None

    def start(self) -> None:
        """Begin to call back."""
        try:
            with _silent_natives():
                self._stream.start()
        except Exception as error:
            raise DeviceError(f"The device cannot be started: {_reason(error)}; is it in use elsewhere?") from None

    def close(self) -> None:
        """End, and wait until nothing calls back any more."""
        with _silent_natives():
            self._stream.close(ignore_errors=True)

    @property
    def latency_s(self) -> float:
        """Time from the callback to the speaker, as the device tells it."""
        latency = self._stream.latency  # of the output, or of input and output
        return float(latency[1] if isinstance(latency, tuple) else latency)

    @property
    def input_latency_s(self) -> float:
        """Time from the microphone to the callback, as the device tells it; 0 without an input."""
        latency = self._stream.latency
        return float(latency[0]) if isinstance(latency, tuple) else 0.0


class NullStream:
    """Plays to nowhere, in time."""

    def __init__(self, mixer: Mixer, sample_rate: float, block: int) -> None:
        self._mixer, self._period, self._block = mixer, block / sample_rate, block
        self._out = np.zeros(block * int(mixer.segment["stream"][0]["channels"]), np.float32)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="null device", daemon=True)
        self.latency_s = self.input_latency_s = 0.0

    def start(self) -> None:
        """Begin to call back."""
        self._thread.start()

    def close(self) -> None:
        """End, and wait until nothing calls back any more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        request_realtime(DEVICE_PRIORITY)
        due = time.perf_counter()
        while not self._stop.is_set():
            self._mixer.process(self._out, self._block)
            due += self._period
            ahead = due - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
            elif ahead < -self._period:  # too late for the next block too: that time is lost, and nobody heard it
                due = time.perf_counter()


def _sounddevice() -> ModuleType:
    try:
        with _silent_natives():
            import sounddevice
    except OSError:
        raise DeviceError(PORTAUDIO_MISSING) from None
    module: ModuleType = sounddevice
    return module


def _default_index(sd: Any, kind: Kind) -> int | None:
    """Give PortAudio's default device, or the first of a host that has one (JACK, where ALSA has no card)."""
    index = sd.default.device[kind == "output"]
    candidates = [index, *(host[f"default_{kind}_device"] for host in sd.query_hostapis())]
    return next((k for k in candidates if isinstance(k, int) and k >= 0), None)


def _reason(error: Exception) -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.strip().rstrip(".")


@contextlib.contextmanager
def _silent_natives() -> Iterator[None]:
    """Keep what ALSA and JACK write to the terminal, past Python, off it: a missing server is no news here."""
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    try:
        stderr = sys.__stderr__.fileno() if sys.__stderr__ else 2
        kept = os.dup(stderr)
    except (OSError, ValueError):
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stderr)
        yield
    finally:
        os.dup2(kept, stderr)
        os.close(kept)
        os.close(nowhere)
