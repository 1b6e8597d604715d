"""OSC feedback: changed values, sent to each subscriber at its rate.

Faders of a controller follow the stage this way, and meters are included. Values are polled a few dozen times per
second while there are subscribers, and never otherwise; the path from a control to the sound isn't involved.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from realtime.ipc.priority import raise_thread_priority
from realtime.osc.codec import BadPacketError, write_bundle, write_message
from realtime.osc.patterns import Matcher, is_pattern
from realtime.osc.udp import Peer
from realtime.params.stage_protocol import Stage
from realtime.params.table import Parameter, ParameterError

# Addresses that can be read and not set, such as /meter/peak, with their values.
Readings = Callable[[], Mapping[str, Sequence[float]]]

MAX_SUBSCRIPTIONS = 64
LAPSE_S = 60.0
DEFAULT_RATE_HZ = 20.0
MAX_RATE_HZ = 100.0
MAX_BUNDLE = 1400  # bytes in one Ethernet frame; a larger datagram is lost with any of its fragments
VALUE_TAGS = {"float": "f", "int": "i", "bool": "i"}  # kinds with a value, and their OSC types


class Watch:
    """All readable values of the stage as OSC messages, with the time of their last change.

    Parameters
    ----------
    stage, readings
        Sources of the values.
    tags
        OSC type of each kind of parameter; other kinds are omitted.
    """

    def __init__(self, stage: Stage, readings: Readings, tags: Mapping[str, str] = VALUE_TAGS) -> None:
        self._stage, self._readings, self._tags = stage, readings, tags
        self._addresses: Mapping[str, Parameter] | None = None
        self._values: dict[str, object] = {}
        self._packets: dict[str, bytes] = {}
        self._changed: dict[str, int] = {}
        self._matcher = Matcher()
        self.names: tuple[str, ...] = ()  # replaced when they change
        self.now = 0  # number of refreshes; the time of changes
        self.error: str | None = None  # why reading failed

    def refresh(self) -> None:
        """Read all values. Never raises, although reading may fail while a stage closes."""
        self.now += 1
        try:
            self._read()
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"

    def _read(self) -> None:
        addresses = self._stage.addresses
        tags = {address: self._tags[row.kind] for address, row in addresses.items() if row.kind in self._tags}
        readings = self._readings()
        for address, tag in tags.items():
            try:
                value = self._stage.get(address)
            except ParameterError:  # a model is being exchanged
                continue
            if self._values.get(address) != value:
                self._values[address] = value
                self._update(address, value_message(address, value, tag))
        for address, numbers in readings.items():
            values = tuple(map(float, numbers))
            if self._values.get(address) != values:
                self._values[address] = values
                self._update(address, write_message(address, values, "f" * len(values)))
        if addresses is not self._addresses or len(self._values) != len(self.names):
            self._addresses = addresses
            self.names = tuple(name for name in (*tags, *readings) if name in self._values)
            for gone in self._values.keys() - set(self.names):
                del self._values[gone], self._packets[gone], self._changed[gone]

    def _update(self, address: str, packet: bytes) -> None:
        if self._packets.get(address) != packet:  # bytes, since NaN differs from itself
            self._packets[address] = packet
            self._changed[address] = self.now

    def select(self, selection: str) -> tuple[str, ...]:
        """Find the addresses of a selection.

        Parameters
        ----------
        selection
            A pattern, an address, or a path and everything below it.

        Returns
        -------
        tuple of str
            In the order of `names`.

        Raises
        ------
        BadPacketError
            The pattern is malformed.
        """
        if is_pattern(selection):
            return self._matcher.matches(selection, self.names)
        return self.under(selection)

    def under(self, path: str) -> tuple[str, ...]:
        """Return an address and those below it."""
        path = path.rstrip("/")
        return tuple(name for name in self.names if name == path or name.startswith(f"{path}/"))

    def since(self, moment: int, addresses: Iterable[str]) -> list[bytes]:
        """Return the messages of those addresses that changed after refresh number `moment`."""
        return [self._packets[address] for address in addresses if self._changed.get(address, 0) > moment]


def value_message(address: str, value: float, tag: str) -> bytes:
    """Write a parameter's value; the tag `T` writes a boolean as T or F."""
    if tag == "T":
        return write_message(address, [bool(value)])
    return write_message(address, (round(value) if tag in "ih" else value,), tag)


@dataclass
class Subscription:
    """A subscription of one peer."""

    peer: Peer
    selection: str
    rate_hz: float
    lapses: float  # monotonic time; infinite for a connection
    seen: int = 0
    due: float = 0.0


class OscFeedback:
    """Sends changed values to subscribers.

    Parameters
    ----------
    stage, readings
        Sources of the values.
    lapse_s
        Seconds without renewal after which a subscription over UDP ends, since a vanished controller isn't noticed.
    """

    def __init__(self, stage: Stage, readings: Readings, *, lapse_s: float = LAPSE_S) -> None:
        self.lapse_s = lapse_s
        self.watch = Watch(stage, readings)
        self._subscriptions: dict[tuple[Hashable, str], Subscription] = {}
        self._lock = threading.Lock()
        self._changed = threading.Event()  # a new subscription, or the end
        self._running = True
        self._thread = threading.Thread(target=self._run, name="osc feedback", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def close(self) -> None:
        """Stop sending."""
        self._running = False
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    @property
    def subscriptions(self) -> list[Subscription]:
        """Active subscriptions."""
        with self._lock:
            return list(self._subscriptions.values())

    def subscribe(self, peer: Peer, selection: str = "/", rate_hz: float = DEFAULT_RATE_HZ) -> Subscription:
        """Subscribe a peer to addresses, renew its subscription, or change the rate.

        All values are sent first, then changes. The peer gets `/subscribed SELECTION RATE LAPSE`, LAPSE being the
        seconds after which the subscription ends (0: never).

        Parameters
        ----------
        peer
            Receiver of the values.
        selection
            A pattern, an address, or a path and everything below it.
        rate_hz
            Largest number of updates per second, 0.1 to 100.

        Returns
        -------
        Subscription
            The new or renewed one.

        Raises
        ------
        BadPacketError
            The selection is malformed, or there are too many subscriptions.
        """
        if not selection.startswith("/"):
            raise BadPacketError(f"/subscribe takes an address, a path or a pattern, not '{selection:.40}'")
        Matcher().matches(selection, ())  # raises if it is malformed
        lapses = float("inf") if peer.lasting else time.monotonic() + self.lapse_s
        rate_hz = min(max(rate_hz, 0.1), MAX_RATE_HZ)
        with self._lock:
            key = (peer.key, selection)
            known = self._subscriptions.get(key)
            if known is None:
                if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
                    raise BadPacketError(f"there are {MAX_SUBSCRIPTIONS} subscriptions already, and no more are taken")
                known = self._subscriptions[key] = Subscription(peer, selection, rate_hz, lapses)
            known.lapses, known.due = lapses, min(known.due, time.monotonic() + 1 / rate_hz)
            known.rate_hz = rate_hz
            lapse_s = 0.0 if peer.lasting else self.lapse_s
            peer.send(write_message("/subscribed", [selection, float(rate_hz), float(lapse_s)]))
        self._changed.set()
        return known

    def unsubscribe(self, peer: Peer, selection: str | None = None) -> None:
        """End a subscription of a peer, or all of them."""
        with self._lock:
            for key in list(self._subscriptions):
                if key[0] == peer.key and selection in (None, key[1]):
                    del self._subscriptions[key]

    def _run(self) -> None:
        raise_thread_priority(-5)
        while self._running:
            with self._lock:
                due = min((each.due for each in self._subscriptions.values()), default=None)
            self._changed.wait(None if due is None else max(due - time.monotonic(), 0.0))
            self._changed.clear()
            now = time.monotonic()
            ready = [each for each in self.subscriptions if each.due <= now]
            if ready and self._running:
                self.watch.refresh()
                for subscription in ready:
                    self._send_changes(subscription, now)

    def _send_changes(self, subscription: Subscription, now: float) -> None:
        there = subscription.lapses > now
        for bundle in bundles(self.watch.since(subscription.seen, self.watch.select(subscription.selection))):
            there = there and subscription.peer.send(bundle)
        subscription.seen = self.watch.now
        subscription.due = max(subscription.due + 1 / subscription.rate_hz, now)
        if not there:
            with self._lock:
                self._subscriptions.pop((subscription.peer.key, subscription.selection), None)


def bundles(packets: Sequence[bytes]) -> Iterator[bytes]:
    """Yield bundles of packets, each small enough for an Ethernet frame."""
    begin, size = 0, 0
    for k, packet in enumerate(packets):
        if k > begin and size + 4 + len(packet) > MAX_BUNDLE - 16:
            yield write_bundle(packets[begin:k])
            begin, size = k, 0
        size += 4 + len(packet)
    if packets:
        yield write_bundle(packets[begin:])
