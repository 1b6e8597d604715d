"""The window's only way to change the sound: OSC over UDP, as any controller."""

from __future__ import annotations

import contextlib
import socket

from pythonosc.osc_message_builder import OscMessageBuilder

_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class OscSender:
    """Sends OSC messages to the host. Messages may be lost, as always with UDP; the window shows the host's values."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._target: tuple[str, int] | None = None

    def set_target(self, host: str, port: int) -> None:
        """Set the host's address and port."""
        target = (_LOOPBACK_OF.get(host, host), int(port))
        if target == self._target:
            return
        self.close()
        with contextlib.suppress(OSError):
            family = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0][0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._target = target

    def send(self, address: str, *values: float) -> None:
        """Send one message with values as floats."""
        if self._socket is None or self._target is None:
            return
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(float(value), OscMessageBuilder.ARG_TYPE_FLOAT)
        with contextlib.suppress(OSError):
            self._socket.sendto(message.build().dgram, self._target)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._target = None
