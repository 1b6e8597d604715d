"""Who may ask over HTTP: programs on this machine or network, and no web page.

A page that a performer has open can make the browser send requests to this machine. Across origins the browser says so
(`Origin`, `Sec-Fetch-Site`); and a page whose own name was pointed at this machine (DNS rebinding) gives that name as
`Host`. What is asked by number, by `localhost`, or by the machine's own name is therefore let in, and nothing else.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping


def refuse(headers: Mapping[str, str], loopback: bool, origins: Collection[str] = ()) -> str | None:
    """Say why a request is refused, or None where it isn't.

    Parameters
    ----------
    headers
        Of the request; names in any case.
    loopback
        Whether only this machine is served.
    origins
        Origins of web pages that are trusted, such as `http://localhost:8080`.
    """
    origin = headers.get("Origin")
    if origin is not None and origin not in origins:
        return "Web pages may not reach the stage."
    if origin is None and headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return "Web pages may not reach the stage."
    host = headers.get("Host", "")
    if not known_host(host, loopback):
        return f"The stage is not called '{host:.80}'; ask for it by its number."
    return None


def known_host(host: str, loopback: bool) -> bool:
    """Say whether a `Host` means this machine beyond doubt: a number, `localhost`, or our own name."""
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback or not loopback
    except ValueError:
        own = socket.gethostname().lower().partition(".")[0]
        return name == "localhost" or (not loopback and bool(own) and name in (own, f"{own}.local"))


def is_loopback(host: str) -> bool:
    """Say whether a host to listen on can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
