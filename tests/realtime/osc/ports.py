"""Ports: a number can be free over UDP and taken over TCP, for instance by a connection that has just ended."""

from __future__ import annotations

import socket

from realtime.osc.udp import OscError, open_socket


def port_is_free(port: int, kind: socket.SocketKind) -> bool:
    """Whether the stage could open a port."""
    try:
        open_socket("127.0.0.1", port, kind).close()
    except OscError:
        return False
    return True


def free_port() -> int:
    """Find a number that is free over UDP and over TCP."""
    while True:
        with open_socket("127.0.0.1", 0, socket.SOCK_DGRAM) as opened:
            port = int(opened.getsockname()[1])
            if port_is_free(port, socket.SOCK_STREAM):
                return port
