"""The device process: owns PortAudio, and runs the compiled callback on the memory of stream and decks.

    python -m realtime.audio.device_process

It is a process of its own so that a driver that hangs or crashes can be replaced while the decks play on: PortAudio,
for one, waits ten minutes for a JACK server that has died. Requests of the host, each answered by a line:

- `{"wanted", "rate", "model_rate", "model_channels", "input", "outputs", "inputs"}`: choose a device and its channels,
  and an input unless `input` is null. Answer: the names, rate and channels.
- the same with `"reopen"` and `"input_name"`: take the devices of exactly these names, at another rate if necessary,
  and without the input if it is absent.
- `{"segment", "block", "latency"}`: open a stream that plays the segment.
- `{"plug": slot, "deck", "gain", "ramp_ms"}`, `{"unplug": slot}`: plug a deck's segment into a slot, or unplug it.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from export.errors import GlitchError
from realtime.audio.devices import (
    Device,
    DeviceError,
    choose,
    choose_channels,
    choose_input,
    choose_rate,
    find_named,
)
from realtime.audio.stream import open_stream
from realtime.ipc.child_process import Requests, ask_for_time, reply
from realtime.ipc.priority import lock_memory
from realtime.ipc.segments import Segment

BLOCK_TIMEOUT_S = 1.0
COMPILE_TIMEOUT_S, OPEN_TIMEOUT_S = 300.0, 20.0


def main() -> int:
    """Run a device process; see the module's docstring."""
    requests = Requests()
    try:
        return _serve(requests)
    except GlitchError as error:
        reply(error=str(error))
        return 1


def _serve(requests: Requests) -> int:
    request = requests.next()
    if request is None:
        return 0
    device, source = _find_devices(request)
    chosen = choose_channels(device, source, request["outputs"], request["inputs"], request["model_channels"])
    strict = "reopen" not in request
    rate = choose_rate(device, request["rate"], request["model_rate"], channels=chosen.opened, strict=strict)
    input_name = str(source) if source is not None else ""
    counts = {"channels": len(chosen.outputs), "inputs": len(chosen.inputs)}
    reply(device=str(device), why=device.why, rate=rate, input=input_name, **counts)

    ask_for_time(COMPILE_TIMEOUT_S)
    from realtime.audio.callback import portaudio_callback  # noqa: F401 (compiled while the host continues)
    from realtime.audio.deck_mixer import DeckMixer

    ask_for_time(OPEN_TIMEOUT_S)
    request = requests.next()
    if request is None:
        return 0
    segment = Segment.attach(request["segment"])
    maps = {"outputs": chosen.outputs, "input_map": chosen.inputs}
    mixer = DeckMixer(segment, rate, chosen.opened, inputs=chosen.opened_inputs, **maps)
    stream = open_stream(mixer, device, source, sample_rate=rate, block=request["block"], latency=request["latency"])
    segment["stream"][0]["largest_block"] = 0
    stream.start()
    lock_memory()
    reply(latency_s=stream.latency_s, input_latency_s=stream.input_latency_s)

    state = segment["stream"][0]
    decks: dict[int, Segment] = {}
    while (request := requests.next()) is not None:
        if "plug" in request:
            slot = request["plug"]
            decks[slot] = Segment.attach(request["deck"])
            mixer.plug(slot, decks[slot], gain=request["gain"], ramp_ms=request["ramp_ms"])
        elif "unplug" in request:
            mixer.unplug(request["unplug"])
            last, began = int(state["callbacks"]), time.monotonic()
            while state["callbacks"] <= last + 1 and time.monotonic() - began < BLOCK_TIMEOUT_S:
                time.sleep(1e-3)  # a callback may still use the deck's memory
            unplugged = decks.pop(request["unplug"], None)
            if unplugged is not None:
                unplugged.close()
        reply(done=True)
    stream.close()
    for part in (*decks.values(), segment):
        part.close()
    return 0


def _find_devices(request: dict[str, Any]) -> tuple[Device, Device | None]:
    """Find the output, and the input if there is to be one."""
    rate = request["model_rate"]
    if "reopen" not in request:
        device = choose(request["wanted"], rate)
        return device, None if request["input"] is None else choose_input(request["input"], device)
    found = find_named(request["reopen"], "output", rate)
    if found is None:
        raise DeviceError(f"{request['reopen']} is not there.")
    return found, find_named(request["input_name"], "input", rate) if request["input_name"] else None


if __name__ == "__main__":
    sys.exit(main())
