"""Announcement by zeroconf: `_oscjson._tcp` for OSCQuery, `_osc._udp` for OSC.

Without a network or multicast the stage plays all the same, but isn't found automatically.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from realtime.osc.query.access import is_loopback

QUERY_TYPE, OSC_TYPE = "_oscjson._tcp.local.", "_osc._udp.local."
CLOSE_TIMEOUT_S = 1.5


class Announcement:
    """Announces a stage until closed, in a thread of its own, since registration takes a while.

    Parameters
    ----------
    name
        Name on the network.
    host
        Address that the stage listens on; a loopback address is announced on loopback.
    query_port, osc_port
        Ports of OSCQuery and of OSC over UDP.
    """

    def __init__(self, name: str, host: str, *, query_port: int, osc_port: int) -> None:
        self.error: str | None = None  # why the announcement failed
        self.announced = threading.Event()
        self._name, self._host = re.sub(r"[^\w .-]", "", name)[:50] or "glitch-live", host
        self._ports = {QUERY_TYPE: query_port, OSC_TYPE: osc_port}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zeroconf", daemon=True)

    def start(self) -> None:
        """Start announcing."""
        self._thread.start()

    def close(self) -> None:
        """Withdraw the announcement."""
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
        except Exception as error:  # no network, no multicast, no zeroconf: the performance doesn't need them
            self.error = f"{type(error).__name__}: {error}"


def _addresses(zeroconf: Any, host: str) -> list[str]:
    """Return the addresses at which a host can be reached."""
    if host not in ("0.0.0.0", "::", ""):
        return [host]
    return [address for address in zeroconf.get_all_addresses() if not is_loopback(address)] or ["127.0.0.1"]
