"""The command `glitch-live`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal, Unpack

import typer

from export.errors import GlitchError
from realtime.library.library import bundled_model

if TYPE_CHECKING:
    from realtime.session.config import SessionOptions

DEFAULT_OSC_PORT = 9000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")


@app.command()
def play(
    file: Annotated[Path | None, typer.Argument(help="Model file; the same as --model.", show_default=False)] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Model file: .onnx, or TorchScript of the nn~ kind (.ts). Default: the bundled orchestra."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Output device: its number, part of its name, or 'null' for no sound.")
    ] = None,
    outputs: Annotated[
        str | None, typer.Option(help="Output channels, counted from 1, such as 3,4. Default: the first ones.")
    ] = None,
    live: Annotated[
        str | None,
        typer.Option("--input", help="Live input: its number, part of its name, or 'default'. Default: no input."),
    ] = None,
    inputs: Annotated[
        str | None, typer.Option(help="Input channels, counted from 1, such as 1,2. Default: the first.")
    ] = None,
    library: Annotated[
        Path | None, typer.Option(help="Folder from which models are loaded by name. Default: your own library.")
    ] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="List the devices and exit.")] = False,
    samplerate: Annotated[
        float | None, typer.Option(min=8000, max=384_000, help="Sample rate in Hz. Default: the model's.")
    ] = None,
    blocksize: Annotated[
        int, typer.Option(min=0, max=8192, help="Frames per block; 0 leaves the choice to the device.")
    ] = 0,
    latency: Annotated[str, typer.Option(help="Latency to request from the device: low, high, or seconds.")] = "low",
    osc_host: Annotated[
        str, typer.Option(help="Address to listen on for OSC; 0.0.0.0 accepts the whole network.")
    ] = "127.0.0.1",
    osc_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port for OSC over UDP and TCP; 0 takes a free one.")
    ] = DEFAULT_OSC_PORT,
    query_port: Annotated[
        int, typer.Option(min=-1, max=65_535, help="TCP port for OSCQuery; 0 takes a free one, -1 turns it off.")
    ] = -1,
    midi: Annotated[
        list[str] | None,
        typer.Option(help="Play from the MIDI input with this name, or from all with '*'. Repeatable."),
    ] = None,
    midi_out: Annotated[
        list[str] | None, typer.Option(help="Send feedback to the MIDI output with this name. Repeatable.")
    ] = None,
    fx: Annotated[
        list[str] | None, typer.Option(help="Add an effect to the first deck, by name; see --list-fx. Repeatable.")
    ] = None,
    session: Annotated[
        Path | None, typer.Option(help="Session file (.json): restored at the start, then kept up to date.")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="Record the output to a .wav, .flac, .aiff or .caf file.")] = None,
    take: Annotated[
        Path | None, typer.Option(help="Write a .take file, from which 'glitch-lab render' makes the same sound again.")
    ] = None,
    takes: Annotated[Path | None, typer.Option(help="Folder for the files of /record and /take.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after this many seconds.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything random.")] = 0,
    headless: Annotated[bool, typer.Option("--headless", help="Don't open the window.")] = False,
    list_params: Annotated[bool, typer.Option("--list-params", help="List the model's parameters and exit.")] = False,
    list_fx: Annotated[bool, typer.Option("--list-fx", help="List the effects and exit.")] = False,
    layout: Annotated[
        str | None, typer.Option(help="Write a controller layout for the model to FILE.json or FILE.tosc, and exit.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Measure whether the model is fast enough on this machine, and exit.")
    ] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
) -> None:
    """Play a neural sound model live, controlled over OSC, MIDI and the window."""
    if file is not None and model is not None:
        raise GlitchError(
            f"Two models are named, {file} and {model}; a second deck loads its model while the first one plays."
        )
    model = model or file
    if show_version:
        print(_version())
    elif list_devices:
        _list_devices()
    elif list_fx:
        _list_effects(library)
    elif layout is not None:
        _write_layout(Path(layout), _open_model(model), (osc_host, osc_port))
    elif list_params:
        _list_parameters(_open_model(model))
    elif check:
        _check(model or bundled_model(), samplerate, seconds)
    elif inputs is not None and live is None:
        raise GlitchError("--inputs chooses channels of a live input; choose one with --input.")
    elif osc_port == query_port > 0:
        raise GlitchError(f"OSC and OSCQuery cannot share port {osc_port}; give --query-port another, or 0 for any.")
    else:
        _play(
            model,
            device=device,
            outputs=_channels(outputs, "--outputs"),
            input_device="" if live == "default" else live,
            inputs=_channels(inputs, "--inputs"),
            samplerate=samplerate,
            blocksize=blocksize,
            latency=_latency(latency),
            library=library,
            osc=(osc_host, osc_port),
            query_port=query_port if query_port >= 0 else None,
            midi=midi or None,
            midi_outputs=midi_out,
            fx=fx or (),
            session=session,
            takes=takes,
            record=record,
            take=take,
            seconds=seconds,
            seed=seed,
            window=not headless,
        )


def main() -> None:
    """Run the command; a `GlitchError` is printed as one sentence, with exit code 1."""
    try:
        app(standalone_mode=True)
    except GlitchError as error:
        if "--debug" in sys.argv:
            raise
        print(f"glitch-live: {error}", file=sys.stderr)
        sys.exit(1)


def _play(model: Path | None, **options: Unpack[SessionOptions]) -> None:
    from realtime.session.recordings import make_folder
    from realtime.session.session import Session
    from realtime.session.status.greeting import greeting
    from realtime.session.status.status_line import StatusLine

    takes, record, window = options.get("takes"), options.get("record"), options.get("window", False)
    if takes is not None:
        make_folder(Path(takes))  # so that a folder that cannot be made is reported before the show
    screen = _has_screen()
    options |= {"window": window and screen, "notify": _notify}
    session = Session(model, **options)
    stop = threading.Event()

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if not hasattr(signal, name):
            continue
        number = getattr(signal, name)
        if name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:
            continue  # nohup ignores it; a script ignores SIGINT for commands that it starts with &, which must stop
        signal.signal(number, ask_to_stop)
    with session:
        priority = int(session.deck.state["priority"])
        print(greeting(session.device, session.card, session.osc, priority), flush=True)
        if window and not screen:
            print("There is no screen here, so no window; --headless does without on purpose.", flush=True)
        line = StatusLine(session.notes, session.status)
        while not stop.wait(0.02) and session.playing:
            line.update()
        line.close()
    line.print_rest()
    if record is not None and session.recorder is not None and session.recorder.error:
        raise GlitchError(session.recorder.error)


def _open_model(model: Path | None) -> Path:
    """Return the file that plays; a model of another kind is converted first."""
    from realtime.library.opening import open_model

    return open_model(model or bundled_model(), notify=_notify).model


def _notify(sentence: str) -> None:
    """Print a sentence to standard error, since standard output may be read by a program."""
    print(sentence, file=sys.stderr, flush=True)


def _list_devices() -> None:
    from realtime.audio.devices import devices

    found = devices()
    for device in found:
        mark = "*" if device.default else " "
        print(f"{mark} {device.index}  {device.name}  {device.channels} out, {device.sample_rate:.0f} Hz")
    for device in devices("input"):
        mark = "*" if device.default else " "
        print(f"{mark} {device.index}  {device.name}  {device.channels} in, {device.sample_rate:.0f} Hz")
    print("  null  plays to nowhere, in time" if found else "No audio device here; 'null' plays to nowhere, in time.")


def _list_effects(library: Path | None) -> None:
    from realtime.effects.chain import names

    print("\n".join(names(library)))


def _write_layout(path: Path, model: Path, osc: tuple[str, int]) -> None:
    from export.format.io import load
    from realtime.layouts.layout_file import write_layout
    from realtime.params.table import table

    kind = {".json": "open-stage-control", ".tosc": "touchosc"}.get(path.suffix)
    if kind is None:
        raise GlitchError(
            f"A layout is a .json file for Open Stage Control or a .tosc file for TouchOSC, not '{path}'."
        )
    write_layout(kind, table(load(model)[1]), path, *osc)
    print(f"Wrote {path}.")


def _channels(text: str | None, option: str) -> list[int] | None:
    if text is None:
        return None
    parts = text.replace(" ", "").split(",")
    if not all(part.isdecimal() and 1 <= int(part) <= 1024 for part in parts):
        raise GlitchError(f"{option} takes channels counted from 1, separated by commas, such as 3,4, not '{text}'.")
    return [int(part) for part in parts]


def _list_parameters(model: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from export.format.io import load
    from realtime.params.table import table

    grid = Table("address", "type", "range", "default", "unit", "", box=None, pad_edge=False, header_style="bold")
    for row in table(load(model)[1]).values():
        span = "" if row.kind == "trigger" else f"{row.minimum:.10g} … {row.maximum:.10g}"
        default = "" if row.kind in ("trigger", "list") else f"{row.default:g}"
        grid.add_row(row.address, row.kind, span, default, row.unit, row.text)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(grid)


def _check(model: Path, samplerate: float | None, seconds: float | None) -> None:
    from realtime.session.preshow_check import measure

    result = measure(_open_model(model), sample_rate=samplerate, seconds=seconds or 3.0)
    print(result.sentence(model.name))
    if not result.holds:
        sys.exit(1)


def _latency(text: str) -> float | Literal["low", "high"]:
    if text == "low":
        return "low"
    if text == "high":
        return "high"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 2:
        raise GlitchError(f"--latency is low, high or seconds up to 2, not '{text}'.")
    return seconds


def _has_screen() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _version() -> str:
    try:
        own = version("glitch-live")
    except PackageNotFoundError:
        own = "(not installed)"
    return f"glitch-live {own}"


if __name__ == "__main__":
    main()
