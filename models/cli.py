"""`glitch-lab`, the command line of the studio; commands import Torch when they need it, so that help is fast."""

from __future__ import annotations

import importlib.metadata
import shlex
import sys
import time
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from export.errors import ContractError, GlitchError
from export.format.card import Card, Measured, is_bend_control
from export.format.io import load
from models.commands import evaluate, explore, generate, pair, textures, transform
from models.commands.grid import grid
from models.commands.terminal import command_line, console, progress, sigterm_as_exit
from models.commands.train.dcgan import train_dcgan
from models.commands.train.digits import train_digits
from models.commands.train.playable import train_playable
from models.commands.train.travel import train_travel
from models.commands.train.vae import train_vae

if TYPE_CHECKING:
    from onnx import ModelProto

    from export.proof.chunk_equality import Proof

LAB_MODULES = (
    *("torch", "lightning", "tensorboard", "scipy", "soxr", "sklearn", "onnxscript", "matplotlib", "PIL"),
    *("optuna", "sqlalchemy"),
)

app = typer.Typer(
    help="The studio: sounds, training, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Sounds to train on.", no_args_is_help=True)
train_app = typer.Typer(help="Train a model.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
train_app.command("digits")(train_digits)
train_app.command("dcgan")(train_dcgan)
data_app.command("textures")(textures.data_textures)
app.command("evaluate")(evaluate.command)
app.command("explore")(explore.command)
app.command("generate")(generate.command)
app.command("transform")(transform.command)
train_app.command("playable")(train_playable)
data_app.command("pair")(pair.data_pair)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"glitch-lab {importlib.metadata.version('glitch-live')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", callback=_show_version)] = False,
) -> None:
    pass  # `main` reads --debug itself: it must hold for errors in the options as well


@data_app.command("orchestra")
def data_orchestra(
    out: Annotated[Path, typer.Argument(help="Folder to write the sounds and manifest.json to.")],
    soundfont: Annotated[
        Path | None, typer.Option(help="A General MIDI soundfont. Default: the system's FluidR3.")
    ] = None,
    rate: Annotated[int, typer.Option(help="Sample rate, Hz.")] = 48_000,
    step: Annotated[int, typer.Option(help="Semitones between notes.")] = 1,
    velocities: Annotated[str, typer.Option(help="MIDI velocities, with commas.")] = "45,80,115",
    instruments: Annotated[str | None, typer.Option(help="Names with commas. Default: all eleven.")] = None,
) -> None:
    """Render single notes of eleven orchestral instruments with FluidSynth."""
    from models.data.rendered import orchestra

    levels = _velocities(velocities)
    names = tuple(part.strip() for part in instruments.split(",")) if instruments else tuple(orchestra.INSTRUMENTS)
    settings = orchestra.Settings(rate=rate, step=step, velocities=levels, instruments=names, soundfont=soundfont)
    with progress("rendering") as on_note:
        made = orchestra.render(out, settings, command=command_line(), on_note=on_note)
    held_out = len(made.of_split("held-out"))
    print(f"{len(made.sounds)} notes of {len(names)} instruments in {out}, {held_out} of them held out.")


@data_app.command("voices")
def data_voices(
    out: Annotated[Path, typer.Argument(help="Folder to write the sounds and manifest.json to.")],
    rate: Annotated[int, typer.Option(help="Sample rate, Hz.")] = 48_000,
    step: Annotated[int, typer.Option(help="Semitones between notes.")] = 1,
    velocities: Annotated[str, typer.Option(help="MIDI velocities, with commas.")] = "45,80,115",
    voices: Annotated[str | None, typer.Option(help="Names with commas. Default: all four.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of breath noise and of the variation between notes.")] = 0,
) -> None:
    """Synthesise single notes of four voices singing five vowels."""
    from models.data.rendered import voices as singers

    names = tuple(part.strip() for part in voices.split(",")) if voices else tuple(singers.VOICES)
    settings = singers.Settings(rate=rate, step=step, velocities=_velocities(velocities), voices=names, seed=seed)
    with progress("singing") as on_note:
        made = singers.render(out, settings, command=command_line(), on_note=on_note)
    held_out = len(made.of_split("held-out"))
    print(f"{len(made.sounds)} notes of {len(made.labels)} voices and vowels in {out}, {held_out} of them held out.")


@data_app.command("folder")
def data_folder(
    folder: Annotated[Path, typer.Argument(metavar="IN", help="Folder of sounds, or with a subfolder per label.")],
    out: Annotated[Path, typer.Argument(metavar="OUT_MANIFEST", help="The manifest to write.")],
    held_out: Annotated[float, typer.Option(help="Share of the sounds to hold out.")] = 0.2,
    hold_out: Annotated[str, typer.Option(help="Unit to hold out: file, label or pitch.")] = "file",
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
    licence: Annotated[str, typer.Option(help="Licence of the sounds, for the model's card.")] = "",
) -> None:
    """Index any folder of WAV, FLAC, AIFF, OGG and MP3 files."""
    from models.data import folder as folders
    from models.data import split

    settings = folders.Settings(held_out=held_out, seed=seed, hold_out=split.known(hold_out))
    if folders.target(out).suffix == ".json" and folders.target(out).exists():
        raise GlitchError(f"{folders.target(out)} already exists and may have been edited; give another name.")
    with progress("reading") as on_file:
        made = folders.index(folder, out, settings, command=command_line(), licence=licence, on_file=on_file)
    for entry in made.skipped:
        print(f"skipped {entry.path}: {entry.reason}")
    minutes = sum(sound.seconds for sound in made.sounds) / 60
    held = len(made.of_split("held-out"))
    print(
        f"{len(made.sounds)} sounds, {minutes:.1f} min, {len(made.labels)} labels, {held} held out; "
        f"{len(made.skipped)} files skipped."
    )


train_app.command("vae")(train_vae)
train_app.command("travel")(train_travel)
app.command("grid")(grid)


BendOption = Annotated[
    str | None,
    typer.Option(metavar="LAYERS", help="Live controls for layers: names and patterns with commas, auto or all."),
]
ListLayers = Annotated[bool, typer.Option("--list-layers", help="List the layers that can be bent, and exit.")]


@app.command("export")
def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="model.ckpt of a training, or its folder.")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT.onnx", help="The model file to write.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model. Default: its file name.")] = None,
    bend: BendOption = None,
    list_layers: ListLayers = False,
    weights: Annotated[str, typer.Option(help="fp32; fp16 halves the file, int8 quarters it, with loss.")] = "fp32",
    voices: Annotated[int, typer.Option(min=1, help="Number of voices of a playable model.")] = 1,
) -> None:
    """Export a checkpoint as a streaming model file, after proving that chunked equals whole."""
    from export.weight_storage import known

    kind = known(weights)
    from models.commands.export import export

    if list_layers:
        with TemporaryDirectory() as folder:
            export(checkpoint, Path(folder) / "listed.onnx")
            _print_layers(*load(Path(folder) / "listed.onnx"))
        return
    proof = export(checkpoint, _required(out), name=name, bend=_patterns(bend), weights=kind, voices=voices)
    _print_proof(_required(out), proof)
    if weights != "fp32":
        print(f"{load(_required(out))[1].provenance.notes}.")


@app.command("bend")
def bend_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="Any model file.")],
    out: Annotated[Path | None, typer.Argument(metavar="OUT.onnx", help="The model file to write.")] = None,
    layers: BendOption = "auto",
    list_layers: ListLayers = False,
) -> None:
    """Add live controls to layers of a model, replacing existing ones: a scale and a shift for each channel."""
    from export.bending.bend import bend_file

    if list_layers:
        _print_layers(*load(model))
        return
    proof = bend_file(model, _required(out), _patterns(layers))
    _print_proof(_required(out), proof)


@app.command("card")
def card_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Print the card of a model: methods, controls, latents, provenance and measurements."""
    from export.format.model_facts import summary

    described = summary(*load(model), model.stat().st_size)
    if json:
        print(dumps(described, ensure_ascii=False))
    else:
        from models.commands import show

        show.card(described)


@app.command("verify")
def verify_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Verify the promises of a model again; the exit status is 1 if one is broken."""
    from export.format.dataclass_json import to_plain
    from export.proof.file_verification import verify

    verdict = verify(model)
    if json:
        print(dumps({**to_plain(verdict), "holds": verdict.holds}, ensure_ascii=False))
    else:
        from models.commands import show

        show.verdict(verdict)
    if not verdict.holds:
        raise ContractError(verdict.failure())


@app.command("convert")
def convert_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.ts", help="A TorchScript file for nn~, such as RAVE.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT.onnx]", help="The model file to write. Default: beside MODEL.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model. Default: its file name.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the input for the proof.")] = 0,
    bend: Annotated[
        str | None,
        typer.Option(metavar="LAYERS", help="Layers to bend live: names with * and commas, or 'all'."),
    ] = None,
    weights: Annotated[str, typer.Option(help="Precision of the weights: fp32, fp16 or int8.")] = "fp32",
) -> None:
    """Convert a TorchScript model to a streaming model file, after proving that it sounds the same."""
    from realtime.library.conversion import WEIGHTS, ConversionOptions, convert

    if weights not in WEIGHTS:
        raise GlitchError(f"--weights is {', '.join(WEIGHTS)}, not '{weights}'.")
    if out is None:
        out = model.with_suffix(".onnx")
        if out.exists():
            raise GlitchError(f"{out} already exists; name the file to write: glitch-lab convert {model} OUT.onnx.")
    layers = tuple(part.strip() for part in bend.split(",") if part.strip()) if bend else ()
    options = ConversionOptions(name or out.stem, seed, layers, weights)
    began = time.monotonic()
    with console.status(f"converting {model.name}") as status:
        made = convert(model, out, options, notify=status.update, debug="--debug" in sys.argv[1:])
    _print_model(made.card)
    for warning in made.warnings:
        print(f"warning: {warning}")
    if weights != "fp32":
        print(f"{made.card.provenance.notes}.")
    size = out.stat().st_size / 1e6
    print(
        f"{out}: {size:.1f} MB, made in {time.monotonic() - began:.0f} s; play it: glitch-live {shlex.quote(str(out))}"
    )


@app.command("render")
def render_command(
    take: Annotated[Path, typer.Argument(metavar="TAKE", help="A .take file, or the journal of a killed session.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.wav", help="The .wav or .flac file to write.")],
    library: Annotated[Path | None, typer.Option(help="Folder of models that have been moved.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Render the sound of a take again, sample for sample, faster than real time."""
    from models.files.sound_writer import check_new
    from realtime.library.library import Library
    from realtime.takes.renderer import render

    check_new(out, force=force)
    began = time.monotonic()
    with progress("rendering") as on_share:
        made = render(take, out, Library(library), lambda share: on_share(round(1000 * share), 1000))
    speed = made.seconds / (time.monotonic() - began)
    print(f"{out}: {made.seconds:.1f} s of sound, {speed:.1f} times real time.")
    if made.lost:
        print(f"{made.lost} events were not recorded in the take, so this is not exactly the sound that was played.")


def main() -> None:
    """Run the command line; errors of this project are printed as one sentence, with exit status 1."""
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        with sigterm_as_exit():
            app(arguments)
    except GlitchError as error:
        if debug:
            raise
        sys.exit(str(error))
    except OSError as error:
        if debug or error.filename is None:
            raise
        sys.exit(f"Cannot read or write {error.filename}: {error.strerror}.")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
    except ModuleNotFoundError as error:
        if debug or (error.name or "").partition(".")[0] not in LAB_MODULES:
            raise
        sys.exit(f'This command needs {error.name}; run: pip install -e ".[lab]" in a clone of glitch-live.')


def _velocities(text: str) -> tuple[int, ...]:
    from models.files.errors import DataError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise DataError(f"--velocities takes whole numbers with commas, not '{text}'.") from None


def _required(out: Path | None) -> Path:
    if out is None:
        raise ContractError("OUT.onnx, the file to write, is missing; give it, or use --list-layers.")
    return out


def _patterns(layers: str | None) -> list[str] | None:
    return None if layers is None else [part.strip() for part in layers.split(",") if part.strip()]


def _print_proof(out: Path, proof: Proof) -> None:
    worst = max(difference.value for difference in proof.worst)
    size = out.stat().st_size / 1e6
    print(f"{out}: {size:.1f} MB; chunked equals whole within {worst:.0e} ({proof.tolerance:.0e} is allowed).")


def _print_layers(model: ModelProto, card: Card) -> None:
    from rich.table import Table

    from export.bending.bendable_layers import find_layers

    found = find_layers(model, card)
    table = Table(title=f"{card.name}: {len(found)} layers that can be bent")
    for heading in ("method", "layer", "kind"):
        table.add_column(heading)
    table.add_column("channels", justify="right")
    for layer in found:
        table.add_row(layer.method, layer.name, layer.kind, str(layer.channels))
    Console(width=100 if not sys.stdout.isatty() else None).print(table)


def _print_model(card: Card) -> None:
    """Print the methods of a model with their measurements."""
    from rich.table import Table

    table = Table(title=f"{card.name}: {card.sample_rate} Hz, {card.latent.size} latents")
    table.add_column("method")
    for heading in ("hop", "channels", "delay", "difference from source", "difference of chunks", "times real time"):
        table.add_column(heading, justify="right")
    for name, method in card.methods.items():
        found = method.measured or Measured()
        figures = (_figure(found.parity, ".0e"), _figure(found.chunks, ".0e"), _figure(found.real_time, ".1f"))
        table.add_row(name, str(method.hop), str(method.channels), str(method.delay), *figures)
    Console(width=100 if not sys.stdout.isatty() else None).print(table)
    controls = {control.name: control for method in card.methods.values() for control in method.controls}
    layers = dict.fromkeys(bend.layer for method in card.methods.values() for bend in method.bends)
    controls = {name: one for name, one in controls.items() if not is_bend_control(name)}
    if layers:
        print(f"layers that can be bent: {', '.join(layers)}")
    if controls:
        ranges = (f"{name} ({one.minimum:g} to {one.maximum:g})" for name, one in controls.items())
        print(f"controls: {', '.join(ranges)}")


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


if __name__ == "__main__":
    main()
