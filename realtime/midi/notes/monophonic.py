"""Notes to one voice: the last key leads, the pedal holds, bends add up, and in MPE every note has its own.

MPE as in the MPE specification 1.1 (MIDI Association, 2022): the lower zone, channel 1 its master.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from realtime.midi.controls.mapping import NoteSettings
from realtime.midi.protocol.control_events import RPN_BEND_RANGE, RPN_MPE, Registered
from realtime.midi.protocol.parser import BEND_MIDDLE, Message

SUSTAIN, TIMBRE, RESET_CONTROLLERS = 64, 74, 121
ALL_SOUND_OFF, ALL_NOTES_OFF = 120, 123
MASTER = 1
MIDDLE = 64 / 127

Role = Literal["pitch", "loudness", "gate", "timbre", "pressure"]


@dataclass(frozen=True, slots=True)
class Action:
    """What the voice does.

    Attributes
    ----------
    role
        Which of its addresses.
    value
        Pitch in semitones (a MIDI note number with its bend), else 0 to 1.
    channel
        The channel that it came from; the zone's master in MPE.
    voice
        Which voice of the model, from 1 on.
    """

    role: Role
    value: float
    channel: int
    voice: int = 1


@dataclass(slots=True)
class _Channel:
    bend: float = 0.0  # -1 to 1
    bend_semitones: float = 2.0
    timbre: float = MIDDLE
    pressure: float = 0.0
    pedal: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A note whose key is down, or which the pedal holds."""

    note: int
    channel: int
    velocity: float
    key: bool = True  # False: held by the pedal alone


class Voice:
    """One voice, played by one channel or one MPE zone."""

    size = 1

    def __init__(self, channel: int, settings: NoteSettings, *, zone: bool = False) -> None:
        self._channel, self._settings, self._zone = channel, settings, zone
        self._channels: dict[int, _Channel] = {}
        self._held: list[Held] = []  # oldest first; the last one sounds

    @property
    def sounding(self) -> int | None:
        """The note that sounds."""
        return self._held[-1].note if self._held else None

    def feed(self, message: Message) -> list[Action]:
        """Take a message of one of the voice's channels."""
        channel = self._state(message.channel)
        if message.kind == "note_on":
            return self._press(message)
        if message.kind == "note_off":
            return self._let_go(message)
        if message.kind == "bend":
            channel.bend = message.value / (BEND_MIDDLE if message.value < 0 else BEND_MIDDLE - 1)
            return self._pitch_if_of(message.channel)
        if message.kind == "pressure" and self._zone:
            channel.pressure = message.value / 127
            return self._own("pressure", message.channel, channel.pressure)
        if message.kind == "cc":
            return self._controller(message, channel)
        return []

    def registered(self, change: Registered) -> list[Action]:
        """Take a bend range; that of one member counts for all of them, as MPE has it."""
        if change.number != RPN_BEND_RANGE:
            return []
        semitones = min(change.coarse + (change.fine or 0) / 100, 96.0)
        members = self._zone and change.channel != MASTER
        for number in range(2, 17) if members else (change.channel,):
            self._state(number).bend_semitones = semitones
        return self._pitch_if_of(self._held[-1].channel) if self._held else []

    def all_off(self) -> list[Action]:
        """Let every note go."""
        sounded = bool(self._held)
        self._held.clear()
        for channel in self._channels.values():
            channel.pedal = False
        return [Action("gate", 0.0, self._channel)] if sounded else []

    def _state(self, number: int) -> _Channel:
        if number not in self._channels:
            member = self._zone and number != MASTER
            semitones = self._settings.member_bend_semitones if member else self._settings.bend_semitones
            self._channels[number] = _Channel(bend_semitones=semitones)
        return self._channels[number]

    def _press(self, message: Message) -> list[Action]:
        slurred = any(held.key for held in self._held)
        self._forget(message.number, message.channel)
        held = Held(message.number, message.channel, message.value / 127)
        self._held.append(held)
        actions = self._sound(held)
        if not (slurred and self._settings.legato):
            actions.append(Action("loudness", held.velocity, self._channel))
        return [*actions, Action("gate", 1.0, self._channel)]

    def _let_go(self, message: Message) -> list[Action]:
        if self._pedal(message.channel):
            self._held = [
                Held(one.note, one.channel, one.velocity, False)
                if (one.note, one.channel) == (message.number, message.channel)
                else one
                for one in self._held
            ]
            return []
        return self._after(lambda: self._forget(message.number, message.channel))

    def _controller(self, message: Message, channel: _Channel) -> list[Action]:
        if message.number == SUSTAIN:
            channel.pedal = message.value >= 64
            return self._after(self._drop_what_no_pedal_holds)
        if message.number == TIMBRE and self._zone:
            channel.timbre = message.value / 127
            return self._own("timbre", message.channel, channel.timbre)
        if message.number == RESET_CONTROLLERS:
            channel.bend, channel.pedal, channel.pressure, channel.timbre = 0.0, False, 0.0, MIDDLE
            return self._pitch_if_of(message.channel) + self._after(self._drop_what_no_pedal_holds)
        if message.number in (ALL_SOUND_OFF, ALL_NOTES_OFF):
            return self.all_off()
        return []

    def _after(self, change: Callable[[], object]) -> list[Action]:
        """Do something to the notes held, and go on with the one that leads then, or fall silent."""
        before = self._held[-1] if self._held else None
        change()
        after = self._held[-1] if self._held else None
        if before is None or after == before:
            return []
        return [Action("gate", 0.0, self._channel)] if after is None else self._sound(after)

    def _forget(self, note: int, channel: int) -> None:
        self._held = [one for one in self._held if (one.note, one.channel) != (note, channel)]

    def _drop_what_no_pedal_holds(self) -> None:
        self._held = [one for one in self._held if one.key or self._pedal(one.channel)]

    def _pedal(self, number: int) -> bool:
        return self._state(number).pedal or (self._zone and self._state(MASTER).pedal)

    def _sound(self, held: Held) -> list[Action]:
        actions = [Action("pitch", self._pitch(held), self._channel)]
        if self._zone:
            state = self._state(held.channel)
            actions.append(Action("timbre", state.timbre, self._channel))
            actions.append(Action("pressure", state.pressure, self._channel))
        return actions

    def _pitch(self, held: Held) -> float:
        own = self._state(held.channel)
        pitch = held.note + own.bend * own.bend_semitones
        if self._zone and held.channel != MASTER:
            master = self._state(MASTER)
            pitch += master.bend * master.bend_semitones
        return pitch

    def _pitch_if_of(self, channel: int) -> list[Action]:
        """The pitch again, if the note that sounds is the channel's or the channel is the master."""
        if self._held and (self._held[-1].channel == channel or (self._zone and channel == MASTER)):
            return [Action("pitch", self._pitch(self._held[-1]), self._channel)]
        return []

    def _own(self, role: Role, channel: int, value: float) -> list[Action]:
        return [Action(role, value, self._channel)] if self._held and self._held[-1].channel == channel else []


class Notes:
    """Every player: one for the MPE zone, one for each other channel.

    Parameters
    ----------
    settings
        How notes are played.
    voices
        Says how many voices a channel plays; it is asked with every message, since another model may have more.
    """

    def __init__(self, settings: NoteSettings, voices: Callable[[int], int] = lambda channel: 1) -> None:
        self.settings = settings
        self._count = voices
        self._members = settings.members if settings.mpe else 0
        self._voices: dict[int, Voice] = {}

    @property
    def members(self) -> int:
        """Channels of the MPE zone beside its master; 0 for no zone."""
        return self._members

    def feed(self, message: Message) -> list[Action]:
        """Take a message with a channel."""
        if not self._listens(message.channel):
            return []
        left, voice = self._voice(message.channel)
        return left + voice.feed(message)

    def registered(self, change: Registered) -> list[Action]:
        """Take a bend range, or the message that opens and closes the MPE zone."""
        if change.number == RPN_MPE and change.channel == MASTER:
            if change.fine is not None or min(change.coarse, 15) == self._members:
                return []
            actions = self.all_off()
            self._voices.clear()
            self._members = min(change.coarse, 15)
            return actions
        if not self._listens(change.channel):
            return []
        left, voice = self._voice(change.channel)
        return left + voice.registered(change)

    def all_off(self) -> list[Action]:
        """Let every note go."""
        return [action for voice in self._voices.values() for action in voice.all_off()]

    def _listens(self, channel: int) -> bool:
        if not self.settings.enabled or channel == 0:
            return False
        return self._in_zone(channel) or self.settings.channel in (None, channel)

    def _in_zone(self, channel: int) -> bool:
        return self._members > 0 and channel <= MASTER + self._members

    def _voice(self, channel: int) -> tuple[list[Action], Voice]:
        """Give who plays for a channel, after what lets the notes go of one with another number of voices."""
        zone = self._in_zone(channel)
        first = MASTER if zone else channel
        if not zone and self.settings.channel is None and str(channel) not in self.settings.decks:
            first = -1  # all the other channels play one voice together
        told = channel if first < 0 else first
        size = self._count(told)
        playing = self._voices.get(first)
        if playing is not None and playing.size == size:
            return [], playing
        self._voices[first] = self._player(told, size, zone)
        return playing.all_off() if playing is not None else [], self._voices[first]

    def _player(self, channel: int, size: int, zone: bool) -> Voice:
        from realtime.midi.notes.polyphonic import Chord  # which stands on this module

        if size > 1:
            return Chord(channel, self.settings, size=size, zone=zone)
        return Voice(channel, self.settings, zone=zone)
