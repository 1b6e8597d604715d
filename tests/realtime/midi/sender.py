"""A MIDI device as a separate program: `python -m tests.realtime.midi.sender NAME`.

It reads commands from standard input, one per line: `send HEX...` and `flood COUNT`. Messages that its input receives
are printed as `got HEX`.
"""

from __future__ import annotations

import sys
import threading
import time

import rtmidi


def main() -> None:
    name = sys.argv[1]
    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name=name)
    out.open_virtual_port("out")
    into = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name=f"{name} in")
    into.open_virtual_port("in")

    def show() -> None:
        while True:
            got = into.get_message()
            if got is None:
                time.sleep(0.001)
            else:
                print("got", bytes(got[0]).hex(), flush=True)

    threading.Thread(target=show, daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "send":
            for word in words:
                out.send_message(bytes.fromhex(word))
        elif command == "flood":
            for k in range(int(words[0])):
                out.send_message(bytes((0xB0, 21, k % 128)))
                if k % 200 == 199:
                    time.sleep(0.004)  # JACK's own ring for a port holds 16 KiB, and a port's block less
            out.send_message(b"\xb0\x15\x7f")
            print("flooded", flush=True)


if __name__ == "__main__":
    main()
