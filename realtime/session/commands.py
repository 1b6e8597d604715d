"""What can be asked over OSC that is no parameter.

====================================  =================================================================================
`/model/load NAME`                    loads a model of the library on the deck in focus; `/a/model/load` …
`/model/list`                         answers `/model/list NAME NAME …`
`/latency`                            answers `/latency PART MS PART MS …`
`/snapshot/save [NAME] [NUMBER]`      saves how everything is, under a name, a number, or the next free one
`/snapshot/recall NAME|NUMBER [MS]`   brings it back, at once or over a time
`/snapshot/rename NAME NEW`           gives it another name
`/snapshot/delete NAME|NUMBER`        forgets it
`/snapshot/list`                      answers `/snapshot/list NUMBER NAME NUMBER NAME …`
`/snapshot/exclude PATTERN`           leaves parameters out of recalls and morphs
`/snapshot/include PATTERN`           lets them be recalled
`/morph/corners A B [C D]`            chooses the snapshots that /morph/x and /morph/y go between
`/record/as NAME`                     records under a name in the takes folder; `/record 0` ends it
`/fx/add NAME`                        lets the deck's sound go through a further effect; `/a/fx/add` …
`/fx/remove PLACE`                    takes an effect out; `/fx/move PLACE TO` changes the order
`/fx/list`                            answers `/fx/list NAME NAME …`; `/fx/names` what there is
`/midi/learn [ADDRESS]`               gives a parameter the control that is moved next; without an address, no more
`/midi/unlearn ADDRESS`               takes its controls away
====================================  =================================================================================
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from export.errors import GlitchError
from realtime.decks.loader import OvertakenError
from realtime.effects import chain as effects
from realtime.effects.chain import Effect
from realtime.ipc.layout import LETTERS
from realtime.osc.codec import write_message
from realtime.osc.router import Command
from realtime.osc.udp import BadPacketError, Peer
from realtime.session.status import input_latency_ms

if TYPE_CHECKING:
    from realtime.midi import Midi
    from realtime.session.session import Session
    from realtime.snapshots.store import Snapshots

Arguments = Sequence[object]


def commands(session: Session) -> dict[str, Command]:
    """Give every command of a session, by address; where one raises a `GlitchError`, its message is refused."""

    def store() -> Snapshots:
        return session.recall.snapshots

    acting: dict[str, Callable[[Arguments], object]] = {
        "/snapshot/save": lambda given: session.recall.save(*_name_and_number(given)),
        "/snapshot/recall": lambda given: session.recall.recall(*_which_and_time(given)),
        "/snapshot/rename": lambda given: store().rename(*_texts(given, 2, "two names")),
        "/snapshot/delete": lambda given: store().delete(_which(given)),
        "/snapshot/exclude": lambda given: store().exclude(*_texts(given, 1, "a pattern")),
        "/snapshot/include": lambda given: store().include(*_texts(given, 1, "a pattern")),
        "/morph/corners": lambda given: store().set_corners(*map(_name_or_number, given)),
        "/record/as": lambda given: session.recordings.record_as(*_texts(given, 1, "a name")),
        "/midi/learn": lambda given: _midi(session).learn(_texts(given, 1, "an address")[0] if given else None),
        "/midi/unlearn": lambda given: _midi(session).unlearn(*_texts(given, 1, "an address")),
    }
    answering: dict[str, Callable[[], Sequence[object]]] = {
        "/model/list": session.models,
        "/latency": lambda: [item for part in session.latency_ms().items() for item in part],
        "/snapshot/list": lambda: [item for one in store() for item in (one.number, one.name)],
        "/fx/names": lambda: effects.names(session.library.folder),
        "/fx/list": lambda: [effect.name for effect in session.player.effects],
    }
    for letter in (None, *LETTERS):
        acting |= _on_a_deck(session, letter)
    return {address: _acting(session, address, act) for address, act in acting.items()} | {
        address: _answering(address, answer) for address, answer in answering.items()
    }


def readings(session: Session) -> dict[str, Sequence[float]]:
    """Give what can be read of a session beside its parameters, by address."""
    status, through = session.status(), input_latency_ms(session)
    meters = session.segment["meters"][: session.segment.geometry.channels]
    return {
        "/meter/peak": meters["peak"].tolist(),
        "/meter/rms": (meters["power"] ** 0.5).tolist(),
        "/meter/input": session.segment["input_meters"]["peak"][: session.segment.geometry.inputs].tolist(),
        "/load": [status.load],
        "/underruns": [float(status.underruns)],
        "/latency": [status.total_ms],
        "/latency/input": [through] if through is not None else [],
        "/latents": session.latents.tolist() if status.deck_alive else [],
    }


def _acting(session: Session, address: str, act: Callable[[Arguments], object]) -> Command:
    def command(arguments: Arguments, _when: float, _peer: Peer | None) -> None:
        try:
            act(arguments)
            session.touch()
        except BadPacketError as error:
            raise BadPacketError(f"{address} {error}") from None
        except GlitchError as error:
            raise BadPacketError(f"{address}: {str(error).rstrip('.')}") from None

    return command


def _answering(address: str, answer: Callable[[], Sequence[object]]) -> Command:
    def command(_arguments: Arguments, _when: float, peer: Peer | None) -> None:
        if peer is not None:
            peer.send(write_message(address, list(answer())))

    return command


def _on_a_deck(session: Session, letter: str | None) -> dict[str, Callable[[Arguments], object]]:
    """Give the commands that a letter may stand before."""
    before = f"/{letter}" if letter else ""

    def load(given: Arguments) -> None:
        (name,) = _texts(given, 1, "the name of a model")
        session.load(name, letter=letter).add_done_callback(_said(session, f"{name} cannot be played"))

    def change(to: Callable[[tuple[Effect, ...]], tuple[Effect, ...]]) -> None:
        future = session.set_effects(to, letter=letter)
        future.add_done_callback(_said(session, "The effects stay as they are"))

    def add(given: Arguments) -> None:
        (name,) = _texts(given, 1, "the name of an effect")
        change(lambda now: (*now, effects.find(name, session.library.folder)))

    def remove(given: Arguments) -> None:
        (place,) = _numbers(given, 1, "the place of an effect")
        change(lambda now: _without(now, place))

    def move(given: Arguments) -> None:
        place, to = _numbers(given, 2, "the place of an effect and its new one")
        change(lambda now: _moved(now, place, to))

    return {
        f"{before}/model/load": load,
        f"{before}/fx/add": add,
        f"{before}/fx/remove": remove,
        f"{before}/fx/move": move,
    }


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


def _said(session: Session, what: str) -> Callable[[Future[None]], None]:
    def done(future: Future[None]) -> None:
        with contextlib.suppress(Exception):
            error = future.exception()
            if error is not None and not isinstance(error, OvertakenError):
                session.say(f"{what}: {error}")

    return done


def _midi(session: Session) -> Midi:
    if session.midi is None:
        raise BadPacketError("needs MIDI; start with --midi")
    return session.midi


def _texts(arguments: Arguments, count: int, what: str) -> list[str]:
    texts = [one for one in arguments if isinstance(one, str)]
    if len(arguments) != count or len(texts) != count:
        raise BadPacketError(f"takes {what}")
    return texts


def _numbers(arguments: Arguments, count: int, what: str) -> list[int]:
    numbers = [round(one) for one in arguments if isinstance(one, int | float) and abs(one) < 1e6]
    if len(arguments) != count or len(numbers) != count:
        raise BadPacketError(f"takes {what}")
    return numbers


def _name_or_number(one: object) -> str | float:
    if isinstance(one, bool) or not isinstance(one, str | int | float):
        raise BadPacketError("takes names or numbers of snapshots")
    return one


def _which(arguments: Arguments) -> str | float:
    if len(arguments) != 1:
        raise BadPacketError("takes the name or number of a snapshot")
    return _name_or_number(arguments[0])


def _which_and_time(arguments: Arguments) -> tuple[str | float, float | None]:
    if len(arguments) == 1:
        return _which(arguments), None
    if len(arguments) != 2 or not isinstance(arguments[1], int | float) or not 0 <= arguments[1] <= 3.6e6:
        raise BadPacketError("takes the name or number of a snapshot, and a time in ms")
    return _name_or_number(arguments[0]), float(arguments[1])


def _name_and_number(arguments: Arguments) -> tuple[str, int | None]:
    name = next((one for one in arguments if isinstance(one, str)), "")
    numbers = [one for one in arguments if isinstance(one, int | float)]
    if len(numbers) + bool(name) != len(arguments) or len(numbers) > 1 or not all(abs(one) <= 127 for one in numbers):
        raise BadPacketError("takes a name, a number from 0 to 127, or both")
    return name, round(numbers[0]) if numbers else None
