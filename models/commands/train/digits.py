"""`glitch-lab train digits`: a VAE of handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.commands.shared.progress_bars import progress


def train_digits(
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder for model.ckpt and logs.")],
    mnist: Annotated[
        Path | None, typer.Option(help="Folder of MNIST's own four files. Default: scikit-learn's 8 by 8 digits.")
    ] = None,
    latent: Annotated[int, typer.Option(min=1, max=512, help="Number of latents.")] = 10,
    network: Annotated[str, typer.Option(help="dense, convolutional or recurrent.")] = "dense",
    hidden: Annotated[str | None, typer.Option(help="Widths of its layers, separated by commas.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of values set to 0 in training.")] = None,
    prior: Annotated[str, typer.Option(help="normal, mixture or vamp.")] = "normal",
    components: Annotated[int, typer.Option(min=1, max=10_000, help="Components of a mixture or VampPrior.")] = 50,
    told: Annotated[bool, typer.Option("--told", help="Condition the decoder on the digit.")] = False,
    beta: Annotated[float, typer.Option(min=0, help="Weight of the KL divergence.")] = 1.0,
    warmup_epochs: Annotated[
        float | None, typer.Option(min=0, help="Epochs over which that weight rises from 0.")
    ] = None,
    free_bits: Annotated[float, typer.Option(min=0, help="Nats of each latent without a penalty.")] = 0.0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Largest number of epochs.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-8, max=1, help="Initial learning rate of AdamW.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of all random numbers.")] = 0,
) -> None:
    """Train a VAE on handwritten digits, and score it on the test set."""
    from models.training.errors import ConfigError

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} already exists and isn't an empty folder; give another name.")
    from models.data.pictures import digits
    from models.digits_vae import checkpoint
    from models.digits_vae.previews import DigitsPreviews
    from models.digits_vae.settings import preset
    from models.digits_vae.train import score, train
    from models.training.run_config import RunConfig

    run = RunConfig(out)
    config, training = preset(
        mnist=mnist is not None,
        seed=seed,
        latent=latent,
        network=network,
        hidden=_widths(hidden),
        dropout=dropout,
        prior=prior,
        components=components,
        told=told,
        beta=beta,
        warmup_epochs=warmup_epochs,
        free_bits=free_bits,
        epochs=epochs,
        learning_rate=learning_rate,
    )
    splits = digits.small() if mnist is None else digits.mnist(mnist)
    every = max(1, training.fit.epochs // 20)
    with progress("training") as on_epoch:
        trained = train(
            splits,
            config,
            training,
            logs=run.out / "logs",
            callbacks=lambda held_out: (DigitsPreviews(held_out, every),),
            on_epoch=on_epoch,
        )
    checkpoint.save(trained, run.checkpoint)
    found = score(trained.vae, splits.test)
    print(
        f"{run.checkpoint}: best after {trained.epochs} epochs; {len(splits.test)} digits that it never saw: "
        f"-ELBO {found.negative_elbo:.2f} nats, NLL {found.nll:.2f} nats (500 samples)."
    )


def _widths(text: str | None) -> tuple[int, ...] | None:
    from models.training.errors import ConfigError

    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"--hidden takes whole numbers with commas, not '{text}'.") from None
