"""Whether a transform brings phrases of one domain into another, on phrases that no model was trained on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np

from tests.benchmarks.stitching.chunk_model import ChunkModel
from tests.benchmarks.support.job import Figures, Job
from tests.music import render

SEED = 1
"""Of the phrases; models are trained on seed 0."""
Pair = Literal["plucked-brass", "barks-horns"]
PAIR: Pair = "plucked-brass"
QUICK_PAIR: Pair = "barks-horns"
"""Renders in a second."""
SECONDS, QUICK_SECONDS = 600, 40
"""Of each domain: with half of it, the classifier errs on one clip of seven."""
MAX_CLIPS = 40
"""Of each domain to train on, and as many to test on."""
QUICK_CLIP_S = 0.4
"""Length of clips in the quick form."""


class Domains:
    """Clips of the source and of the target, each to train on and held out.

    Parameters
    ----------
    job
        In its quick form, clips are few and short.
    folder
        For rendering them, unless `STITCH_DATA` names a folder with both.
    rate
        Sample rate, Hz.
    """

    def __init__(self, job: Job, folder: Path, rate: int) -> None:
        from models.evaluation.style_metrics import load_clips

        named = os.environ.get("STITCH_DATA")
        places = [Path(named, name) for name in PAIR.split("-")] if named else _rendered(job, folder / "data", rate)
        listed = [folder / f"{place.name}.json" for place in places]
        self.rate, self._quick = rate, job.quick
        read = [load_clips(place, rate, where) for place, where in zip(places, listed, strict=True)]
        longest = round(QUICK_CLIP_S * rate) if job.quick else None
        clips = [[clip[:longest] for clip in (*known, *held_out)] for known, held_out in read]
        self.clips = [_halved(each) for each in clips]  # no model was trained on any of them

    def source(self, seconds: float) -> np.ndarray:
        """Return phrases of the source one after the other, of all instruments in turn [shape=(1, samples)]."""
        if self._quick:
            music, _ = render("strings")  # too few and short clips; these go on without a rest
            return np.resize(music, round(seconds * self.rate))[None].astype(np.float32)
        known, held_out = self.clips[0]
        sounds = [*known, *held_out]
        order = np.random.default_rng(SEED).permutation(len(sounds))
        joined = np.concatenate([sounds[k] for k in order])
        return np.resize(joined, round(seconds * self.rate))[None].astype(np.float32)


def style(model: ChunkModel, domains: Domains) -> Figures:
    """Measure how many transformed phrases a classifier of both domains takes for the target's."""
    from models.evaluation.style_metrics import onset_f, train_classifier

    def returned(clips: list[np.ndarray]) -> list[np.ndarray]:
        return [through_bands(model, clip) for clip in clips[:MAX_CLIPS]]

    (known, held_out), (other, other_held_out) = domains.clips
    asked, before = held_out[:MAX_CLIPS], returned(held_out)
    knows = train_classifier((returned(known), before), (returned(other), returned(other_held_out)), model.rate)
    after = [model.streamed(clip[None]).audio for clip in asked]

    def figures(made: list[np.ndarray], lag: int) -> dict[str, float]:
        pairs = zip(asked, made, strict=True)
        onsets = [onset_f(source, sound, model.rate, delay=lag) for source, sound in pairs]
        found = [value for value in onsets if value is not None]
        return {"share": round(knows.share(made), 4), "onset_f": round(float(np.mean(found)), 4)}

    return {
        "accuracy": round(knows.accuracy, 4),
        "clips": knows.clips,
        "transformed": len(asked),
        "before": figures(before, 0),
        "after": figures(after, model.lag),
    }


def through_bands(model: ChunkModel, clip: np.ndarray) -> np.ndarray:
    """Return a clip reconstructed from the model's mel bands, as transformed clips are.

    Bands below the floor of the generators' scale are at the floor, as in their output.
    """
    import torch

    from export.format.mel_scale import bands_of
    from models.dsp.log_mel import LogMel
    from realtime.dsp.rtpghi import stft_magnitudes

    spectrum, scale = model.spectrum, LogMel()
    magnitudes = stft_magnitudes(clip, spectrum.n_fft, spectrum.hop, spectrum.window)
    seen = scale.of_power(torch.from_numpy(bands_of(spectrum, model.rate) @ magnitudes**2))
    return model.inverted(torch.exp(scale.to_log_power(seen)).numpy().astype(np.float32))[: len(clip)]


def _halved(clips: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Split clips into those to train on and as many to test on."""
    order = np.random.default_rng(SEED).permutation(len(clips))
    return [clips[k] for k in order[::2]], [clips[k] for k in order[1::2]]


def _rendered(job: Job, folder: Path, rate: int) -> list[Path]:
    from models.data.rendered import pairs

    made = pairs.render(
        folder, pairs.Settings(job.choose(QUICK_PAIR, PAIR), job.choose(QUICK_SECONDS, SECONDS) / 60, rate, SEED)
    )
    return [domain.folder for domain in made]
