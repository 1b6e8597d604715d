"""Child process that describes a plug-in, so that a crash or hang of the plug-in harms nothing else.

    python -m realtime.effects.probe

The host writes one line of JSON to its standard input: `path`, and `inside`, the plug-in's name if the file has
several, else empty. The answer is `{"effect": description}` or `{"error": sentence}`.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from export.errors import GlitchError
from realtime.effects.built_in import Effect, Knob, KnobKind, Step
from realtime.effects.effect_instance import BLOCK, import_pedalboard, load
from realtime.ipc.child_process import Requests, reply

MAX_KNOBS = 128
MAX_STEPS = 64  # a parameter with more steps is ramped
TAKEN = ("bypass", "mix")  # names that every effect has already
SAMPLE_RATE = 48_000


def inspect(path: str, inside: str = "") -> Effect:
    """Load a plug-in in this process and describe it.

    Parameters
    ----------
    path
        Path of the file or bundle.
    inside
        Name of the plug-in, in any case, if the file has several.

    Returns
    -------
    Effect
        The plug-in's name, parameters and latency, and the path to load it from.

    Raises
    ------
    GlitchError
        The plug-in isn't an effect, or the file has no such plug-in.
    """
    source = path
    if inside:
        found = {name.lower(): name for name in _names_inside(path)}
        if inside.lower() not in found:
            raise GlitchError(f"{path} has no '{inside}'; it has: {', '.join(found.values())}.")
        source = f"{path}::{found[inside.lower()]}"
    elif len(several := _names_inside(path)) > 1:
        raise GlitchError(f"{path} has several plug-ins; put a colon and one of them after its name: {several}.")
    plugin = load(Effect(os.path.basename(path), source, ()))
    if not plugin.is_effect:
        raise GlitchError(f"{plugin.name} is an instrument, and only effects can be used.")
    return Effect(plugin.name, source, knobs(plugin), _latency(plugin))


def knobs(plugin: Any) -> tuple[Knob, ...]:
    """Make a knob of each automatable parameter, with the plug-in's raw range 0 to 1."""
    made: dict[str, Knob] = {}
    for attribute, parameter in plugin.parameters.items():
        if not parameter.is_automatable or len(made) == MAX_KNOBS:
            continue
        name = _free(re.sub(r"[^a-z0-9]+", "-", parameter.name.lower()).strip("-") or "knob", {*TAKEN, *made})
        switch = parameter.is_boolean or parameter.num_steps == 2
        step: Step = "set" if switch or (parameter.is_discrete and parameter.num_steps <= MAX_STEPS) else "ramp"
        raw = min(max(float(parameter.raw_value), 0.0), 1.0)
        kind: KnobKind = "bool" if switch else "float"
        default = round(raw) if switch else raw
        made[name] = Knob(name, attribute, 0, 1, default, "", "linear", _text(parameter), kind, step)
    return tuple(made.values())


def _text(parameter: Any) -> str:
    label = f" {parameter.label}" if parameter.label else ""
    low, high = (str(parameter.get_text_for_raw_value(raw)).strip() for raw in (0.0, 1.0))
    return f"{parameter.name}, from {low}{label} to {high}{label}." if low != high else f"{parameter.name}."


def _free(name: str, taken: set[str]) -> str:
    count, free = 2, name
    while free in taken:
        free, count = f"{name}-{count}", count + 1
    return free


def _latency(plugin: Any) -> int:
    import numpy as np

    for channels in (2, 1):
        try:
            plugin.process(np.zeros((channels, BLOCK), np.float32), SAMPLE_RATE, buffer_size=BLOCK, reset=False)
            break
        except ValueError:
            continue  # unsupported number of channels
    return int(plugin.reported_latency_samples)


def _names_inside(path: str) -> list[str]:
    pedalboard = import_pedalboard()
    audio_unit = path.lower().endswith(".component")
    kind = pedalboard.AudioUnitPlugin if audio_unit else pedalboard.VST3Plugin
    return list(kind.get_plugin_names_for_file(path))


def main() -> int:
    """Answer one request; see the module's description."""
    sys.stdout = os.fdopen(os.dup(1), "w")  # some plug-ins write to standard output and error without end
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    order = Requests(grace_s=0.0).next()
    if order is None:
        return 0
    try:
        reply(effect=inspect(order["path"], order["inside"]).to_json())
    except Exception as error:  # any failure of a plug-in becomes a sentence
        reply(error=str(error))
        os._exit(1)
    os._exit(0)  # skip unloading, in which some plug-ins crash


if __name__ == "__main__":
    sys.exit(main())
