"""Settings of notes, as in the mapping file."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class NoteSettings:
    """How notes are played.

    Attributes
    ----------
    enabled
        Whether notes are played at all.
    pitch, loudness, gate
        Addresses set by the note number (bends added), the velocity, and note-on (1) and note-off (0); empty for none.
        Addresses that the stage doesn't have are skipped.
    channel
        1 to 16, or None for all.
    decks
        Letters of decks by channel: `{"1": "a", "2": "b"}` plays `/a/pitch` from channel 1. Other channels play the
        addresses without a letter.
    bend_semitones
        Range of the pitch bend to either side, 0 to 96, unless the sender changes it.
    legato
        Whether a note that is played while another is held keeps its loudness.
    mpe
        Whether channel 1 is the master of a lower MPE zone: channels 2 to 1 + `members` play one note each.
    members
        Channels of the zone without its master, 1 to 15.
    member_bend_semitones
        Range of a member channel's bend, 0 to 96.
    timbre, pressure
        Addresses set by a note's own controller 74 and pressure, in MPE; empty for none.
    """

    enabled: bool = True
    pitch: str = "/pitch"
    loudness: str = "/loudness"
    gate: str = "/gate"
    channel: int | None = None
    decks: dict[str, str] = field(default_factory=dict)
    bend_semitones: float = 2.0
    legato: bool = False
    mpe: bool = False
    members: int = 15
    member_bend_semitones: float = 48.0
    timbre: str = ""
    pressure: str = ""
