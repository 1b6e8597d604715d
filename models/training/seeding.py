"""Random numbers that follow from a seed and their purpose, so that a resumed training repeats them."""

from __future__ import annotations

import numpy as np
import torch


def generator_for(*key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Make a random generator whose seed is a hash of whole numbers: a run's seed, a purpose, a step."""
    seed = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0]
    return torch.Generator(device=device).manual_seed(int(seed >> np.uint64(1)))
