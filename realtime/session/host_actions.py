"""The actions of the host's own parameters: level, mute, panic, recordings, snapshots, morph."""

from __future__ import annotations

from collections.abc import Callable

from export.errors import GlitchError
from realtime.audio.device_client import DeviceClient
from realtime.decks.lookahead import Lookahead
from realtime.decks.rack import Rack
from realtime.params.table import SNAPSHOT_BUTTONS
from realtime.session.controls.panic import Panic
from realtime.session.controls.parameters import Action, Parameters
from realtime.session.recall.recall import Recall
from realtime.session.recordings import Recordings
from realtime.session.status.status import MIN_DB


def bind_host_actions(
    parameters: Parameters,
    *,
    output: DeviceClient,
    rack: Rack,
    lookahead: Lookahead,
    panic: Panic,
    recall: Recall,
    recordings: Recordings,
    midi_panic: Callable[[], None] | None,
    focus_changed: Callable[[], None],
    notify: Callable[[str], None],
) -> None:
    """Bind every parameter of the host that does something to its action.

    Parameters
    ----------
    midi_panic
        Sends all-sound-off over MIDI; None without MIDI.
    focus_changed
        Called when another deck is in focus.
    notify
        Called with a sentence where a snapshot button has no snapshot.
    """
    parameters.bind("/gain", lambda value, sample: output.gain(linear_gain(value), sample))
    parameters.bind("/mute", lambda value, sample: panic.mute(bool(value), sample))
    parameters.bind("/crossfade", rack.set_crossfade)
    parameters.bind("/panic", lambda _value, _sample: panic.trigger())
    parameters.bind("/focus", lambda _value, _sample: focus_changed())
    parameters.bind("/record", lambda value, _sample: recordings.record(bool(value)))
    parameters.bind("/take", lambda value, _sample: recordings.take(bool(value)))
    for address in ("/ahead", "/ahead/lock"):
        parameters.bind(address, lambda _value, _sample: lookahead.set_all())
    for address in ("/morph/x", "/morph/y"):
        parameters.bind(address, lambda _value, _sample: recall.morph())
    if midi_panic is not None:
        parameters.bind("/midi/panic", lambda _value, _sample: midi_panic())
    for number in range(1, SNAPSHOT_BUTTONS + 1):
        parameters.bind(f"/snapshot/{number}", _recalling(number, recall, notify))


def linear_gain(gain_db: float) -> float:
    """Return a level in dB as a factor; the lowest level is silence."""
    return 10 ** (gain_db / 20) if gain_db > MIN_DB else 0.0


def _recalling(number: int, recall: Recall, notify: Callable[[str], None]) -> Action:
    def action(_value: float, _sample: int) -> None:
        try:
            recall.recall(number)
        except GlitchError as error:
            notify(str(error))

    return action
