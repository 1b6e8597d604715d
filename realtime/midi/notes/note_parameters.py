"""Parameters of voices: where pitch, loudness and gate of each channel and voice are, and how they are set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from realtime.midi.curves import to_loudness, to_value
from realtime.midi.notes.monophonic import NoteAction, Role
from realtime.midi.notes.settings import NoteSettings
from realtime.params.stage_protocol import Stage


class NoteParameters:
    """The parameters of a stage that notes set.

    Parameters
    ----------
    stage
        The stage.
    settings
        Addresses by role, and decks by channel.
    set_value
        Sets a parameter; takes its address, its value and the Unix time.
    """

    def __init__(self, stage: Stage, settings: NoteSettings, set_value: Callable[[str, float, float], None]) -> None:
        self._stage, self._settings, self._set_value = stage, settings, set_value

    def apply(self, actions: Sequence[NoteAction], at: float) -> None:
        """Set the parameters that the stage has; without a gate, a note ends at the lowest loudness.

        Parameters
        ----------
        actions
            Actions of voices, in their order.
        at
            Unix time in seconds.
        """
        rows = self._stage.addresses
        for action in actions:
            row = rows.get(self.address(action.role, action.channel, action.voice))
            if row is not None and row.kind not in ("list", "trigger"):
                if action.role == "pitch":
                    value = row.clip(action.value)
                elif action.role == "loudness":
                    value = to_loudness(row, action.value)
                else:
                    value = to_value(row, action.value)
                self._set_value(row.address, value, at)
            elif action.role == "gate" and action.value == 0.0:
                loudness = rows.get(self.address("loudness", action.channel, action.voice))
                if loudness is not None:
                    self._set_value(loudness.address, to_value(loudness, 0.0), at)

    def address(self, role: Role, channel: int, voice: int) -> str:
        """Return the address of a voice's parameter, such as `/a/pitch/2`; empty if notes don't set it."""
        address: str = getattr(self._settings, role)
        if not address:
            return ""
        letter = self._settings.decks.get(str(channel))
        deck = f"/{letter}" if letter else ""
        return f"{deck}{address}/{voice}" if voice > 1 else f"{deck}{address}"

    def voice_count(self, channel: int) -> int:
        """Return the number of voices of the model that a channel plays, at least 1: as many as have a pitch."""
        rows, count = self._stage.addresses, 1
        while self.address("pitch", channel, count + 1) in rows:
            count += 1
        return count
