"""Audio devices: listing them, and choosing a device, its channels and its sample rate."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from export.errors import GlitchError
from realtime.ipc.memory_layout import MAX_CHANNELS

Kind = Literal["input", "output"]

NULL = "null"
PORTAUDIO_MISSING = "The PortAudio library is missing; install it (Debian: apt install libportaudio2)"


class DeviceError(GlitchError):
    """There is no such device, or it cannot play as asked."""


@dataclass(frozen=True)
class Device:
    """An output or input device.

    Attributes
    ----------
    index : int or None
        PortAudio's index; None for the null device.
    name : str
        Its name, with that of its host API.
    channels : int
        The most that it has.
    sample_rate : float
        Its default, in Hz.
    default : bool
        Whether it is the default device.
    why : str
        The reason why the null device was chosen, if it was.
    """

    index: int | None
    name: str
    channels: int
    sample_rate: float
    default: bool = False
    why: str = ""

    def __str__(self) -> str:
        return self.name if self.index is not None else "null device (no sound)"


@dataclass(frozen=True)
class Channels:
    """The channels of the devices that are used, counted from 0; `outputs[0]` plays our first channel."""

    outputs: tuple[int, ...]
    inputs: tuple[int, ...] = ()

    @property
    def opened(self) -> int:
        """Channels that the output must be opened with."""
        return max(self.outputs) + 1

    @property
    def opened_inputs(self) -> int:
        """Channels that the input must be opened with; 0 without an input."""
        return max(self.inputs, default=-1) + 1


def devices(kind: Kind = "output") -> list[Device]:
    """List the audio devices of this machine.

    Returns
    -------
    list of Device
        Those with channels of this kind, in PortAudio's order.

    Raises
    ------
    DeviceError
        The PortAudio library is missing.
    """
    sd = sounddevice_module()
    hosts = [host["name"] for host in sd.query_hostapis()]
    default = _default_index(sd, kind)
    channels = f"max_{kind}_channels"
    return [
        Device(k, f"{d['name']} ({hosts[d['hostapi']]})", d[channels], d["default_samplerate"], k == default)
        for k, d in enumerate(sd.query_devices())
        if d[channels] > 0
    ]


def choose(wanted: str | int | None, sample_rate: float) -> Device:
    """Choose an output device.

    Parameters
    ----------
    wanted
        Its index, or a part of its name; `"null"` for the null device. None or `""` takes the default device.
    sample_rate
        Of the null device, in Hz.

    Returns
    -------
    Device
        If the system names no default, the first in PortAudio's order. If the default is wanted and there is no device
        at all, the null device, with the reason in `why`.

    Raises
    ------
    DeviceError
        No device, or several, match; or the PortAudio library is missing, unless `wanted` is None.
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
    """Choose an input device.

    Parameters
    ----------
    wanted
        Its index, or a part of its name; `""` takes the default one.
    output
        The output device.

    Returns
    -------
    Device
        The null input, which is silent, if the output is the null device. If the system names no default, the first in
        PortAudio's order.

    Raises
    ------
    DeviceError
        No device, or several, match; or the output is the null device and the input isn't.
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
            f"{source.name} cannot be used with the null device; choose an output with --device, or leave --input out."
        )
    return source


def find_named(name: str, kind: Kind, sample_rate: float) -> Device | None:
    """Find the device with exactly this name; its index may have changed.

    Parameters
    ----------
    name
        `str()` of the device.
    kind
        `input` or `output`.
    sample_rate
        Of the null device, in Hz.

    Returns
    -------
    Device or None
        None if it is absent.
    """
    null = Device(None, NULL, MAX_CHANNELS, sample_rate)
    return null if name == str(null) else next((d for d in devices(kind) if d.name == name), None)


def choose_channels(
    device: Device, source: Device | None, outputs: Sequence[int] | None, inputs: Sequence[int] | None, model: int
) -> Channels:
    """Choose the channels of the output and the input.

    Parameters
    ----------
    device, source
        The output device, and the input device if there is one.
    outputs
        Channels to play on, counted from 1. Default: as many as the model has, at least two, if the device has them.
    inputs
        Channels of the live input, counted from 1. Default: the first.
    model
        Channels of the model.

    Returns
    -------
    Channels
        Counted from 0; no inputs without an input device.

    Raises
    ------
    DeviceError
        A device lacks a channel, or too many are asked for.
    """
    played = tuple(outputs or range(1, min(max(2, model), device.channels, MAX_CHANNELS) + 1))
    captured: tuple[int, ...] = () if source is None else tuple(inputs or (1,))
    for name, chosen, where in (("output", played, device), ("input", captured, source)):
        if len(chosen) > MAX_CHANNELS or len(set(chosen)) != len(chosen):
            raise DeviceError(f"At most {MAX_CHANNELS} {name} channels can be chosen, each once, not {list(chosen)}.")
        wrong = [c for c in chosen if not 1 <= c <= (where.channels if where else 0)]
        if wrong and where is not None:
            raise DeviceError(f"{where} has {name} channels 1 to {where.channels}, not {wrong[0]}.")
    return Channels(tuple(c - 1 for c in played), tuple(c - 1 for c in captured))


def choose_rate(
    device: Device, wanted: float | None, model_rate: float, *, channels: int = 2, strict: bool = True
) -> float:
    """Choose a sample rate that a device supports.

    Parameters
    ----------
    device
        The output device.
    wanted
        The rate asked for, in Hz; None for no preference.
    model_rate
        Of the model, in Hz.
    channels
        Number of channels that the device is opened with.
    strict
        Whether to refuse any other rate than `wanted`, if that is given.

    Returns
    -------
    float
        In Hz: the first of `wanted`, the model's and the device's default rate that the device accepts. The null device
        accepts all.

    Raises
    ------
    DeviceError
        The device cannot play at any of these rates.
    """
    if device.index is None:
        return wanted or model_rate
    sd = sounddevice_module()
    for rate in [wanted] if wanted and strict else [wanted or model_rate, model_rate, device.sample_rate]:
        with contextlib.suppress(sd.PortAudioError), silenced_stderr():
            sd.check_output_settings(device.index, channels, "float32", samplerate=rate)
            return float(rate)
    raise DeviceError(
        f"{device} cannot play at {wanted or model_rate:.0f} Hz; its own rate is {device.sample_rate:.0f}."
    )


def sounddevice_module() -> ModuleType:
    """Import sounddevice, which initialises PortAudio.

    Returns
    -------
    ModuleType
        The module; messages of the audio drivers during its import are suppressed.

    Raises
    ------
    DeviceError
        The PortAudio library is missing.
    """
    try:
        with silenced_stderr():
            import sounddevice
    except OSError:
        raise DeviceError(PORTAUDIO_MISSING) from None
    module: ModuleType = sounddevice
    return module


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Suppress what ALSA and JACK write to the terminal from C, such as that no server runs."""
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


def _default_index(sd: Any, kind: Kind) -> int | None:
    """Return PortAudio's default device, or that of the first host API that has one (JACK, if ALSA has no card)."""
    index = sd.default.device[kind == "output"]
    candidates = [index, *(host[f"default_{kind}_device"] for host in sd.query_hostapis())]
    return next((k for k in candidates if isinstance(k, int) and k >= 0), None)
