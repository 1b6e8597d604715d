"""Access over HTTP: programs on this machine or network are allowed, web pages are not.

A web page open on the performer's machine can make the browser send requests to this machine. Browsers mark
cross-origin requests (`Origin`, `Sec-Fetch-Site`), and a page whose name was pointed at this machine (DNS rebinding)
sends that name as `Host`. Only requests to an IP address, to `localhost` or to the machine's own name are therefore
allowed.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping


def refuse(headers: Mapping[str, str], loopback: bool, origins: Collection[str] = ()) -> str | None:
    """Check whether a request is allowed.

    Parameters
    ----------
    headers
        Headers of the request; names in any case.
    loopback
        Whether only this machine is served.
    origins
        Origins of web pages that are trusted, such as `http://localhost:8080`.

    Returns
    -------
    str or None
        The reason for refusing it, as a sentence; None if it is allowed.
    """
    origin = headers.get("Origin")
    if origin is not None and origin not in origins:
        return "Web pages may not reach the stage."
    if origin is None and headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return "Web pages may not reach the stage."
    host = headers.get("Host", "")
    if not known_host(host, loopback):
        return f"The stage is not called '{host:.80}'; use its IP address."
    return None


def known_host(host: str, loopback: bool) -> bool:
    """Return whether a `Host` certainly means this machine: an IP address, `localhost`, or its own name."""
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
    """Return whether a host can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
