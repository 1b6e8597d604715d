"""The process that owns the MIDI ports: `python -m realtime.midi.ports.port_process ORDER`; `--list` for back ends.

A process of its own, because the driver libraries endanger an audio host. JACK requests the messages of its clients
inside the audio cycle, where a busy interpreter would interrupt the sound of all programs. When the JACK server dies,
its library frees every client of the process unasked, and writing to a dead client spins for ever. Here that costs only
this process, and the host starts another.

ORDER is JSON, see `port_owner.PortOwner`. Frames for the host go to standard output, those from it come from standard
input; the process ends when standard input does.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import threading
import time
from typing import Any

from realtime.ipc.priority import raise_thread_priority
from realtime.midi.ports.framing import NOTIFY, Unpacker, pack
from realtime.midi.ports.jack_watch import watch_jack
from realtime.midi.ports.port_owner import PortOwner
from realtime.midi.ports.rtmidi_names import working_backends

RETRY_S = 0.5
LEAVE_S = 0.5
READ_BYTES = 1 << 16
JACK_ENDED = 3  # exit status


def main() -> None:
    """Open the ports of the order and transfer messages until the host ends."""
    if sys.argv[1] == "--list":
        print(json.dumps(working_backends()))
        return
    raise_thread_priority()
    order = json.loads(sys.argv[1])
    backend, owner = _open(order)
    ended = threading.Event()
    threading.Thread(target=_listen, args=(owner, ended), daemon=True).start()
    end_watch = watch_jack(order["client"], lambda: os._exit(JACK_ENDED)) if backend == "jack" else lambda: None
    owner.run(ended)
    end_watch()
    owner.close()
    os._exit(0)


def _open(order: dict[str, Any]) -> tuple[str, PortOwner]:
    """Open the back end of the order, or the first that works; keep trying until one does."""
    notified = False
    while True:
        backend = order["backend"] or next(iter(working_backends()), None)
        try:
            if backend is None:
                raise LookupError
            owner = PortOwner({**order, "backend": backend}, _emit)
            owner.open()
            return backend, owner
        except Exception:  # drivers raise anything if there is no server
            if not notified:
                _emit(pack(NOTIFY, 0, b"MIDI cannot be opened on this system at present; glitch-live keeps trying."))
                notified = True
            _wait_for_host(RETRY_S)


def _listen(owner: PortOwner, ended: threading.Event) -> None:
    """Queue the host's messages until its pipe ends; then end this process."""
    unpacker = Unpacker()
    with contextlib.suppress(OSError):
        while data := os.read(0, READ_BYTES):
            for frame in unpacker.feed(data):
                owner.send(frame.port, frame.payload)
    ended.set()
    time.sleep(LEAVE_S)
    os._exit(0)  # the main thread is blocked in a driver


def _emit(data: bytes) -> None:
    """Write all bytes to the host, however long that takes; meanwhile messages wait in rtmidi's queues."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(1, view) :]
    except OSError:
        os._exit(0)


def _wait_for_host(seconds: float) -> None:
    """Wait, and end the process if the host ends."""
    if sys.platform == "win32":
        time.sleep(seconds)
        return
    readable, _, _ = select.select([0], [], [], seconds)
    if readable and not os.read(0, READ_BYTES):
        os._exit(0)


if __name__ == "__main__":
    main()
