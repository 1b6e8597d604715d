"""Monophonic notes: the latest key has priority, the pedal holds, and bends add up.

In MPE, each note has a channel of its own with its own bend, timbre and pressure. Source: MIDI Polyphonic Expression
1.1 (MIDI Association, 2022), the lower zone with channel 1 as its master.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from realtime.midi.notes.settings import NoteSettings
from realtime.midi.protocol.control_events import RegisteredParameter
from realtime.midi.protocol.controllers import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    RESET_ALL_CONTROLLERS,
    RPN_PITCH_BEND_RANGE,
    SUSTAIN,
    TIMBRE,
)
from realtime.midi.protocol.messages import PITCHWHEEL_CENTRE, Message

MASTER = 1  # channel of the lower zone's master
MAX_BEND_SEMITONES = 96.0
CENTRE = 64 / 127  # of the timbre
PEDAL_DOWN = 64  # smallest value of a pedal that is down

Role = Literal["pitch", "loudness", "gate", "timbre", "pressure"]


@dataclass(frozen=True, slots=True)
class NoteAction:
    """A value for one parameter of a voice.

    Attributes
    ----------
    role
        Which parameter.
    value
        For a pitch a MIDI note number with its bend, in semitones; else 0 to 1.
    channel
        Channel of the note, 1 to 16; the zone's master in MPE.
    voice
        Voice of the model, counted from 1.
    """

    role: Role
    value: float
    channel: int
    voice: int = 1


@dataclass(slots=True)
class _ChannelState:
    bend: float = 0.0  # -1 to 1
    bend_semitones: float = 2.0
    timbre: float = CENTRE
    pressure: float = 0.0
    pedal: bool = False


@dataclass(frozen=True, slots=True)
class HeldNote:
    """A note that is held by its key, or by the pedal alone.

    Attributes
    ----------
    note
        Note number, 0 to 127.
    channel
        1 to 16.
    velocity
        0 to 1.
    key_down
        False if only the pedal holds the note.
    """

    note: int
    channel: int
    velocity: float
    key_down: bool = True

    @property
    def key(self) -> tuple[int, int]:
        """Note and channel, which identify the note."""
        return self.note, self.channel


class MonophonicNotes:
    """Notes of one channel or one MPE zone, played by one voice.

    Parameters
    ----------
    channel
        Channel given in the actions, 1 to 16; the master of a zone.
    settings
        How notes are played.
    zone
        Whether these are the notes of an MPE zone.
    """

    voices = 1

    def __init__(self, channel: int, settings: NoteSettings, *, zone: bool = False) -> None:
        self._channel, self._settings, self._zone = channel, settings, zone
        self._channels: dict[int, _ChannelState] = {}
        self._held: list[HeldNote] = []  # oldest first; the last one sounds

    def feed(self, message: Message) -> list[NoteAction]:
        """Take a message of one of the channels, and return the actions that follow from it."""
        channel = self._state(message.channel)
        match message.type:
            case "note_on":
                return self._note_on(message)
            case "note_off":
                return self._note_off(message)
            case "pitchwheel":
                span = PITCHWHEEL_CENTRE if message.value < 0 else PITCHWHEEL_CENTRE - 1
                channel.bend = message.value / span
                return self._update_pitch(message.channel)
            case "aftertouch" if self._zone:
                channel.pressure = message.value / 127
                return self._set_own("pressure", message.channel, channel.pressure)
            case "control_change":
                return self._control_change(message, channel)
        return []

    def set_registered(self, change: RegisteredParameter) -> list[NoteAction]:
        """Take a pitch bend range, and return the actions that follow from it.

        In a zone, the range of one member applies to all members (MPE 1.1, "Pitch Bend Sensitivity").

        Parameters
        ----------
        change
            The registered parameter; others than the pitch bend range are ignored.

        Returns
        -------
        list of NoteAction
            The new pitch of the note that sounds.
        """
        if change.number != RPN_PITCH_BEND_RANGE:
            return []
        semitones = min(change.msb + (change.lsb or 0) / 100, MAX_BEND_SEMITONES)
        members = self._zone and change.channel != MASTER
        for number in range(2, 17) if members else (change.channel,):
            self._state(number).bend_semitones = semitones
        return self._update_pitch(self._held[-1].channel) if self._held else []

    def release_all(self) -> list[NoteAction]:
        """Release all keys and pedals, and return the actions that follow from it."""
        sounded = bool(self._held)
        self._held.clear()
        for channel in self._channels.values():
            channel.pedal = False
        return [NoteAction("gate", 0.0, self._channel)] if sounded else []

    def _state(self, number: int) -> _ChannelState:
        if number not in self._channels:
            member = self._zone and number != MASTER
            semitones = self._settings.member_bend_semitones if member else self._settings.bend_semitones
            self._channels[number] = _ChannelState(bend_semitones=semitones)
        return self._channels[number]

    def _note_on(self, message: Message) -> list[NoteAction]:
        slurred = any(held.key_down for held in self._held)
        held = HeldNote(message.number, message.channel, message.value / 127)
        self._remove(held.key)
        self._held.append(held)
        actions = self._start(held)
        if not (slurred and self._settings.legato):
            actions.append(NoteAction("loudness", held.velocity, self._channel))
        return [*actions, NoteAction("gate", 1.0, self._channel)]

    def _note_off(self, message: Message) -> list[NoteAction]:
        key = (message.number, message.channel)
        if self._is_pedal_down(message.channel):
            self._held = [replace(held, key_down=False) if held.key == key else held for held in self._held]
            return []
        return self._change_held(lambda: self._remove(key))

    def _control_change(self, message: Message, channel: _ChannelState) -> list[NoteAction]:
        if message.number == SUSTAIN:
            channel.pedal = message.value >= PEDAL_DOWN
            return self._change_held(self._remove_released)
        if message.number == TIMBRE and self._zone:
            channel.timbre = message.value / 127
            return self._set_own("timbre", message.channel, channel.timbre)
        if message.number == RESET_ALL_CONTROLLERS:
            channel.bend, channel.pedal, channel.pressure, channel.timbre = 0.0, False, 0.0, CENTRE
            return self._update_pitch(message.channel) + self._change_held(self._remove_released)
        if message.number in (ALL_SOUND_OFF, ALL_NOTES_OFF):
            return self.release_all()
        return []

    def _change_held(self, change: Callable[[], object]) -> list[NoteAction]:
        """Change the held notes; return the start of the one that has priority then, or the end of the last."""
        before = self._held[-1] if self._held else None
        change()
        after = self._held[-1] if self._held else None
        if before is None or after == before:
            return []
        return [NoteAction("gate", 0.0, self._channel)] if after is None else self._start(after)

    def _remove(self, key: tuple[int, int]) -> None:
        self._held = [held for held in self._held if held.key != key]

    def _remove_released(self) -> None:
        """Remove the notes that neither key nor pedal holds."""
        self._held = [held for held in self._held if held.key_down or self._is_pedal_down(held.channel)]

    def _is_pedal_down(self, number: int) -> bool:
        return self._state(number).pedal or (self._zone and self._state(MASTER).pedal)

    def _start(self, held: HeldNote) -> list[NoteAction]:
        actions = [NoteAction("pitch", self._pitch(held), self._channel)]
        if self._zone:
            state = self._state(held.channel)
            actions.append(NoteAction("timbre", state.timbre, self._channel))
            actions.append(NoteAction("pressure", state.pressure, self._channel))
        return actions

    def _pitch(self, held: HeldNote) -> float:
        """Return the note number with the bends of its channel and, in a zone, of the master."""
        own = self._state(held.channel)
        pitch = held.note + own.bend * own.bend_semitones
        if self._zone and held.channel != MASTER:
            master = self._state(MASTER)
            pitch += master.bend * master.bend_semitones
        return pitch

    def _affects(self, channel: int, held: HeldNote) -> bool:
        """Return whether a bend of a channel moves a note."""
        return held.channel == channel or (self._zone and channel == MASTER)

    def _update_pitch(self, channel: int) -> list[NoteAction]:
        """Return the pitch of the note that sounds, if a bend of the channel moves it."""
        if self._held and self._affects(channel, self._held[-1]):
            return [NoteAction("pitch", self._pitch(self._held[-1]), self._channel)]
        return []

    def _set_own(self, role: Role, channel: int, value: float) -> list[NoteAction]:
        """Return a value for the note that sounds, if it is the channel's."""
        if self._held and self._held[-1].channel == channel:
            return [NoteAction(role, value, self._channel)]
        return []
