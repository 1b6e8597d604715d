"""Streams: a PortAudio stream that calls the compiled callback, or the null device.

The null device is a thread that calls the same compiled code in real time and discards the sound, for machines without
audio.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from realtime.audio.devices import Device, DeviceError, silenced_stderr, sounddevice_module
from realtime.ipc.priority import DEVICE_PRIORITY, request_realtime

if TYPE_CHECKING:
    from realtime.audio.deck_mixer import DeckMixer

NULL_BLOCK = 128


class Stream(Protocol):
    """Plays a mixer."""

    def start(self) -> None:
        """Begin to call the callback."""

    def close(self) -> None:
        """Stop, and wait until the callback is not called any more."""

    @property
    def latency_s(self) -> float:
        """Time from the callback to the speaker, in s."""

    @property
    def input_latency_s(self) -> float:
        """Time from the microphone to the callback, in s; 0 without an input."""


def open_stream(
    mixer: DeckMixer,
    device: Device,
    source: Device | None = None,
    *,
    sample_rate: float,
    block: int,
    latency: float | Literal["low", "high"],
) -> Stream:
    """Open a stream.

    Parameters
    ----------
    mixer
        With the channels that the devices are to be opened with.
    device, source
        The output device, and the input device if there is one.
    sample_rate
        In Hz.
    block
        Audio frames per callback; 0 leaves it to the device.
    latency
        In s, or the device's own default `low` or `high`, as in PortAudio.

    Returns
    -------
    Stream
        A `NullStream` for the null device, else a `PortAudioStream`. It plays after `start`.

    Raises
    ------
    DeviceError
        The device cannot be opened.
    """
    if device.index is None:
        return NullStream(mixer, sample_rate, block or NULL_BLOCK)
    return PortAudioStream(mixer, device, source, sample_rate, block, latency)


class PortAudioStream:
    """A PortAudio stream that calls `portaudio_callback` without the interpreter; see `open_stream`."""

    def __init__(
        self,
        mixer: DeckMixer,
        device: Device,
        source: Device | None,
        sample_rate: float,
        block: int,
        latency: float | Literal["low", "high"],
    ) -> None:
        from realtime.audio.callback import portaudio_callback  # compiled, so loaded only when it is needed

        sd = sounddevice_module()
        self._mixer = mixer  # the callback points into it
        stream = mixer.segment["stream"][0]
        both = source is not None
        channels, inputs = int(stream["channels"]), int(stream["inputs"])
        try:
            with silenced_stderr():
                self._stream = sd._StreamBase(  # the public classes only take callbacks in Python
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
        """Begin to call the callback.

        Raises
        ------
        DeviceError
            The device cannot be started.
        """
        try:
            with silenced_stderr():
                self._stream.start()
        except Exception as error:
            raise DeviceError(f"The device cannot be started: {_reason(error)}; is it in use elsewhere?") from None

    def close(self) -> None:
        """Stop, and wait until the callback is not called any more."""
        with silenced_stderr():
            self._stream.close(ignore_errors=True)

    @property
    def latency_s(self) -> float:
        """Time from the callback to the speaker, in s, as PortAudio reports it."""
        latency = self._stream.latency  # of the output, or of input and output
        return float(latency[1] if isinstance(latency, tuple) else latency)

    @property
    def input_latency_s(self) -> float:
        """Time from the microphone to the callback, in s, as PortAudio reports it; 0 without an input."""
        latency = self._stream.latency
        return float(latency[0]) if isinstance(latency, tuple) else 0.0


class NullStream:
    """Calls the callback in real time, and discards the sound.

    Parameters
    ----------
    mixer
        To play.
    sample_rate
        In Hz.
    block
        Audio frames per call.
    """

    def __init__(self, mixer: DeckMixer, sample_rate: float, block: int) -> None:
        self._mixer, self._period, self._block = mixer, block / sample_rate, block
        self._out = np.zeros(block * int(mixer.segment["stream"][0]["channels"]), np.float32)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="null device", daemon=True)
        self.latency_s = self.input_latency_s = 0.0

    def start(self) -> None:
        """Begin to call the callback."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until the callback is not called any more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        request_realtime(DEVICE_PRIORITY)
        due = time.perf_counter()
        while not self._stop.is_set():
            self._mixer.process(self._out, self._block)
            due += self._period
            early = due - time.perf_counter()
            if early > 0:
                time.sleep(early)
            elif early < -self._period:  # the next block is late as well: skip the lost time
                due = time.perf_counter()


def _reason(error: Exception) -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    return text.strip().rstrip(".")
