"""How the window steers: OSC over UDP, like any other controller. It has no other way to touch the sound."""

from __future__ import annotations

import contextlib
import socket

from pythonosc.osc_message_builder import OscMessageBuilder

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class Remote:
    """Sends messages to the host. What cannot be delivered is lost, as UDP is; the window shows what the host has."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._target: tuple[str, int] | None = None

    def aim(self, host: str, port: int) -> None:
        """Say where the host listens."""
        target = (_EVERY_ADDRESS.get(host, host), int(port))
        if target == self._target:
            return
        self.close()
        with contextlib.suppress(OSError):
            family = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0][0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._target = target

    def send(self, address: str, *values: float) -> None:
        """Send one message; every value goes as a float."""
        if self._socket is None or self._target is None:
            return
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(float(value), OscMessageBuilder.ARG_TYPE_FLOAT)
        with contextlib.suppress(OSError):
            self._socket.sendto(message.build().dgram, self._target)

    def close(self) -> None:
        """Let the socket go."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._target = None
