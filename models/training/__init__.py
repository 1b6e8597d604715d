"""The training spine that all architectures share: plan, run, checkpoint, resume, finish.

| module | contents |
| --- | --- |
| `run_config` | `RunConfig`: where a run writes and on which device it trains |
| `scheduled_module` | `ScheduledModule`: the Lightning module with a plan that every training derives from |
| `step_plan` | the number of steps, fixed when a training begins |
| `trainer` | `fit`: the Lightning trainer of all runs |
| `resume` | the training that an earlier run left in a folder |
| `checkpoint` | `CheckpointSpec`: how a trained model is written and read |
| `finish` | provenance, and the files of a finished run |
| `callbacks` | `last.ckpt`, the history of evaluations, the progress line |
| `frame_vae` | training of VAEs on frames of sound |
| `latent_stats` | statistics of the latent space, as checkpoints store them |
| `weight_averaging`, `seeding` | moving averages of weights, seeds of random numbers |
| `errors`, `lightning_logging` | error types, Lightning without banners |

An architecture adds its settings, network, objective and export, and a `train` module that walks from data to
checkpoint.
"""

__all__ = [
    "callbacks",
    "checkpoint",
    "errors",
    "finish",
    "frame_vae",
    "latent_stats",
    "lightning_logging",
    "resume",
    "run_config",
    "scheduled_module",
    "seeding",
    "step_plan",
    "trainer",
    "weight_averaging",
]
