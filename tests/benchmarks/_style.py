"""Two domains of phrases that no model was trained on, and whether a transform brings one into the other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks._chunks import ChunkModel

SEED = 1
"""Of the phrases; models are trained on those of seed 0."""
PAIR = "plucked-brass"
SECONDS = 600
"""Of each domain: with half of it, a judge puts one clip of seven on the wrong side."""
MOST_CLIPS = 40
"""Of each domain to learn from, and as many to be tried on."""


class Domains:
    """Clips of the source and of the target, each to learn from and held out.

    Parameters
    ----------
    folder
        Where they are rendered, unless `STITCH_DATA` names a folder that holds both.
    rate
        Sample rate, Hz.
    """

    def __init__(self, folder: Path, rate: int) -> None:
        from models.evaluation.style_metrics import clips_of

        named = os.environ.get("STITCH_DATA")
        places = [Path(named, name) for name in PAIR.split("-")] if named else _rendered(folder / "data", rate)
        listed = [folder / f"{place.name}.json" for place in places]
        self.rate = rate
        read = [clips_of(place, rate, where) for place, where in zip(places, listed, strict=True)]
        self.clips = [_halved([*known, *held_out]) for known, held_out in read]  # the models know none of them

    def source(self, seconds: float) -> np.ndarray:
        """Give phrases of the source one after the other, of all instruments in turn [shape=(1, samples)]."""
        known, held_out = self.clips[0]
        sounds = [*known, *held_out]
        order = np.random.default_rng(SEED).permutation(len(sounds))
        joined = np.concatenate([sounds[k] for k in order])
        return np.resize(joined, round(seconds * self.rate))[None].astype(np.float32)


def style(model: ChunkModel, domains: Domains) -> dict[str, Any]:
    """Let a judge of both domains say where what is transformed belongs."""
    from models.evaluation.style_metrics import judge, onset_f

    def returned(clips: list[np.ndarray]) -> list[np.ndarray]:
        return [through_bands(model, clip) for clip in clips[:MOST_CLIPS]]

    (known, held_out), (other, other_held_out) = domains.clips
    asked, before = held_out[:MOST_CLIPS], returned(held_out)
    knows = judge((returned(known), before), (returned(other), returned(other_held_out)), model.rate)
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
    """Take a clip to the model's mel bands and back, as what is transformed comes back.

    Generators see no band below the floor of their scale, and none comes out of them; so none does here.
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
    """Clips that a judge learns from, and as many to try it on."""
    order = np.random.default_rng(SEED).permutation(len(clips))
    return [clips[k] for k in order[::2]], [clips[k] for k in order[1::2]]


def _rendered(folder: Path, rate: int) -> list[Path]:
    from models.data.rendered import pairs

    made = pairs.render(folder, pairs.Settings(PAIR, SECONDS / 60, rate, SEED))
    return [domain.folder for domain in made]
