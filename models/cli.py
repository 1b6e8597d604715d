"""`glitch-lab`, the command line of the studio, assembled from `models.commands`.

Commands import torch when they need it, so that help is fast.
"""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from export.errors import GlitchError
from models.commands import bend, card, convert, evaluate, explore, export, generate, grid, render, transform, verify
from models.commands.data.folder import data_folder
from models.commands.data.orchestra import data_orchestra
from models.commands.data.pair import data_pair
from models.commands.data.textures import data_textures
from models.commands.data.voices import data_voices
from models.commands.shared.process import sigterm_as_exit
from models.commands.train.dcgan import train_dcgan
from models.commands.train.digits import train_digits
from models.commands.train.playable import train_playable
from models.commands.train.travel import train_travel
from models.commands.train.vae import train_vae

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
data_app.command("textures")(data_textures)
data_app.command("pair")(data_pair)
data_app.command("orchestra")(data_orchestra)
data_app.command("voices")(data_voices)
data_app.command("folder")(data_folder)
train_app.command("digits")(train_digits)
train_app.command("dcgan")(train_dcgan)
train_app.command("playable")(train_playable)
train_app.command("vae")(train_vae)
train_app.command("travel")(train_travel)
app.command("evaluate")(evaluate.command)
app.command("explore")(explore.command)
app.command("generate")(generate.command)
app.command("transform")(transform.command)
app.command("grid")(grid.grid)
app.command("export")(export.export_command)
app.command("bend")(bend.bend_command)
app.command("card")(card.card_command)
app.command("verify")(verify.verify_command)
app.command("convert")(convert.convert_command)
app.command("render")(render.render_command)


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


if __name__ == "__main__":
    main()
