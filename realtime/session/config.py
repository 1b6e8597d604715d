"""The options of a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class SessionConfig:
    """The options of a session; `realtime.Session` takes them as arguments.

    Attributes
    ----------
    model
        The model file: `.onnx`, or TorchScript of the nn~ kind, which is converted the first time. Default: the model
        of the session file, or the bundled one.
    device
        Output device: its index, a part of its name, or `"null"`. Default: the system's default, or the null device
        where there is none.
    outputs
        Output channels, counted from 1. Default: as many as the model has, at least two.
    input_device
        Input device, as for `device`; `""` is the system's default. Default: no live input.
    inputs
        Input channels, counted from 1. Default: the first.
    samplerate
        Sample rate of the stream, in Hz. Default: the model's, if the device supports it.
    blocksize
        Audio frames per block, 0 or more; 0 leaves the choice to the device.
    latency
        The latency to request from the device: `"low"`, `"high"`, or seconds.
    library
        The folder from which models are loaded by name, beside the bundled ones. Default: the user's own.
    osc
        Host and port (0 to 65535) on which to listen for OSC over UDP and TCP; port 0 takes a free one. Default: no
        OSC.
    query_port
        Port of OSCQuery, 0 to 65535; 0 takes a free one. Default: no OSCQuery.
    midi
        Parts of the names of the MIDI inputs to play from; `["*"]` is all of them. Default: no MIDI.
    midi_outputs
        Parts of the names of the MIDI outputs that receive feedback. Default: the names in `midi`, except `"*"`.
    fx
        The first deck's effects, by name. Default: those of the session file, or none.
    session
        The session file: it is restored at the start and kept up to date from then on. Default: none.
    takes
        The folder for recordings and takes. Default: the user's own.
    seed
        The seed of everything random, 0 to 2³¹ − 1.
    record
        A file to record to from the first sound on, for `seconds`. Default: no recording.
    take
        A file to write the take to, from the first sound to the end. Default: none.
    seconds
        Stop after this many seconds, more than 0. Default: play until the session is closed.
    window
        Whether to open the window.
    notify
        Called with sentences about opening the model, which may take minutes. Default: they are added to the notes.
    """

    model: StrPath | None = None
    device: str | int | None = None
    outputs: Sequence[int] | None = None
    input_device: str | int | None = None
    inputs: Sequence[int] | None = None
    samplerate: float | None = None
    blocksize: int = 0
    latency: float | Literal["low", "high"] = "low"
    library: StrPath | None = None
    osc: tuple[str, int] | None = None
    query_port: int | None = None
    midi: Sequence[str] | None = None
    midi_outputs: Sequence[str] | None = None
    fx: Sequence[str] = ()
    session: StrPath | None = None
    takes: StrPath | None = None
    seed: int = 0
    record: StrPath | None = None
    take: StrPath | None = None
    seconds: float | None = None
    window: bool = False
    notify: Callable[[str], None] | None = None


class SessionOptions(TypedDict, total=False):
    """The options of `realtime.Session` besides the model, for type checkers; `SessionConfig` describes them."""

    device: str | int | None
    outputs: Sequence[int] | None
    input_device: str | int | None
    inputs: Sequence[int] | None
    samplerate: float | None
    blocksize: int
    latency: float | Literal["low", "high"]
    library: StrPath | None
    osc: tuple[str, int] | None
    query_port: int | None
    midi: Sequence[str] | None
    midi_outputs: Sequence[str] | None
    fx: Sequence[str]
    session: StrPath | None
    takes: StrPath | None
    seed: int
    record: StrPath | None
    take: StrPath | None
    seconds: float | None
    window: bool
    notify: Callable[[str], None] | None
