"""Sounds to train on, and the manifests that list them.

- `manifest`: the list of sounds with label, pitch and split
- `folder`: index of any folder of sounds
- `open_data`: opening of a manifest or a folder
- `held_out_split`: choice of the held-out sounds
- `trim_and_level`: trimming and loudness of raw sounds
- `features`: spectra, pitch and loudness, cached on disk
- `rendered`: synthesised data sets
- `pictures`: digits, CIFAR-10 and augmentation
"""

__all__ = ["features", "folder", "held_out_split", "manifest", "open_data", "pictures", "rendered", "trim_and_level"]
