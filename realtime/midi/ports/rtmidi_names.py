"""rtmidi: its back ends by name, and names of ports."""

from __future__ import annotations

import importlib
import re
from typing import Any

EVERYTHING = "*"
IGNORED = ("midi through", "through:")  # ALSA's loopback ports
ALSA_NUMBERS = re.compile(r"\s+\d+:\d+$")


def rtmidi() -> Any:
    """Return the module `rtmidi`, which has no type annotations."""
    return importlib.import_module("rtmidi")


def api_number(backend: str) -> int:
    """Return rtmidi's number of a back end, such as `alsa` or `jack`."""
    module = rtmidi()
    return next(api for api in module.get_compiled_api() if module.get_api_name(api).casefold() == backend)


def working_backends() -> list[str]:
    """Return the names of the back ends that can be opened here, the system's first choice first."""
    module = rtmidi()
    working = []
    for api in module.get_compiled_api():
        try:
            client = module.MidiOut(api, name="glitch-live-probe")
        except (module.RtMidiError, SystemError):
            continue
        client.delete()
        working.append(module.get_api_name(api).casefold())
    return working


def stable_name(name: str) -> str:
    """Return a port's name without the numbers that ALSA assigns anew at each start."""
    return ALSA_NUMBERS.sub("", name)


def matches(parts: tuple[str, ...], name: str) -> bool:
    """Return whether a port's name contains one of the given parts, in any case; `"*"` matches all but loopbacks."""
    name = name.casefold()
    if any(part != EVERYTHING and part.casefold() in name for part in parts):
        return True
    return EVERYTHING in parts and not any(word in name for word in IGNORED)
