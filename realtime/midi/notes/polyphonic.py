"""Polyphonic notes: each note takes a voice, and frees it when key and pedal release it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from realtime.midi.notes.monophonic import HeldNote, MonophonicNotes, NoteAction, Role
from realtime.midi.notes.settings import NoteSettings
from realtime.midi.protocol.control_events import RegisteredParameter
from realtime.midi.protocol.messages import Message


class PolyphonicNotes(MonophonicNotes):
    """Notes of one channel or one MPE zone, played by several voices.

    A note takes the voice that has been silent longest, so that releases can fade out. If none is free, it takes the
    voice of the oldest note that only the pedal holds, else that of the oldest note.

    Parameters
    ----------
    channel, settings, zone
        As for `MonophonicNotes`.
    voices
        Number of voices, at least 2.
    """

    def __init__(self, channel: int, settings: NoteSettings, *, voices: int, zone: bool = False) -> None:
        super().__init__(channel, settings, zone=zone)
        self.voices = voices
        self._voice_of: dict[tuple[int, int], int] = {}  # note and channel: voice
        self._free = list(range(1, voices + 1))  # the one that was freed first comes first

    def set_registered(self, change: RegisteredParameter) -> list[NoteAction]:
        """Take a pitch bend range, and return the new pitches of all notes that sound."""
        super().set_registered(change)
        return [action for channel in {held.channel for held in self._held} for action in self._update_pitch(channel)]

    def release_all(self) -> list[NoteAction]:
        """Release all keys and pedals, and return the actions that follow from it."""
        for channel in self._channels.values():
            channel.pedal = False
        return self._change_held(self._held.clear)

    def _note_on(self, message: Message) -> list[NoteAction]:
        held = HeldNote(message.number, message.channel, message.value / 127)
        voice = self._voice_of.pop(held.key, None)
        self._remove(held.key)
        if voice is None:
            voice = self._free.pop(0) if self._free else self._steal()
        self._voice_of[held.key] = voice
        self._held.append(held)
        return [
            *(replace(action, voice=voice) for action in self._start(held)),
            NoteAction("loudness", held.velocity, self._channel, voice),
            NoteAction("gate", 1.0, self._channel, voice),
        ]

    def _steal(self) -> int:
        """Take the voice of a note that is held."""
        oldest = next((held for held in self._held if not held.key_down), self._held[0])
        self._held.remove(oldest)
        return self._voice_of.pop(oldest.key)

    def _change_held(self, change: Callable[[], object]) -> list[NoteAction]:
        """Change the held notes; return the ends of those that aren't held any more."""
        change()
        held = {note.key for note in self._held}
        freed = [self._voice_of.pop(key) for key in [key for key in self._voice_of if key not in held]]
        self._free += freed
        return [NoteAction("gate", 0.0, self._channel, voice) for voice in freed]

    def _update_pitch(self, channel: int) -> list[NoteAction]:
        """Return the pitches of all notes that a bend of the channel moves."""
        return [
            NoteAction("pitch", self._pitch(held), self._channel, self._voice_of[held.key])
            for held in self._held
            if self._affects(channel, held)
        ]

    def _set_own(self, role: Role, channel: int, value: float) -> list[NoteAction]:
        """Return a value for the voice of the latest note, if that note is the channel's."""
        return [
            replace(action, voice=self._voice_of[self._held[-1].key])
            for action in super()._set_own(role, channel, value)
        ]
