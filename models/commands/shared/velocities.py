"""MIDI velocities on the command line: `45,80,115`."""

from __future__ import annotations


def velocities_of(text: str) -> tuple[int, ...]:
    """Read MIDI velocities with commas between them.

    Returns
    -------
    tuple of int
        In the order given; their range is not checked.

    Raises
    ------
    DataError
        An entry isn't a whole number.
    """
    from models.files.errors import DataError

    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise DataError(f"--velocities takes whole numbers with commas, not '{text}'.") from None
