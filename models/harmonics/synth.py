"""Streaming synthesis of harmonics and noise, with explicit state.

A frame gives frequencies and amplitudes at the end of its hop; within the hop they are interpolated linearly from the
previous frame. Phases are quantised to steps of 2⁻²² cycles, so that they add up to the same values however the frames
are divided into chunks. Noise is read from a loop for each band, at a position that changes from frame to frame, with
overlapping windows. There is no randomness: the position follows from a frame count, which is part of the state.

Shapes: `voices` sound together; `count` is the number of frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.harmonics.analysis import HARMONICS
from models.harmonics.noise_bands import BANDS, noise_table

STEPS = 1 << 22
LOOP = 8192
JUMPS = 1021, 3181
"""Piece n begins at row 1021 n² + 3181 n: distances between pieces keep changing, so that no loop is audible."""

PIECE_HOPS = 4
AMPLITUDE, OVERLAP = 2, 4  # positions of amplitude and overlap in the state, which hold sound
NOISE_SEED = 0


@dataclass(frozen=True)
class State:
    """State of the synthesiser between two frames.

    Attributes
    ----------
    phase : Tensor [shape=(voices, HARMONICS)]
        Cycles, 0 to 1.
    hz, amplitude : Tensor [shape=(voices, HARMONICS)]
        Values of the last frame.
    count : Tensor [shape=(1,)]
        Number of frames modulo `LOOP`; gives the position of the next piece of noise.
    overlap : Tensor [shape=((PIECE_HOPS - 1) * hop,)]
        Tails of the current pieces of noise.
    """

    phase: Tensor
    hz: Tensor
    amplitude: Tensor
    count: Tensor
    overlap: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, in order."""
        return self.phase, self.hz, self.amplitude, self.count, self.overlap


class Synth(nn.Module):
    """Synthesiser of harmonics and noise.

    Parameters
    ----------
    sample_rate, hop
        Sample rate in Hz, and samples per frame.
    voices
        Number of simultaneous voices.
    """

    table: Tensor
    within: Tensor
    rising: Tensor
    window: Tensor

    def __init__(self, sample_rate: int, hop: int, voices: int = 1) -> None:
        super().__init__()
        self.sample_rate, self.hop, self.voices = sample_rate, hop, voices
        piece = PIECE_HOPS * hop
        loop = torch.from_numpy(noise_table(sample_rate, LOOP, NOISE_SEED))
        n = torch.arange(1, hop + 1, dtype=torch.float64)
        # Cycles after n samples: the phase, and the integral of a frequency that goes from one value to the next.
        within = torch.stack([torch.ones_like(n), n / sample_rate, n**2 / (2 * hop * sample_rate)])
        window = torch.hann_window(piece, periodic=True, dtype=torch.float64)
        self.register_buffer("table", torch.cat([loop, loop[:piece]]), persistent=False)  # [LOOP + piece, BANDS]
        self.register_buffer("within", (2 * math.pi * within).float(), persistent=False)  # [3, hop]
        self.register_buffer("rising", (n / hop).float(), persistent=False)  # [hop]
        power = float((window**2).sum()) / hop  # of overlapping uncorrelated pieces
        self.register_buffer("window", (window / math.sqrt(power)).float(), persistent=False)  # [piece]

    def rest(self) -> State:
        """Return the state before the first frame: silence."""
        bank = (self.voices, HARMONICS)
        # Cosines and sines in turn would peak together; phases far apart keep the crest of a note low.
        spread = torch.frac(torch.arange(HARMONICS, dtype=torch.float64) * 0.6180339887)
        phase = torch.floor(spread * STEPS) / STEPS
        return State(
            phase=phase.float().expand(bank).clone(),
            hz=torch.zeros(bank),
            amplitude=torch.zeros(bank),
            count=torch.zeros(1),
            overlap=torch.zeros((PIECE_HOPS - 1) * self.hop),
        )

    def forward(self, hz: Tensor, amplitude: Tensor, noise: Tensor, state: State) -> tuple[Tensor, State]:
        """Synthesise the next frames.

        Parameters
        ----------
        hz : Tensor [shape=(voices, count, HARMONICS)]
            Frequencies in Hz.
        amplitude : Tensor [shape=(voices, count, HARMONICS)]
            Linear amplitudes; 0 for silence.
        noise : Tensor [shape=(count, BANDS)]
            Standard deviation of each band's noise; see `models.harmonics.noise_bands`.
        state
            State of the stream.

        Returns
        -------
        audio : Tensor [shape=(count * hop,)]
        state : State
            State after these frames.
        """
        tones, phase = self._tones(hz, amplitude, state)
        hiss, count, overlap = self._hiss(noise, state)
        return tones + hiss, State(phase, hz[:, -1], amplitude[:, -1], count, overlap)

    def _tones(self, hz: Tensor, amplitude: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """Sum the oscillators, [count * hop]; also return their final phases."""
        hz_before = torch.cat([state.hz[:, None], hz[:, :-1]], dim=1)  # [voices, count, HARMONICS]
        amplitude_before = torch.cat([state.amplitude[:, None], amplitude[:, :-1]], dim=1)
        cycles = (hz_before.double() + hz.double()) * (self.hop / (2 * self.sample_rate))
        steps = torch.floor(cycles * STEPS + 0.5) / STEPS
        ends = state.phase.double()[:, None] + torch.cumsum(steps, dim=1)
        phase = (ends - steps) - torch.floor(ends - steps)  # where each frame begins
        last = ends[:, -1] - torch.floor(ends[:, -1])
        slope = torch.stack([phase.float(), hz_before, hz - hz_before], dim=-1)  # [voices, count, HARMONICS, 3]
        waves = torch.sin(slope @ self.within)  # [voices, count, HARMONICS, hop]
        lines = torch.stack([amplitude_before, amplitude - amplitude_before], dim=2)  # [voices, count, 2, HARMONICS]
        summed = (lines @ waves).sum(dim=0)  # [count, 2, hop]
        tones = summed[:, 0] + self.rising * summed[:, 1]  # [count, hop]
        return tones.reshape(-1), last.float()

    def _hiss(self, noise: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """Overlap pieces of noise, [count * hop]; also return the new count and the remaining tails."""
        count, piece = noise.shape[0], PIECE_HOPS * self.hop
        ahead = torch.arange(piece, device=noise.device)
        counted = state.count.double() + torch.cumsum(torch.ones_like(noise[:, 0], dtype=torch.float64), dim=0)
        counted = torch.fmod(counted, LOOP)  # [count]
        first = torch.fmod(counted * (JUMPS[0] * counted + JUMPS[1]), LOOP)
        rows = (first.long()[:, None] + ahead).reshape(-1)
        pieces = self.table.index_select(0, rows).reshape(count, piece, BANDS)
        sounded = (pieces @ noise[:, :, None])[:, :, 0] * self.window  # [count, piece]
        # Each piece begins a hop after the one before: reshaped into rows one hop too short, each moves by a hop.
        row = (PIECE_HOPS + count - 1) * self.hop
        shifted = torch.nn.functional.pad(sounded, (0, count * self.hop)).reshape(-1)[: count * row]
        total = shifted.reshape(count, row).sum(dim=0) + torch.nn.functional.pad(state.overlap, (0, count * self.hop))
        return total[: count * self.hop], counted[-1:].float(), total[count * self.hop :]


def render(synth: Synth, hz: Tensor, amplitude: Tensor, noise: Tensor) -> Tensor:
    """Synthesise a whole sound of one voice: [count, HARMONICS], [count, HARMONICS], [count, BANDS] → audio."""
    begin = replace(synth.rest(), hz=hz[:1])
    audio, _ = synth(hz[None], amplitude[None], noise, begin)
    return torch.as_tensor(audio)
