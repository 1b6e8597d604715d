"""Routing of OSC messages: parameters to the stage, commands to their functions.

========================================  ==============================================================
`/get ADDRESS [PORT]`                     replies with the value, or the values that match a pattern
`/subscribe [ADDRESS] [RATE] [PORT]`      sends values as they change, at most RATE times per second
`/unsubscribe [ADDRESS] [PORT]`           ends this subscription, or all
`/ping ...`                               `/pong ...`
========================================  ==============================================================

Replies go to the sender, or to another port of the same host, never to any other host.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

from realtime.osc.codec import BadPacketError, write_message
from realtime.osc.osc_feedback import DEFAULT_RATE_HZ, VALUE_TAGS, OscFeedback, Readings, bundles, value_message
from realtime.osc.patterns import Matcher, is_pattern
from realtime.osc.udp import Peer, UnknownAddressError
from realtime.params.stage_protocol import Stage
from realtime.params.table import ParameterError

# Handles a message that isn't a parameter; takes its arguments, its time and its sender.
Command = Callable[[Sequence[object], float, Peer | None], None]


def no_readings() -> dict[str, Sequence[float]]:
    """Return no readings."""
    return {}


class OscRouter:
    """Routes messages to a stage in the order of arrival.

    Parameters
    ----------
    stage
        Its parameters are set.
    readings
        Values that can only be read, such as meters.
    feedback
        Serves `/subscribe`; None disables subscriptions.
    commands
        Further commands by address.
    """

    def __init__(
        self,
        stage: Stage,
        readings: Readings = no_readings,
        feedback: OscFeedback | None = None,
        commands: Mapping[str, Command] | None = None,
    ) -> None:
        self._stage, self._readings, self._feedback = stage, readings, feedback
        self._patterns = Matcher()
        self._commands: dict[str, Command] = {"/get": self._get, "/ping": self._ping, **(commands or {})}
        if feedback is not None:
            self._commands |= {"/subscribe": self._subscribe, "/unsubscribe": self._unsubscribe}

    def handle(self, address: str, arguments: Sequence[object], when: float, peer: Peer | None = None) -> None:
        """Set a parameter or all that match a pattern, or run a command.

        Raises
        ------
        UnknownAddressError
            There is no such address, and nothing matches the pattern.
        BadPacketError
            The arguments are wrong.
        """
        addresses = self._stage.addresses
        if address in addresses:
            self._set(address, arguments, when)
        elif (command := self._commands.get(address)) is not None:
            command(arguments, when, peer)
        elif is_pattern(address) and (matched := self._patterns.matches(address, addresses)):
            self._set_each(matched, arguments, when)
        else:
            raise UnknownAddressError(address)

    def _set(self, address: str, arguments: Sequence[object], when: float) -> None:
        if len(arguments) == 1 and isinstance(arguments[0], list):  # [fff] is the same as fff
            arguments = arguments[0]
        try:
            self._stage.set(address, *arguments, at=when)
        except ParameterError as error:
            raise BadPacketError(str(error)) from None

    def _set_each(self, addresses: Sequence[str], arguments: Sequence[object], when: float) -> None:
        """Set the parameters that take the arguments; an error only if none does."""
        refused: list[BadPacketError] = []
        for address in addresses:
            try:
                self._set(address, arguments, when)
            except BadPacketError as error:
                refused.append(error)
        if len(refused) == len(addresses):
            raise refused[0]

    def _get(self, arguments: Sequence[object], _: float, peer: Peer | None) -> None:
        wanted, numbers = _words_and_numbers(arguments)
        if len(wanted) != 1:
            raise BadPacketError("/get takes an address, and a port to answer to")
        packets = self._read(wanted[0])
        if not packets:
            raise UnknownAddressError(wanted[0])
        target = _target(peer, numbers)
        for packet in packets if len(packets) == 1 else bundles(packets):
            target.send(packet)

    def _read(self, wanted: str) -> list[bytes]:
        addresses = self._stage.addresses
        readings = self._readings()
        if is_pattern(wanted):
            found: Sequence[str] = Matcher().matches(wanted, [*addresses, *readings])
        else:
            found = [wanted]
        packets = []
        for address in found:
            if address in readings:
                values = [float(value) for value in readings[address]]
                packets.append(write_message(address, values, "f" * len(values)))
            elif address in addresses and (tag := VALUE_TAGS.get(addresses[address].kind)) is not None:
                with contextlib.suppress(ParameterError):  # a model is being exchanged
                    packets.append(value_message(address, self._stage.get(address), tag))
        return packets

    def _ping(self, arguments: Sequence[object], _: float, peer: Peer | None) -> None:
        plain = [value for value in arguments if isinstance(value, bool | int | float | str | None)]
        _target(peer, []).send(write_message("/pong", plain))

    def _subscribe(self, arguments: Sequence[object], _: float, peer: Peer | None) -> None:
        words, numbers = _words_and_numbers(arguments)
        assert self._feedback is not None
        target = _target(peer, numbers[1:])
        selection, rate_hz = words[0] if words else "/", numbers[0] if numbers else DEFAULT_RATE_HZ
        self._feedback.subscribe(target, selection, rate_hz)

    def _unsubscribe(self, arguments: Sequence[object], _: float, peer: Peer | None) -> None:
        words, numbers = _words_and_numbers(arguments)
        assert self._feedback is not None
        self._feedback.unsubscribe(_target(peer, numbers), words[0] if words else None)


def _words_and_numbers(arguments: Sequence[object]) -> tuple[list[str], list[float]]:
    words = [value for value in arguments if isinstance(value, str)]
    numbers = [float(value) for value in arguments if isinstance(value, int | float)]
    if not all(value - value == 0.0 for value in numbers):
        raise BadPacketError("a rate or port that is not a number")
    return words, numbers


def _target(peer: Peer | None, numbers: Sequence[float]) -> Peer:
    """Return the peer to answer: the sender, or the one at the given port."""
    if peer is None:
        raise BadPacketError("a message that asks for a reply, without a sender")
    if not numbers:
        return peer
    if not 1 <= numbers[0] <= 65_535:
        raise BadPacketError(f"a port is 1 to 65535, not {numbers[0]:g}")
    return peer.at_port(int(numbers[0]))
