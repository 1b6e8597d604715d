"""Notes of all channels: each message goes to the voices of its channel or MPE zone."""

from __future__ import annotations

from collections.abc import Callable

from realtime.midi.notes.monophonic import MASTER, MonophonicNotes, NoteAction
from realtime.midi.notes.polyphonic import PolyphonicNotes
from realtime.midi.notes.settings import NoteSettings
from realtime.midi.protocol.control_events import RegisteredParameter
from realtime.midi.protocol.controllers import RPN_MPE_CONFIGURATION
from realtime.midi.protocol.messages import Message

MAX_MEMBERS = 15
SHARED = -1  # key of the voice that all channels without a deck play together


class NoteRouter:
    """Notes of the MPE zone, of each channel with a deck of its own, and of all other channels together.

    Parameters
    ----------
    settings
        How notes are played.
    voice_count
        Returns the number of voices that a channel plays. It is called for every message, since the model may change.
    """

    def __init__(self, settings: NoteSettings, voice_count: Callable[[int], int] = lambda _channel: 1) -> None:
        self._settings, self._voice_count = settings, voice_count
        self._members = settings.members if settings.mpe else 0
        self._notes: dict[int, MonophonicNotes] = {}

    @property
    def members(self) -> int:
        """Member channels of the MPE zone, 0 to 15; 0 if there is no zone."""
        return self._members

    def feed(self, message: Message) -> list[NoteAction]:
        """Take a message with a channel, and return the actions that follow from it."""
        if not self._listens_to(message.channel):
            return []
        ended, notes = self._notes_of(message.channel)
        return ended + notes.feed(message)

    def set_registered(self, change: RegisteredParameter) -> list[NoteAction]:
        """Take a pitch bend range or an MPE configuration message, and return the actions that follow from it.

        Parameters
        ----------
        change
            The registered parameter; others are ignored.

        Returns
        -------
        list of NoteAction
            New pitches of notes that sound, or the ends of all notes if the zone changes.
        """
        if change.number == RPN_MPE_CONFIGURATION and change.channel == MASTER:
            members = min(change.msb, MAX_MEMBERS)
            if change.lsb is not None or members == self._members:
                return []
            actions = self.release_all()
            self._notes.clear()
            self._members = members
            return actions
        if not self._listens_to(change.channel):
            return []
        ended, notes = self._notes_of(change.channel)
        return ended + notes.set_registered(change)

    def release_all(self) -> list[NoteAction]:
        """Release all keys and pedals, and return the actions that follow from it."""
        return [action for notes in self._notes.values() for action in notes.release_all()]

    def _listens_to(self, channel: int) -> bool:
        if not self._settings.enabled or channel == 0:
            return False
        return self._is_in_zone(channel) or self._settings.channel in (None, channel)

    def _is_in_zone(self, channel: int) -> bool:
        return self._members > 0 and channel <= MASTER + self._members

    def _notes_of(self, channel: int) -> tuple[list[NoteAction], MonophonicNotes]:
        """Return the notes of a channel, after the ends of those of a model with another number of voices."""
        zone = self._is_in_zone(channel)
        key = MASTER if zone else channel
        if not zone and self._settings.channel is None and str(channel) not in self._settings.decks:
            key = SHARED
        owner = channel if key == SHARED else key
        voices = self._voice_count(owner)
        current = self._notes.get(key)
        if current is not None and current.voices == voices:
            return [], current
        if voices > 1:
            self._notes[key] = PolyphonicNotes(owner, self._settings, voices=voices, zone=zone)
        else:
            self._notes[key] = MonophonicNotes(owner, self._settings, zone=zone)
        return current.release_all() if current is not None else [], self._notes[key]
