"""OSC commands: addresses that ask for something to be done and aren't parameters.

====================================  =================================================================================
`/model/load NAME`                    loads a model of the library on the deck in focus; `/a/model/load` …
`/model/list`                         replies `/model/list NAME NAME …`
`/latency`                            replies `/latency PART MS PART MS …`
`/snapshot/save [NAME] [NUMBER]`      saves all values under a name, a number, or the next free one
`/snapshot/recall NAME|NUMBER [MS]`   recalls them, at once or in a time
`/snapshot/rename NAME NEW`           renames a snapshot
`/snapshot/delete NAME|NUMBER`        deletes it
`/snapshot/list`                      replies `/snapshot/list NUMBER NAME NUMBER NAME …`
`/snapshot/exclude PATTERN`           leaves parameters out of recalls and morphs
`/snapshot/include PATTERN`           includes them again
`/morph/corners A B [C D]`            chooses the snapshots that /morph/x and /morph/y interpolate between
`/record/as NAME`                     records under a name in the takes folder; `/record 0` ends it
`/fx/add NAME`                        appends an effect to the deck's chain; `/a/fx/add` …
`/fx/remove PLACE`                    removes an effect; `/fx/move PLACE TO` changes the order
`/fx/list`                            replies `/fx/list NAME NAME …`; `/fx/names` lists those that exist
`/midi/learn [ADDRESS]`               maps the control that is moved next to a parameter; without an address, cancels
`/midi/unlearn ADDRESS`               removes the mappings of a parameter
====================================  =================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from export.errors import GlitchError
from realtime.effects.chain import Effect
from realtime.ipc.memory_layout import LETTERS
from realtime.osc.codec import write_message
from realtime.osc.osc_router import Command
from realtime.osc.udp import BadPacketError, Peer
from realtime.session.controls.parameters import Parameters
from realtime.session.loading import ModelLoader, notify_failure
from realtime.session.recall.recall import Recall
from realtime.session.recordings import Recordings
from realtime.session.surfaces.arguments import (
    Arguments,
    new_snapshot,
    snapshot_id,
    snapshot_id_and_time,
    snapshot_ids,
    texts,
    whole_numbers,
)

Act = Callable[[Arguments], object]
Reply = Callable[[], Sequence[object]]
Notify = Callable[[str], None]


class MidiMappings(Protocol):
    """MIDI, as commands use it."""

    def learn(self, address: str | None) -> None:
        """Map the control that is moved next."""

    def unlearn(self, address: str) -> int:
        """Remove the mappings of a parameter."""


def commands(
    *,
    recall: Recall,
    recordings: Recordings,
    loader: ModelLoader,
    parameters: Parameters,
    latency_ms: Callable[[], dict[str, float]],
    midi: MidiMappings | None,
    notify: Notify,
    touch: Callable[[], None],
) -> dict[str, Command]:
    """Make the commands of a session.

    Parameters
    ----------
    parameters
        The deck in focus.
    latency_ms
        Returns the parts of the latency.
    midi
        None if the session has no MIDI.
    notify
        Called with a sentence if a load or a change of effects fails later.
    touch
        Called when the session file has something new to keep.

    Returns
    -------
    dict[str, Command]
        By address. A command raises `BadPacketError` if it cannot be carried out.
    """
    acts = {
        **snapshot_acts(recall),
        "/record/as": lambda given: recordings.record_as(*texts(given, 1, "a name")),
        **midi_acts(midi),
        **loading_acts(loader, notify),
    }
    for letter in LETTERS:
        acts |= loading_acts(loader, notify, letter)
    replies: dict[str, Reply] = {
        "/model/list": loader.models,
        "/latency": lambda: [item for part in latency_ms().items() for item in part],
        "/snapshot/list": lambda: [item for one in recall.snapshots for item in (one.number, one.name)],
        "/fx/names": loader.effects,
        "/fx/list": lambda: [effect.name for effect in parameters.player.effects],
    }
    return {address: _acting(address, act, touch) for address, act in acts.items()} | {
        address: _replying(address, reply) for address, reply in replies.items()
    }


def snapshot_acts(recall: Recall) -> dict[str, Act]:
    """Return the commands of snapshots and morphs."""
    snapshots = recall.snapshots
    return {
        "/snapshot/save": lambda given: recall.save(*new_snapshot(given)),
        "/snapshot/recall": lambda given: recall.recall(*snapshot_id_and_time(given)),
        "/snapshot/rename": lambda given: snapshots.rename(*texts(given, 2, "two names")),
        "/snapshot/delete": lambda given: snapshots.delete(snapshot_id(given)),
        "/snapshot/exclude": lambda given: snapshots.exclude(*texts(given, 1, "a pattern")),
        "/snapshot/include": lambda given: snapshots.include(*texts(given, 1, "a pattern")),
        "/morph/corners": lambda given: snapshots.set_corners(*snapshot_ids(given)),
    }


def midi_acts(midi: MidiMappings | None) -> dict[str, Act]:
    """Return the commands of MIDI learn."""

    def required() -> MidiMappings:
        if midi is None:
            raise BadPacketError("needs MIDI; start with --midi")
        return midi

    return {
        "/midi/learn": lambda given: required().learn(texts(given, 1, "an address")[0] if given else None),
        "/midi/unlearn": lambda given: required().unlearn(*texts(given, 1, "an address")),
    }


def loading_acts(loader: ModelLoader, notify: Notify, letter: str | None = None) -> dict[str, Act]:
    """Return the commands of models and effects, for a deck or, without a letter, for the deck in focus."""

    def load(given: Arguments) -> None:
        (name,) = texts(given, 1, "the name of a model")
        loader.load(name, letter).add_done_callback(notify_failure(notify, f"{name} cannot be played"))

    def change(to: Callable[[tuple[Effect, ...]], tuple[Effect, ...]]) -> None:
        loader.set_effects(to, letter).add_done_callback(notify_failure(notify, "The effects stay as they are"))

    def add(given: Arguments) -> None:
        (name,) = texts(given, 1, "the name of an effect")
        change(lambda now: (*now, loader.find_effect(name)))

    def remove(given: Arguments) -> None:
        (place,) = whole_numbers(given, 1, "the place of an effect")
        change(lambda now: _without(now, place))

    def move(given: Arguments) -> None:
        place, to = whole_numbers(given, 2, "the place of an effect and its new one")
        change(lambda now: _moved(now, place, to))

    prefix = f"/{letter}" if letter else ""
    return {
        f"{prefix}/model/load": load,
        f"{prefix}/fx/add": add,
        f"{prefix}/fx/remove": remove,
        f"{prefix}/fx/move": move,
    }


def _acting(address: str, act: Act, touch: Callable[[], None]) -> Command:
    def command(arguments: Arguments, _when: float, _peer: Peer | None) -> None:
        try:
            act(arguments)
            touch()
        except BadPacketError as error:
            raise BadPacketError(f"{address} {error}") from None
        except GlitchError as error:
            raise BadPacketError(f"{address}: {str(error).rstrip('.')}") from None

    return command


def _replying(address: str, reply: Reply) -> Command:
    def command(_arguments: Arguments, _when: float, peer: Peer | None) -> None:
        if peer is not None:
            peer.send(write_message(address, list(reply())))

    return command


def _without(chain: tuple[Effect, ...], place: int) -> tuple[Effect, ...]:
    _effect_at(chain, place)
    return (*chain[: place - 1], *chain[place:])


def _moved(chain: tuple[Effect, ...], place: int, to: int) -> tuple[Effect, ...]:
    effect, rest = _effect_at(chain, place), list(_without(chain, place))
    _effect_at(chain, to)
    rest.insert(to - 1, effect)
    return tuple(rest)


def _effect_at(chain: tuple[Effect, ...], place: int) -> Effect:
    if not 1 <= place <= len(chain):
        there = ", ".join(f"{k} {effect.name}" for k, effect in enumerate(chain, 1)) or "none"
        raise GlitchError(f"There is no effect {place}; there are: {there}.")
    return chain[place - 1]
