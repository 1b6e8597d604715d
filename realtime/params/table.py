"""The table of all parameters.

OSC, OSCQuery, MIDI, the window, snapshots, takes, layouts, `--list-params` and the documentation derive from it. A new
parameter is a new row. Rows that depend on the model (latents, live controls, bends) are made from its card.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from export.errors import GlitchError
from export.format.card import Bend, Card, Control, Method, is_bend_control
from realtime.ipc.memory_layout import MAX_LATENTS, MAX_PARAMETERS

Kind = Literal["float", "int", "bool", "trigger", "list"]
Curve = Literal["linear", "log"]
Where = Literal["host", "deck", "both"]


class ParameterError(GlitchError):
    """There is no such parameter, or it doesn't take the value."""


@dataclass(frozen=True)
class Parameter:
    """A row of the table.

    Attributes
    ----------
    address
        OSC address, and name of the parameter everywhere else.
    kind
        `float`, `int`, `bool` (0 or 1), `trigger` (any argument or none) or `list` (several floats at once).
    minimum, maximum, default
        In `unit`. Values out of range are clipped.
    unit
        `dB`, `ms`, `Hz`, … or empty.
    curve
        Taper of a fader, `linear` or `log`.
    smoothing_ms
        Time in which the sound follows a step of the value.
    where
        Owner: the `host` (stream, mixer), the `deck`, or `both`, a parameter of the host that is sent to every deck.
    text
        One sentence for the user.
    index
        Position in the shared array of values, and number in events.
    """

    address: str
    kind: Kind
    minimum: float
    maximum: float
    default: float
    unit: str
    curve: Curve
    smoothing_ms: float
    where: Where
    text: str
    index: int = -1

    def clip(self, value: float) -> float:
        """Clip a value to the range and round it for `int` and `bool`."""
        value = min(max(value, self.minimum), self.maximum)
        return float(round(value)) if self.kind in ("int", "bool") else value

    def between(self, begin: float, end: float, t: float) -> float:
        """Interpolate along the curve, `t` from 0 to 1; kinds other than `float` switch half-way."""
        if t >= 1.0:
            return end
        if self.kind != "float":
            return begin if t < 0.5 else end
        if self.curve == "log" and begin > 0 and end > 0:
            return float(begin * (end / begin) ** t)
        return begin + t * (end - begin)


def row(
    address: str,
    kind: Kind,
    low: float,
    high: float,
    default: float,
    unit: str,
    where: Where,
    text: str,
    *,
    curve: Curve = "linear",
    smoothing_ms: float = 0.0,
) -> Parameter:
    """Make a row; the table assigns its index."""
    return Parameter(address, kind, low, high, default, unit, curve, smoothing_ms, where, text)


SEED_LIMIT = float(2**31 - 1)
SMOOTHING_MS = 30.0  # of latents and live controls
FOLLOWING = ("/smoothing", "/rise", "/fall")  # suffixes of a control's time constants
BEND_PARAMETERS = ("scale", "shift", "amount", "seed", "channel")  # of a bent layer
SNAPSHOT_BUTTONS = 16
BENT = "/bend/"  # prefix of the addresses of bent layers
STAGE = (
    "/latent",
    "/fx/",
    BENT,
    "/a/",
    "/b/",
    "/latency/",
    "/load/",
    "/underruns/",
)  # prefixes that no control of a model may have

HOST_ROWS = (
    row("/gain", "float", -80, 12, 0, "dB", "host", "Level of the output; -80 is silence.", smoothing_ms=20),
    row("/mute", "bool", 0, 1, 0, "", "host", "Mute the output, with a short fade.", smoothing_ms=10),
    row("/panic", "trigger", 0, 1, 0, "", "host", "Fade out at once, reset every deck, fade in."),
    row("/crossfade", "float", 0, 1, 0, "", "host", "From deck A (0) to deck B (1), at equal power.", smoothing_ms=10),
    row("/focus", "int", 0, 1, 0, "", "host", "Deck that plain addresses refer to: 0 is A, 1 is B."),
    row("/model/fade", "float", 0, 60_000, 100, "ms", "host", "Crossfade time to a model that was loaded."),
    row("/ahead", "int", 0, 16_384, 0, "samples", "host", "Minimum look-ahead; 0 lets the host choose."),
    row("/ahead/lock", "bool", 0, 1, 0, "", "host", "Keep the look-ahead at /ahead, whatever the underruns."),
    row(
        "/tempo",
        "float",
        20,
        400,
        120,
        "bpm",
        "both",
        "Quarter notes per minute, for walks in time; MIDI clock sets it.",
    ),
    row("/record", "bool", 0, 1, 0, "", "host", "Record to a new file in the takes folder."),
    row("/record/input", "bool", 0, 1, 0, "", "host", "Also record the live input, to a file of its own."),
    row("/record/stems", "bool", 0, 1, 0, "", "host", "Also record each deck, to files of their own."),
    row("/take", "bool", 0, 1, 0, "", "host", "Record a take, which can be rendered again."),
    row(
        "/snapshot/time",
        "float",
        0,
        60_000,
        0,
        "ms",
        "host",
        "Time in which a recall reaches its values.",
    ),
    row("/snapshot/caches", "bool", 0, 1, 1, "", "host", "Recall the model's caches with the values."),
    row("/morph/x", "float", 0, 1, 0, "", "host", "From the first corner of the morph to the second."),
    row("/morph/y", "float", 0, 1, 0, "", "host", "From these corners of the morph to the third and fourth."),
    row("/midi/panic", "trigger", 0, 1, 0, "", "host", "Send all-notes-off to the MIDI outputs."),
    *(
        row(f"/snapshot/{n}", "trigger", 0, 1, 0, "", "host", f"Recall snapshot number {n}.")
        for n in range(1, SNAPSHOT_BUTTONS + 1)
    ),
)

DECK_ROWS = (
    row("/reset", "trigger", 0, 1, 0, "", "deck", "Return the model's caches and the phase to rest, without a pop."),
    row("/input/gain", "float", -80, 24, 0, "dB", "deck", "Level of the live input; -80 is silence.", smoothing_ms=30),
    row(
        "/input/mix",
        "float",
        0,
        1,
        1,
        "",
        "deck",
        "Dry/wet mix of the live input; 1 is the model.",
        smoothing_ms=30,
    ),
)

LATENT_ROWS = (
    row("/smoothing", "float", 0, 5000, 30, "ms", "deck", "Time in which a latent follows a step.", curve="linear"),
    row("/walk/speed", "float", 0, 20, 0.25, "Hz", "deck", "Steps per second of the walk through the latent space."),
    row("/walk/radius", "float", 0, 4, 1.0, "", "deck", "Extent of the walk in standard deviations; 0 is off."),
    row("/walk/kind", "int", 0, 2, 0, "", "deck", "Kind of walk: 0 linear, 1 spherical, 2 Brownian."),
    row("/walk/seed", "int", 0, SEED_LIMIT, 0, "", "deck", "Seed of the walk; setting it restarts the walk."),
    row(
        "/walk/beats",
        "float",
        0,
        64,
        0,
        "",
        "deck",
        "Quarter notes per step of the walk at /tempo; 0 uses /walk/speed.",
    ),
    row("/xy/x", "float", 0, 1, 0.5, "", "deck", "Position on the map of the training sounds, from left to right."),
    row("/xy/y", "float", 0, 1, 0.5, "", "deck", "Position on the map of the training sounds, from bottom to top."),
    row("/xy/amount", "float", 0, 1, 0, "", "deck", "Amount of the latent at this position of the map."),
    row("/loop/record", "bool", 0, 1, 0, "", "deck", "Record the gesture; switching off closes the loop and plays it."),
    row("/loop/overdub", "bool", 0, 1, 0, "", "deck", "Add the gesture to the loop while it plays."),
    row("/loop/play", "bool", 0, 1, 0, "", "deck", "Play the loop; stopping returns to its start."),
    row("/loop/speed", "float", -4, 4, 1, "", "deck", "Speed of the loop: 2 is double, 0.5 half, negative backwards."),
    row("/loop/amount", "float", 0, 2, 1, "", "deck", "Amount of the loop."),
    row("/loop/clear", "trigger", 0, 1, 0, "", "deck", "Clear the loop."),
    row("/input/amount", "float", 0, 2, 0, "", "deck", "Amount of the live input's latent."),
)
"""Rows of decks whose model decodes latents."""

TRANSFORM_ROWS = (
    row("/freeze", "bool", 0, 1, 0, "", "deck", "Loop the most recent live input until released."),
    row("/freeze/length", "float", 20, 2000, 250, "ms", "deck", "Length of the frozen loop.", curve="log"),
    row(
        "/feedback",
        "float",
        0,
        1,
        0,
        "",
        "deck",
        "Amount of the model's last output added to its input.",
        smoothing_ms=30,
    ),
)
"""Rows of decks whose model transforms the live input."""

STAGE_ROWS = (*HOST_ROWS, *DECK_ROWS, *LATENT_ROWS, *TRANSFORM_ROWS)
"""All rows that don't depend on the model."""


class Table(Mapping[str, Parameter]):
    """Parameters of a deck by address. Their order, and hence their index, depends only on model and effects."""

    def __init__(self, rows: tuple[Parameter, ...]) -> None:
        if len(rows) > MAX_PARAMETERS:
            raise ParameterError(f"There are {len(rows)} parameters, and a session holds at most {MAX_PARAMETERS}.")
        numbered = [Parameter(**{**vars(row), "index": k}) for k, row in enumerate(rows)]
        self._rows = {row.address: row for row in numbered}
        self.by_index = tuple(numbered)

    def __getitem__(self, address: str) -> Parameter:
        try:
            return self._rows[address]
        except KeyError:
            raise ParameterError(f"There is no parameter {address}; 'glitch-live --list-params' lists them.") from None

    def __contains__(self, address: object) -> bool:
        return address in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def latents(self) -> tuple[Parameter, ...]:
        """Faders of the latent, strongest first."""
        return self._latent_rows("")

    @property
    def scales(self) -> tuple[Parameter, ...]:
        """Scale of each latent, in the order of the faders."""
        return self._latent_rows("/scale")

    @property
    def biases(self) -> tuple[Parameter, ...]:
        """Bias of each latent, in the order of the faders."""
        return self._latent_rows("/bias")

    def _latent_rows(self, end: str) -> tuple[Parameter, ...]:
        return tuple(row for row in self.by_index if re.fullmatch(rf"/latent/\d+{end}", row.address))

    @property
    def smoothings(self) -> tuple[Parameter, ...]:
        """Smoothing of each latent, in the order of the faders."""
        return self._latent_rows("/smoothing")

    @property
    def controls(self) -> dict[str, Parameter]:
        """The model's live controls, by their name in the card."""
        host = {row.address for row in STAGE_ROWS} | {"/latent"}
        others = ("/latent/", "/fx/", BENT)
        return {
            row.address.removeprefix("/"): row
            for row in self.by_index
            if row.address not in host and not row.address.startswith(others) and not self._follows(row.address)
        }

    def follows(self, address: str) -> tuple[str, str] | None:
        """Return the addresses of a control's rising and falling time constants, shared by its voices, if any."""
        for base in (address, re.sub(r"/\d+$", "", address)):
            smoothing, rise, fall = (f"{base}{end}" for end in FOLLOWING)
            if smoothing in self._rows:
                return smoothing, smoothing
            if rise in self._rows:
                return rise, fall
        return None

    def _follows(self, address: str) -> bool:
        base, _, end = address.rpartition("/")
        return f"/{end}" in FOLLOWING and base in self._rows

    @property
    def bends(self) -> tuple[Parameter, ...]:
        """Parameters of bent layers, layer by layer."""
        return tuple(row for row in self.by_index if row.address.startswith(BENT))


def table(card: Card | None = None, effects: Iterable[Parameter] = ()) -> Table:
    """Make the table of a deck.

    Parameters
    ----------
    card
        The model's card; None for the rows that every decoder has.
    effects
        Rows of the effects chain.

    Returns
    -------
    Table
        The rows of host, deck, model and effects, in this order.

    Raises
    ------
    ParameterError
        The model has too many latents or parameters.
    """
    rows = (*HOST_ROWS, *DECK_ROWS)
    if card is None:
        return Table((*rows, *LATENT_ROWS, *effects))
    return Table((*rows, *_model_rows(card), *effects))


def _model_rows(card: Card) -> Iterator[Parameter]:
    if card.live_method == "transform":
        yield from TRANSFORM_ROWS
        yield from _control_rows(card.method("transform"))
        return
    size = card.latent.size
    if size > MAX_LATENTS:
        raise ParameterError(f"The model '{card.name}' has {size} latents, and at most {MAX_LATENTS} can be played.")
    yield from LATENT_ROWS
    yield row("/latent", "list", -6, 6, 0, "", "deck", "Several latents at once, starting with the first.")
    for k, dimension in enumerate(card.latent.order):
        name = card.latent.names[dimension]
        text = f"{name}: place {k + 1} of {size} by how much it changes the sound, in standard deviations."
        yield row(f"/latent/{k + 1}", "float", -6, 6, 0, "", "deck", text, smoothing_ms=30)
    for k in range(size):
        of = f"latent {k + 1}, after its sources are summed."
        yield row(f"/latent/{k + 1}/scale", "float", -4, 4, 1, "", "deck", f"Multiplies {of}")
        yield row(f"/latent/{k + 1}/bias", "float", -6, 6, 0, "", "deck", f"Added to {of}")
        time = f"Time in which latent {k + 1} follows a step; -1 is /smoothing."
        yield row(f"/latent/{k + 1}/smoothing", "float", -1, 5000, -1, "ms", "deck", time)
    yield from _control_rows(card.method("decode"))


def _control_rows(method: Method) -> Iterator[Parameter]:
    """Yield the rows of a method's live controls and of its bent layers."""
    taken = {row.address for row in STAGE_ROWS}
    controls = method.controls
    for control in controls:
        if is_bend_control(control.name):
            continue
        address = f"/{control.name.replace('.', '/')}"
        if address in taken or f"{address}/".startswith(STAGE) or address.endswith(FOLLOWING):
            address = f"/model{address}"  # the plain address is taken
        low, high, default = control.minimum, control.maximum, control.default
        yield row(address, "float", low, high, default, control.unit, "deck", control.text, smoothing_ms=SMOOTHING_MS)
        if not re.search(r"/\d+$", address):  # all voices share the time constants of the first
            yield from _following_rows(address, control)
    for bend in method.bends:
        yield from _bend_rows(bend, controls[bend.scale], controls[bend.shift])


def _following_rows(address: str, control: Control) -> Iterator[Parameter]:
    rise, fall = (SMOOTHING_MS if time is None else time for time in (control.rise_ms, control.fall_ms))
    if control.rise_ms is None and control.fall_ms is None:
        return
    if control.fall_ms is None or rise == fall:
        yield row(
            f"{address}/smoothing", "float", 0, 5000, rise, "ms", "deck", f"Time in which {address} follows a step."
        )
        return
    for end, time, way in (("/rise", rise, "upwards"), ("/fall", fall, "downwards")):
        text = f"Time in which {address} follows a step {way}."
        yield row(f"{address}{end}", "float", 0, 5000, time, "ms", "deck", text)


def bend_address(layer: str, knob: str) -> str:
    """Return the address of a knob of a bent layer."""
    return f"{BENT}{layer}/{knob}"


def _bend_rows(bend: Bend, scale: Control, shift: Control) -> Iterator[Parameter]:
    for knob, control in (("scale", scale), ("shift", shift)):
        low, high, default = control.minimum, control.maximum, control.default
        at = bend_address(bend.layer, knob)
        yield row(at, "float", low, high, default, control.unit, "deck", control.text, smoothing_ms=SMOOTHING_MS)
    share = f"Share of the {bend.channels} channels of {bend.layer} that scale and shift affect."
    yield row(bend_address(bend.layer, "amount"), "float", 0, 1, 1, "", "deck", share, smoothing_ms=SMOOTHING_MS)
    seed = f"Seed that selects these channels of {bend.layer}."
    yield row(bend_address(bend.layer, "seed"), "int", 0, SEED_LIMIT, 0, "", "deck", seed)
    alone = f"Single channel of {bend.layer} to affect; 0 selects by amount and seed."
    yield row(bend_address(bend.layer, "channel"), "int", 0, bend.channels, 0, "", "deck", alone)
