"""The first line that `glitch-live` prints: the model, the device, OSC and the first parameters."""

from __future__ import annotations

from export.format.card import Card
from realtime.audio.device_client import ChosenDevice
from realtime.osc.servers import OscSurface


def greeting(device: ChosenDevice, card: Card, osc: OscSurface | None, priority: int) -> str:
    """Format the first line that `glitch-live` prints.

    Parameters
    ----------
    priority
        The real-time priority of the deck; 0 if none was granted.

    Returns
    -------
    str
        One line; if the device had to be substituted, a line with the reason before it.
    """
    where = f"{device} at {device.sample_rate:.0f} Hz"
    if device.inputs:
        where += f", hearing {device.input}"
    why = f"{device.why} Playing to nowhere, in time.\n" if device.why else ""
    ports = f"OSC on {osc.host}:{osc.port}" if osc else "no OSC"
    if osc and osc.query:
        ports += f", OSCQuery on port {osc.query.port}"
    if card.live_method == "transform":
        controls = "/freeze, /feedback, /input/mix"
    else:
        controls = f"/latent/1 to /latent/{card.latent.size}" if card.latent.size > 1 else "/latent/1"
    granted = f"real-time priority {priority}" if priority else "no real-time priority: see the README on limits"
    return f"{why}Playing {card.name} on {where}, {granted}. {ports}: {controls}; Ctrl-C ends."
