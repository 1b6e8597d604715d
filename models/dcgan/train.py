"""Training of a DCGAN, from pictures or sounds to a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from models.dcgan import checkpoint
from models.dcgan.adversarial_step import AdversarialNetworks
from models.dcgan.checkpoint import TrainedDcgan
from models.dcgan.domains import PictureDomain, SpectrumDomain, open_domain
from models.dcgan.latent_rotation import measure, rotate_latents
from models.dcgan.lightning_module import DcganModule
from models.dcgan.previews import EpochPreviews
from models.dcgan.settings import FIXED, DcganSettings, checked, from_plain
from models.training.callbacks.last_checkpoint import LastCheckpoint
from models.training.finish import check_finite, names_of, provenance
from models.training.resume import check_unchanged, open_run
from models.training.run_config import RunConfig
from models.training.trainer import fit

DATA_FILE = "data.json"


@dataclass(frozen=True)
class Result:
    """A finished training: the generator, its data, and how many steps and minutes it took."""

    trained: TrainedDcgan
    domain: PictureDomain | SpectrumDomain
    steps: int
    minutes: float


def train(data: str, run: RunConfig, settings: DcganSettings, *, show_progress: bool = True) -> Result:
    """Train a DCGAN and write its checkpoint.

    Parameters
    ----------
    data
        The data; see `models.dcgan.domains.open_domain`.
    run
        Where to write, and on which device to train.
    settings
        Networks and training.
    show_progress
        Whether to print a line on the terminal after each epoch.

    Returns
    -------
    result : Result
        The generator with averaged weights; steps and minutes include those before a resume.

    Raises
    ------
    DataError, ConfigError, CheckpointError
        The data, the settings or the run's folder cannot be used.
    TrainingError
        The training was interrupted, or diverged.
    """
    settings = checked(settings)
    started = open_run(run, from_plain)
    if started is not None:
        check_unchanged(started.settings, settings, FIXED)
    domain = open_domain(data, settings, run.out / DATA_FILE, run.command)
    module = DcganModule(AdversarialNetworks(domain, settings))
    if started is not None and started.checkpoint is None:
        module.plan = started.plan
    fit(
        module,
        run,
        callbacks=[
            EpochPreviews(run.out, show_progress),
            LastCheckpoint(run.last, settings.keep_minutes, evaluates=False),
        ],
        checkpoint=None if started is None else started.checkpoint,
    )
    trained = _averaged_model(module.cpu(), domain, run)
    checkpoint.save(trained, run.checkpoint)
    return Result(trained, domain, module.steps_done, module.seconds / 60)


def _averaged_model(module: DcganModule, domain: PictureDomain | SpectrumDomain, run: RunConfig) -> TrainedDcgan:
    """Measure batch-norm statistics, rotate the latents of sound by their effect, and describe the model."""
    networks, settings, steps = module.networks, module.settings, module.steps_done
    networks.measure_norms()
    generator = networks.averaged
    check_finite(generator, "give --learning-rate 1e-4")
    latent = None
    if isinstance(domain, SpectrumDomain):
        rotate_latents(generator, domain.scale)
        latent = measure(generator, domain)
    source = provenance(
        run,
        names_of(domain.source),
        [domain.source.licence],
        steps=steps,
        seed=settings.seed,
        notes=f"{steps} steps of {settings.batch}, {module.seconds / 60:.0f} min of training.",
    )
    picture = (domain.channels, domain.size) if isinstance(domain, PictureDomain) else None
    return TrainedDcgan(generator.eval(), settings, picture, latent, source)
