"""playable: quality of held-out notes through the bundled models that are played by pitch, beside their ceilings.

`{"orchestra": {"rows": {…}, "leakage_db", "pre_onset_db", "worst_pre_onset_db", "hop_ms", "notes"}, "voices": {…},
"eight_hop_ms"}`; a row has the mean and the worst note of Δ log-mel, the mean spectral convergence and the worst
label's, the median pitch error, the number of notes with a median over 25 cents, and the share of such frames:

- `playable`: the playable file encodes the sound, and plays it with the pitch and loudness of its analysis;
- `told`: the same with latents from the training's own encoder, if `PLAYABLE_RUNS` names a folder with the trainings
  (`orchestra/model.ckpt` and `voices/model.ckpt`);
- `preset`: the same with the label's preset instead of latents of the sound;
- `resynthesis`: analysis and resynthesis without a network, the ceiling of these;
- `spectral`: the spectral file of the orchestra, inverted as on stage; `inversion`: the true magnitudes inverted so,
  its ceiling.

Leakage is the largest change of the level when one latent goes from −2 to 2 standard deviations. The pre-onset level is
that of the sound up to 5 ms before a note begins, relative to its first 50 ms. `PLAYABLE_DATA` names a folder with the
output of `glitch-lab data orchestra` and `data voices` (`orchestra/`, `voices/`), else it is rendered;
`PLAYABLE_LIMIT` takes so many notes of each, evenly chosen (default 40). The quick form renders one instrument and one
voice, and takes one note of each.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.benchmarks.support.job import Figures, Job

if TYPE_CHECKING:
    from models.playable_vae.replay import Replay

QUICK_S, FULL_S = 12, 600
LENGTHS = ("PLAYABLE_LIMIT",)
RATE, LEAD = 48_000, 4_800
LIMIT, QUICK_LIMIT = 40, 1
SWEEP_PITCHES, SWEEP_FRAMES, QUICK_SWEEP_FRAMES = (48.0, 60.0, 72.0), 800, 80
ROUNDS, QUICK_ROUNDS = 10, 2
FAR_CENTS = 25.0
Replayed = Callable[[np.ndarray, Any], np.ndarray]


@dataclass(frozen=True)
class NoteFigures:
    """The figures of one note."""

    label: str
    mel_db: float
    convergence_db: float
    cents: np.ndarray


def run(job: Job) -> Figures:
    """Render the notes, unless they are there, and measure."""
    import torch

    from models.data.rendered import orchestra, voices
    from realtime.library.library import Library

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(os.environ.get("PLAYABLE_DATA", scratch))

        def report(done: int, total: int) -> None:
            if done % 20 == 0:
                job.progress(f"{done} notes rendered of {total}")

        if not (folder / "orchestra").exists():
            played = orchestra.Settings(step=12, velocities=(80,), instruments=("flute",))
            orchestra.render(folder / "orchestra", job.choose(played, orchestra.Settings()), on_note=report)
        if not (folder / "voices").exists():
            sung = voices.Settings(step=12, velocities=(80,), voices=("soprano",))
            voices.render(folder / "voices", job.choose(sung, voices.Settings()), on_note=report)
        found: Figures = {}
        for name in ("orchestra", "voices"):
            found[name] = measure(job, folder / name, name)
            job.partial(found)
    return found | {"eight_hop_ms": _hop_ms(job, Library().find("orchestra-eight"))}


def describe(result: Figures) -> str:
    """Return the figures of each model."""
    lines = []
    for model in ("orchestra", "voices"):
        found = result[model]
        lines.append(f"{model}, {found['notes']} notes:")
        lines += [
            f"  {name}: Δ log-mel {row['mel_db']:.2f} dB (worst note {row['worst_mel_db']:.2f}), convergence "
            f"{row['sc_db']:.1f} dB (worst label {row['worst_sc_db']:.1f}), pitch {row['cents']:.1f} cents"
            for name, row in found["rows"].items()
        ]
        lines.append(
            f"  leakage {found['leakage_db']:.2f} dB, before the onset {found['pre_onset_db']:.0f} dB, "
            f"{found['hop_ms']:.3f} ms a hop"
        )
    return "\n".join([*lines, f"{result['eight_hop_ms']:.3f} ms a hop with eight voices"])


def measure(job: Job, folder: Path, model: str) -> Figures:
    """Measure a bundled model on the held-out notes of a folder."""
    from export.format.io import load
    from models.data import features, manifest
    from models.playable_vae.replay import Replay
    from realtime.library.library import Library

    library = Library()
    sounds = manifest.read(folder)
    notes = sounds.of_split("held-out")
    limit = int(job.number("PLAYABLE_LIMIT", quick=QUICK_LIMIT, full=LIMIT))
    notes = tuple(notes[int(k)] for k in np.linspace(0, len(notes) - 1, min(limit, len(notes))))
    replay = Replay(*load(library.find(model)))
    ways = _ways(replay, model)
    found: dict[str, list[NoteFigures]] = defaultdict(list)
    before = []
    for k, note in enumerate(notes):
        job.progress(f"{model}, note {k + 1} of {len(notes)}")
        audio = features.load_audio(sounds.path_of(note), RATE)
        assert note.pitch is not None
        for name, replayed in ways.items():
            found[name].append(NoteFigures(note.label, *_figures(audio, replayed(audio, note), note.pitch)))
        before.append(_pre_onset_db(replay, audio, note.pitch))
    job.progress(f"{model}, leakage and cost")
    return {
        "rows": {name: _row(each) for name, each in found.items()},
        "leakage_db": _leakage_db(replay, job.choose(QUICK_SWEEP_FRAMES, SWEEP_FRAMES)),
        "pre_onset_db": float(np.mean(before)),
        "worst_pre_onset_db": float(np.max(before)),
        "hop_ms": _hop_ms(job, library.find(model)),
        "notes": len(notes),
    }


def _ways(replay: Replay, model: str) -> dict[str, Replayed]:
    from export.format.io import load
    from models.evaluation.evaluate import RoundTrip
    from models.harmonics import resynthesis
    from models.harmonics.analysis import Analysis, analyse
    from models.harmonics.synth import Synth
    from models.playable_vae.replay import Score
    from realtime.dsp.rtpghi import invert, stft_magnitudes
    from realtime.library.library import Library

    synth = Synth(RATE, replay.hop)
    names = next(control.text for control in replay.decode.controls if control.name == "instrument")

    def preset(audio: np.ndarray, note: Any) -> np.ndarray:
        analysis = analyse(audio, Analysis(RATE, replay.hop), note.pitch)
        number = float(names.partition(f" {note.label}")[0].rpartition(" ")[2])
        made = replay.play(Score(analysis.pitch, analysis.loudness, instrument=number))
        return np.pad(made, (0, max(0, len(audio) - len(made))))[: len(audio)]

    ways: dict[str, Replayed] = {
        "playable": lambda audio, note: replay.resynthesise(audio, note.pitch),
        "preset": preset,
        "resynthesis": lambda audio, note: resynthesis.resynthesise(audio, synth, note.pitch),
        "inversion": lambda audio, note: invert(stft_magnitudes(audio, 2048, 256), 2048, 256, length=len(audio)),
    }
    if model == "orchestra":
        spectral = RoundTrip(*load(Library().find("orchestra-spectral")))
        ways["spectral"] = lambda audio, note: spectral(audio, note.pitch)
    if "PLAYABLE_RUNS" in os.environ:
        ways["told"] = _told(replay, Path(os.environ["PLAYABLE_RUNS"], model))
    return ways


def _told(replay: Replay, checkpoint: Path) -> Replayed:
    import torch

    from models.harmonics.analysis import Analysis, analyse
    from models.playable_vae.checkpoint import load
    from models.playable_vae.frame_store import PartialStore

    vae = load(checkpoint).vae

    @torch.no_grad()
    def replayed(audio: np.ndarray, note: Any) -> np.ndarray:
        found = analyse(audio, Analysis(RATE, replay.hop), note.pitch)
        frames = PartialStore.of([note], [found]).take(torch.arange(len(found.pitch)))
        latent, _ = vae.encode(frames.drawn, frames.pitch, frames.loudness)
        return np.asarray(replay.resynthesise(audio, note.pitch, latent.T.numpy()))

    return replayed


def _figures(audio: np.ndarray, made: np.ndarray, note: float) -> tuple[float, float, np.ndarray]:
    from models.dsp import sound_distances

    mel, convergence = (
        sound_distances.log_mel_difference_db(audio, made, RATE),
        sound_distances.spectral_convergence_db(audio, made),
    )
    return mel, convergence, sound_distances.pitch_errors_cents(audio, made, RATE, note)


def _row(figures: list[NoteFigures]) -> dict[str, float]:
    labels = {each.label for each in figures}
    by_label = [np.mean([each.convergence_db for each in figures if each.label == label]) for label in labels]
    mel, convergence = [each.mel_db for each in figures], [each.convergence_db for each in figures]
    medians = np.array([np.median(each.cents) for each in figures if len(each.cents)])
    joined = np.concatenate([each.cents for each in figures])
    return {
        "mel_db": float(np.mean(mel)),
        "worst_mel_db": float(np.max(mel)),
        "sc_db": float(np.mean(convergence)),
        "worst_sc_db": float(np.max(by_label)),
        "cents": float(np.median(joined)),
        "worst_note_cents": float(medians.max()),
        "notes_over_25": int((medians > FAR_CENTS).sum()),
        "frames_over_25": float((joined > FAR_CENTS).mean()),
    }


def _pre_onset_db(replay: Replay, audio: np.ndarray, note: float) -> float:
    """Return the level before a note begins, relative to that of its first 50 ms."""
    late = np.concatenate([np.zeros(LEAD, np.float32), audio])
    begins = int(np.argmax(np.abs(late) > 1e-3 * np.abs(late).max()))
    made = replay.resynthesise(late, note).astype(float)
    early = made[: begins - RATE // 200]
    first = made[begins : begins + RATE // 20]
    return float(10 * np.log10(np.square(early[-RATE // 50 :]).mean() / np.square(first).mean() + 1e-12))


def _leakage_db(replay: Replay, frames: int) -> float:
    """Return the largest change of the level over a sweep of one latent, dB."""
    from models.playable_vae.replay import Score

    latent, moved = replay.card.latent, []
    for dimension in range(latent.size):
        for pitch in SWEEP_PITCHES:
            sweep = np.repeat(np.array(latent.mean)[:, None], frames, axis=1)
            sweep[dimension] += latent.std[dimension] * np.linspace(-2, 2, frames)
            audio = replay.play(Score(np.full(frames, pitch), np.full(frames, -20.0), sweep)).astype(float)
            parts = np.array_split(audio[4 * replay.hop :], 8)
            moved.append(np.ptp([10 * np.log10(np.square(part).mean()) for part in parts]))
    return float(np.max(moved))


def _hop_ms(job: Job, path: Path) -> float:
    """Return the median cost of a frame of `decode` on one thread, as a deck runs it, in the quietest of ten rounds."""
    from realtime.engine.decoder import Decoder

    decoder = Decoder(path)
    decoder.warm()
    latent, rest, rounds = np.array(decoder.card.latent.mean), decoder.graph.rest, []
    for _ in range(job.choose(QUICK_ROUNDS, ROUNDS)):
        costs = []
        for _ in range(200):
            began = time.perf_counter()
            decoder.step(latent, rest)
            costs.append(time.perf_counter() - began)
        rounds.append(np.median(costs))
    return float(1e3 * np.min(rounds))
