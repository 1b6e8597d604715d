"""Tells the network of the stage by zeroconf: `_oscjson._tcp` for OSCQuery, `_osc._udp` for OSC.

A machine without a network, or whose system allows no multicast, plays as well; only nobody finds it by itself.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from realtime.osc.query.guard import is_loopback

QUERY_TYPE, OSC_TYPE = "_oscjson._tcp.local.", "_osc._udp.local."
CLOSE_TIMEOUT_S = 1.5


class Announcement:
    """Announces a stage until it is closed; from a thread of its own, since a network takes a while to agree.

    Parameters
    ----------
    name
        As others shall see it.
    host
        Where the stage listens. What listens on loopback is announced on loopback.
    query_port, osc_port
        Of OSCQuery and of OSC over UDP.
    """

    def __init__(self, name: str, host: str, *, query_port: int, osc_port: int) -> None:
        self.error: str | None = None  # why nobody is told
        self.announced = threading.Event()
        self._name, self._host = re.sub(r"[^\w .-]", "", name)[:50] or "glitch-live", host
        self._ports = {QUERY_TYPE: query_port, OSC_TYPE: osc_port}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zeroconf", daemon=True)

    def start(self) -> None:
        """Begin to announce."""
        self._thread.start()

    def close(self) -> None:
        """Say goodbye."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        try:
            import zeroconf

            loopback = is_loopback(self._host)
            addresses = ["127.0.0.1"] if loopback else _addresses(zeroconf, self._host)
            with zeroconf.Zeroconf(interfaces=addresses) as network:
                server = f"{re.sub(r'[^A-Za-z0-9]+', '-', self._name).strip('-') or 'glitch-live'}.local."
                for kind, port in self._ports.items():
                    if self._over.is_set():
                        return
                    service = zeroconf.ServiceInfo(
                        kind, f"{self._name}.{kind}", port, server=server, parsed_addresses=addresses
                    )
                    network.register_service(service, allow_name_change=True)
                self.announced.set()
                self._over.wait()
        except Exception as error:  # no network, no multicast, no zeroconf: all the same to the performance
            self.error = f"{type(error).__name__}: {error}"


def _addresses(zeroconf: Any, host: str) -> list[str]:
    """Give the addresses of this machine at which a host can be reached."""
    if host not in ("0.0.0.0", "::", ""):
        return [host]
    return [address for address in zeroconf.get_all_addresses() if not is_loopback(address)] or ["127.0.0.1"]
