"""Notes to several voices: each note takes one, and gives it back when key and pedal let it go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from realtime.midi.controls.mapping import NoteSettings
from realtime.midi.notes.monophonic import MASTER, Action, Held, Role, Voice
from realtime.midi.protocol.control_events import Registered
from realtime.midi.protocol.parser import Message


class Chord(Voice):
    """So many voices, played by one channel or one MPE zone.

    A note takes the voice that has been silent for the longest time, so that what fades out may do so. Where there is
    none, the oldest note gives its own up, one that the pedal alone holds before all others.
    """

    def __init__(self, channel: int, settings: NoteSettings, *, size: int, zone: bool = False) -> None:
        super().__init__(channel, settings, zone=zone)
        self.size = size
        self._taken: dict[tuple[int, int], int] = {}  # note and channel: voice
        self._free = list(range(1, size + 1))  # the one that was freed first comes first

    def registered(self, change: Registered) -> list[Action]:
        """Take a bend range, and let every note that sounds go where it leads."""
        super().registered(change)
        return [action for channel in {held.channel for held in self._held} for action in self._pitch_if_of(channel)]

    def all_off(self) -> list[Action]:
        """Let every note go."""
        for channel in self._channels.values():
            channel.pedal = False
        return self._after(self._held.clear)

    def _press(self, message: Message) -> list[Action]:
        key = (message.number, message.channel)
        voice = self._taken.pop(key, None)
        self._forget(*key)
        if voice is None:
            voice = self._free.pop(0) if self._free else self._given_up()
        self._taken[key] = voice
        held = Held(message.number, message.channel, message.value / 127)
        self._held.append(held)
        return [
            *(replace(action, voice=voice) for action in self._sound(held)),
            Action("loudness", held.velocity, self._channel, voice),
            Action("gate", 1.0, self._channel, voice),
        ]

    def _given_up(self) -> int:
        oldest = next((held for held in self._held if not held.key), self._held[0])
        self._held.remove(oldest)
        return self._taken.pop((oldest.note, oldest.channel))

    def _after(self, change: Callable[[], object]) -> list[Action]:
        """Do something to the notes held, and end those that are gone then."""
        change()
        held = {(one.note, one.channel) for one in self._held}
        gone = [key for key in self._taken if key not in held]
        ended = [self._taken.pop(key) for key in gone]
        self._free += ended
        return [Action("gate", 0.0, self._channel, voice) for voice in ended]

    def _pitch_if_of(self, channel: int) -> list[Action]:
        """The pitches again of all notes that are the channel's, or of every one if the channel is the master."""
        return [
            Action("pitch", self._pitch(held), self._channel, self._taken[held.note, held.channel])
            for held in self._held
            if held.channel == channel or (self._zone and channel == MASTER)
        ]

    def _own(self, role: Role, channel: int, value: float) -> list[Action]:
        """What belongs to a note alone goes to its voice, as long as it is the last one played."""
        return [replace(action, voice=self._last) for action in super()._own(role, channel, value)]

    @property
    def _last(self) -> int:
        """The voice of the note played last."""
        return self._taken[self._held[-1].note, self._held[-1].channel]
