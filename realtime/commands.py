"""What can be asked over OSC that is no parameter: models by name, the latency, MIDI learn.

==============================  ================================================================================
`/model/load NAME`              loads a model of the library on the deck in focus; `/a/model/load`, `/b/model/load`
`/model/list`                   answers `/model/list NAME NAME …`
`/latency`                      answers `/latency PART MS PART MS …`
`/midi/learn [ADDRESS]`         gives a parameter the control that is moved next; without an address, no more
`/midi/unlearn ADDRESS`         takes its controls away
==============================  ================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from export.contract import GlitchError
from realtime.memory import LETTERS
from realtime.osc import BadPacketError, Peer
from realtime.osc_codec import write_message
from realtime.osc_router import Command

if TYPE_CHECKING:
    from realtime.session import Session


def commands(session: Session) -> dict[str, Command]:
    """Give every command of a session, by address."""
    found: dict[str, Command] = {
        "/model/load": lambda arguments, _at, _peer: _load(session, arguments, None),
        "/model/list": lambda _arguments, _at, peer: _answer(peer, "/model/list", session.models()),
        "/latency": lambda _arguments, _at, peer: _answer(peer, "/latency", _flat(session.latency_ms())),
        "/midi/learn": lambda arguments, _at, _peer: _learn(session, arguments),
        "/midi/unlearn": lambda arguments, _at, _peer: _unlearn(session, arguments),
    }
    for letter in LETTERS:
        found[f"/{letter}/model/load"] = _load_on(session, letter)
    return found


def readings(session: Session) -> dict[str, Sequence[float]]:
    """Give what can be read of a session beside its parameters, by address."""
    status = session.status()
    meters = session.segment["meters"]
    return {
        "/meter/peak": meters["peak"].tolist(),
        "/meter/rms": (meters["power"] ** 0.5).tolist(),
        "/load": [status.load],
        "/underruns": [float(status.underruns)],
        "/latency": [status.total_ms],
        "/latents": session.latents.tolist() if status.deck_alive else [],
    }


def _load_on(session: Session, letter: str) -> Command:
    return lambda arguments, _at, _peer: _load(session, arguments, letter)


def _load(session: Session, arguments: Sequence[object], letter: str | None) -> None:
    name = _text(arguments, "/model/load", "the name of a model")

    def done(future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            session.notes.append(f"{name} cannot be played: {error}")

    try:
        session.load(name, letter=letter).add_done_callback(done)
    except GlitchError as error:
        raise BadPacketError(str(error).rstrip(".")) from None


def _learn(session: Session, arguments: Sequence[object]) -> None:
    if session.midi is None:
        raise BadPacketError("/midi/learn needs MIDI; start with --midi")
    try:
        session.midi.learn(_text(arguments, "/midi/learn", "an address") if arguments else None)
    except GlitchError as error:
        raise BadPacketError(str(error).rstrip(".")) from None


def _unlearn(session: Session, arguments: Sequence[object]) -> None:
    if session.midi is None:
        raise BadPacketError("/midi/unlearn needs MIDI; start with --midi")
    session.midi.unlearn(_text(arguments, "/midi/unlearn", "an address"))


def _answer(peer: Peer | None, address: str, values: Sequence[object]) -> None:
    if peer is not None:
        peer.send(write_message(address, values))


def _flat(parts: dict[str, float]) -> list[object]:
    return [item for part in parts.items() for item in part]


def _text(arguments: Sequence[object], address: str, what: str) -> str:
    if len(arguments) != 1 or not isinstance(arguments[0], str):
        raise BadPacketError(f"{address} takes {what}")
    return arguments[0]
