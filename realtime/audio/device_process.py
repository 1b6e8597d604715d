"""The device process: owns PortAudio, and runs the compiled callback on the memory of stream and decks.

    python -m realtime.audio.device_process

It is a process of its own so that a driver that hangs or crashes can be given up and started again while the decks play
on: PortAudio, for one, waits ten minutes for a JACK server that has died. The host's orders, each answered by a line:

- `{"wanted", "rate", "model_rate", "model_channels", "input", "outputs", "inputs"}`: choose a device and its channels,
  and an input if one is asked for. Answer: what they are.
- `{"again", "hears", "rate", …}` in its place: take the devices of these very names, at another rate if need be, and
  without the input if that isn't there.
- `{"segment", "block", "latency"}`: open a stream on it that plays the segment.
- `{"plug": slot, "deck", "gain", "ramp_ms"}`, `{"unplug": slot}`: tie a deck's segment to a slot, or let it go.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from export.errors import GlitchError
from realtime.audio.stream import (
    Device,
    DeviceError,
    choose,
    choose_channels,
    choose_input,
    fitting_rate,
    named,
    open_stream,
)
from realtime.ipc.child import Requests, reply
from realtime.ipc.priority import lock_memory
from realtime.ipc.segments import Segment

BLOCK_TIMEOUT_S = 1.0


def main() -> int:
    """Run a device process; see the module's head."""
    orders = Requests()
    try:
        return _serve(orders)
    except GlitchError as error:
        reply(error=str(error))
        return 1


def _serve(orders: Requests) -> int:
    order = orders.next()
    if order is None:
        return 0
    device, source = _devices(order)
    chosen = choose_channels(device, source, order["outputs"], order["inputs"], order["model_channels"])
    again = "again" in order
    rate = fitting_rate(device, order["rate"], order["model_rate"], channels=chosen.opened, strict=not again)
    hears = str(source) if source is not None else ""
    counts = {"channels": len(chosen.outputs), "inputs": len(chosen.inputs)}
    reply(device=str(device), why=device.why, rate=rate, input=hears, **counts)

    from realtime.audio.mixer import Mixer  # compiled code: loaded while the host goes on

    order = orders.next()
    if order is None:
        return 0
    segment = Segment.attach(order["segment"])
    maps = {"outputs": chosen.outputs, "input_map": chosen.inputs}
    mixer = Mixer(segment, rate, chosen.opened, inputs=chosen.opened_inputs, **maps)
    stream = open_stream(mixer, device, source, sample_rate=rate, block=order["block"], latency=order["latency"])
    segment["stream"][0]["largest_block"] = 0
    stream.start()
    lock_memory()
    reply(latency_s=stream.latency_s, input_latency_s=stream.input_latency_s)

    state = segment["stream"][0]
    decks: dict[int, Segment] = {}
    while (order := orders.next()) is not None:
        if "plug" in order:
            slot = order["plug"]
            decks[slot] = Segment.attach(order["deck"])
            mixer.plug(slot, decks[slot], gain=order["gain"], ramp_ms=order["ramp_ms"])
        elif "unplug" in order:
            mixer.unplug(order["unplug"])
            last, began = int(state["callbacks"]), time.monotonic()
            while state["callbacks"] <= last + 1 and time.monotonic() - began < BLOCK_TIMEOUT_S:
                time.sleep(1e-3)  # a callback may still be in the deck's memory
            gone = decks.pop(order["unplug"], None)
            if gone is not None:
                gone.close()
        reply(done=True)
    stream.close()
    for part in (*decks.values(), segment):
        part.close()
    return 0


def _devices(order: dict[str, Any]) -> tuple[Device, Device | None]:
    """Find the output and, where one is asked for, the input."""
    rate = order["model_rate"]
    if "again" not in order:
        device = choose(order["wanted"], rate)
        return device, None if order["input"] is None else choose_input(order["input"], device)
    found = named(order["again"], "output", rate)
    if found is None:
        raise DeviceError(f"{order['again']} is not there.")
    return found, named(order["hears"], "input", rate) if order["hears"] else None


if __name__ == "__main__":
    sys.exit(main())
