"""Notice of the end of a JACK server, which rtmidi doesn't report."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from pathlib import Path

from realtime.midi.ports.rtmidi_names import rtmidi

NO_START_SERVER = 1  # JackNoStartServer in jack/types.h


def watch_jack(client_name: str, on_shutdown: Callable[[], None]) -> Callable[[], None]:
    """Call a function when the JACK server ends.

    Parameters
    ----------
    client_name
        Name for a JACK client; `-watch` is added.
    on_shutdown
        Called in a thread of JACK's library.

    Returns
    -------
    callable
        Ends the watch. Without JACK's library or a server it does nothing.
    """
    bundled = Path(rtmidi().__file__).parent.parent / "python_rtmidi.libs"  # libraries of rtmidi's wheel
    path = ctypes.util.find_library("jack") or next(map(str, bundled.glob("libjack*")), None)
    if path is None:
        return lambda: None
    callback_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    callbacks = [callback_type(lambda _: on_shutdown())]  # referenced for as long as the client exists
    try:
        jack = ctypes.CDLL(path)
        jack.jack_client_open.restype = ctypes.c_void_p
        jack.jack_client_open.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
        client = jack.jack_client_open(f"{client_name}-watch".encode(), NO_START_SERVER, None)
        if not client:
            return lambda: None
        jack.jack_on_shutdown.argtypes = [ctypes.c_void_p, callback_type, ctypes.c_void_p]
        jack.jack_on_shutdown(client, callbacks[0], None)
        jack.jack_client_close.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):
        return lambda: None

    def close() -> None:
        jack.jack_client_close(client)
        callbacks.clear()

    return close
