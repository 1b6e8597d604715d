"""The table of parameters: every knob there is, once.

OSC, the window, the status, `--list-params` and the documentation are made from it. A new knob is a new row. Rows that
depend on the model (its latents, its live controls) are made from the model's card.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from export.errors import GlitchError
from export.format.card import Bend, Card, Control, Method, bends_layer
from realtime.ipc.layout import MAX_LATENTS, MAX_PARAMETERS

Kind = Literal["float", "int", "bool", "trigger", "list"]
Curve = Literal["linear", "log"]
Where = Literal["host", "deck", "both"]


class ParameterError(GlitchError):
    """No such address, or a value that it cannot take."""


@dataclass(frozen=True)
class Parameter:
    """One row.

    Attributes
    ----------
    address
        The OSC address, and the parameter's name everywhere else.
    kind
        `float`, `int`, `bool` (0 or 1), `trigger` (any argument, or none) or `list` (several floats at once).
    minimum, maximum, default
        In `unit`. Values beyond the range are brought to its edge.
    curve
        How a fader should travel the range.
    smoothing_ms
        Time in which the sound follows a step of the value.
    where
        Who acts on it: the `host` (stream, mixer), the `deck`, or `both`: a knob of the host that every deck is told.
    index
        Its place in the shared array of values, and its number in events.
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
        """Bring a value into the range, to the type."""
        value = min(max(value, self.minimum), self.maximum)
        return float(round(value)) if self.kind in ("int", "bool") else value

    def between(self, begin: float, end: float, t: float) -> float:
        """Give the value at `t` (0 to 1) of the way from one to another, as the curve goes; switches turn half-way."""
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
    """Write a row; its index comes with the table it stands in."""
    return Parameter(address, kind, low, high, default, unit, curve, smoothing_ms, where, text)


SEED_LIMIT = float(2**31 - 1)
SMOOTHING_MS = 30.0  # of latents and live controls
FOLLOWING = ("/smoothing", "/rise", "/fall")  # ends of the addresses that say how a control follows a step
BEND_KNOBS = ("scale", "shift", "amount", "seed", "channel")  # of a layer
SNAPSHOT_BUTTONS = 16
BENT = "/bend/"  # what the addresses of bent layers begin with
STAGE = (
    "/latent",
    "/fx/",
    BENT,
    "/a/",
    "/b/",
    "/latency/",
    "/load/",
    "/underruns/",
)  # what no control of a model begins with

HOST_ROWS = (
    row("/gain", "float", -80, 12, 0, "dB", "host", "Level of the output; -80 is silence.", smoothing_ms=20),
    row("/mute", "bool", 0, 1, 0, "", "host", "Silence the output, in and out with a short fade.", smoothing_ms=10),
    row("/panic", "trigger", 0, 1, 0, "", "host", "Fade out at once, bring every deck to rest, fade in."),
    row("/crossfade", "float", 0, 1, 0, "", "host", "From deck A (0) to deck B (1), at equal power.", smoothing_ms=10),
    row("/focus", "int", 0, 1, 0, "", "host", "The deck that plain addresses mean: 0 is A, 1 is B."),
    row("/model/fade", "float", 0, 60_000, 100, "ms", "host", "Time in which a model that is loaded takes over."),
    row("/ahead", "int", 0, 16_384, 0, "samples", "host", "At least so much is decoded ahead; 0 lets the host choose."),
    row("/ahead/lock", "bool", 0, 1, 0, "", "host", "Underruns change nothing, and /ahead is exact."),
    row(
        "/tempo",
        "float",
        20,
        400,
        120,
        "bpm",
        "both",
        "Quarters a minute, for walks that keep time; MIDI clock sets it.",
    ),
    row("/record", "bool", 0, 1, 0, "", "host", "Record to a new file in the takes folder."),
    row("/record/input", "bool", 0, 1, 0, "", "host", "Record the live input too, in a file beside."),
    row("/record/stems", "bool", 0, 1, 0, "", "host", "Record each deck by itself too, in files beside."),
    row("/take", "bool", 0, 1, 0, "", "host", "Keep everything that is played as a take, to be rendered again."),
    row("/snapshot/time", "float", 0, 60_000, 0, "ms", "host", "Time in which a recalled snapshot takes over."),
    row("/snapshot/caches", "bool", 0, 1, 1, "", "host", "Let a recalled snapshot bring the model's memory back too."),
    row("/morph/x", "float", 0, 1, 0, "", "host", "From the first corner of the morph to the second."),
    row("/morph/y", "float", 0, 1, 0, "", "host", "From these corners of the morph to the third and fourth."),
    row("/midi/panic", "trigger", 0, 1, 0, "", "host", "Tell all that listen to our MIDI outputs to be silent."),
    *(
        row(f"/snapshot/{n}", "trigger", 0, 1, 0, "", "host", f"Recall snapshot number {n}.")
        for n in range(1, SNAPSHOT_BUTTONS + 1)
    ),
)

DECK_ROWS = (
    row("/reset", "trigger", 0, 1, 0, "", "deck", "Bring the model's caches and the phase to rest, without a pop."),
    row("/input/gain", "float", -80, 24, 0, "dB", "deck", "Level of the live input; -80 is silence.", smoothing_ms=30),
    row(
        "/input/mix", "float", 0, 1, 1, "", "deck", "From the live input itself (0) to the model (1).", smoothing_ms=30
    ),
)

LATENT_ROWS = (
    row("/smoothing", "float", 0, 5000, 30, "ms", "deck", "Time in which a latent follows a step.", curve="linear"),
    row("/walk/speed", "float", 0, 20, 0.25, "Hz", "deck", "Steps a second of the walk through the latent space."),
    row("/walk/radius", "float", 0, 4, 1.0, "", "deck", "How far the walk goes, in standard deviations; 0 is off."),
    row("/walk/kind", "int", 0, 2, 0, "", "deck", "How the walk goes: 0 linear, 1 spherical, 2 Brownian."),
    row("/walk/seed", "int", 0, SEED_LIMIT, 0, "", "deck", "Seed of the walk; setting it starts the walk again."),
    row(
        "/walk/beats",
        "float",
        0,
        64,
        0,
        "",
        "deck",
        "Quarters that a step of the walk takes, at /tempo; 0 goes by /walk/speed.",
    ),
    row(
        "/xy/x", "float", 0, 1, 0.5, "", "deck", "Place on the model's map of its training sounds, from left to right."
    ),
    row(
        "/xy/y", "float", 0, 1, 0.5, "", "deck", "Place on the model's map of its training sounds, from bottom to top."
    ),
    row("/xy/amount", "float", 0, 1, 0, "", "deck", "How much of the latent at that place of the map is played."),
    row("/loop/record", "bool", 0, 1, 0, "", "deck", "Record the gesture; letting go closes the loop, and it plays."),
    row("/loop/overdub", "bool", 0, 1, 0, "", "deck", "Add the gesture to the loop, while it plays."),
    row("/loop/play", "bool", 0, 1, 0, "", "deck", "Play the loop; stopping goes back to its beginning."),
    row("/loop/speed", "float", -4, 4, 1, "", "deck", "How fast the loop runs: 2 double, 0.5 half, below 0 backwards."),
    row("/loop/amount", "float", 0, 2, 1, "", "deck", "How much of the loop is played."),
    row("/loop/clear", "trigger", 0, 1, 0, "", "deck", "Forget the loop."),
    row("/input/amount", "float", 0, 2, 0, "", "deck", "How much of the live input's latent is played."),
)
"""What decks have beside that where their model is played by latents."""

TRANSFORM_ROWS = (
    row("/freeze", "bool", 0, 1, 0, "", "deck", "Let the model go on hearing what it heard last, round and round."),
    row("/freeze/length", "float", 20, 2000, 250, "ms", "deck", "How much of it that is.", curve="log"),
    row(
        "/feedback",
        "float",
        0,
        1,
        0,
        "",
        "deck",
        "How much of what the model made last is added to what it hears.",
        smoothing_ms=30,
    ),
)
"""And where it transforms the live input."""

STAGE_ROWS = (*HOST_ROWS, *DECK_ROWS, *LATENT_ROWS, *TRANSFORM_ROWS)
"""All that are no model's own."""


class Table(Mapping[str, Parameter]):
    """The parameters of a session, by address. Their order, and so their index, depends on the model alone."""

    def __init__(self, rows: tuple[Parameter, ...]) -> None:
        if len(rows) > MAX_PARAMETERS:
            raise ParameterError(f"There are {len(rows)} parameters, and {MAX_PARAMETERS} fit into a session.")
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
        """The faders of the latent, the strongest first."""
        return self._latent_rows("")

    @property
    def scales(self) -> tuple[Parameter, ...]:
        """What each latent is multiplied by, in the faders' order."""
        return self._latent_rows("/scale")

    @property
    def biases(self) -> tuple[Parameter, ...]:
        """What is added to each latent, in the faders' order."""
        return self._latent_rows("/bias")

    def _latent_rows(self, end: str) -> tuple[Parameter, ...]:
        return tuple(row for row in self.by_index if re.fullmatch(rf"/latent/\d+{end}", row.address))

    @property
    def smoothings(self) -> tuple[Parameter, ...]:
        """How slowly each latent follows, in the faders' order."""
        return self._latent_rows("/smoothing")

    @property
    def controls(self) -> dict[str, Parameter]:
        """The model's own live controls, by their name in the card."""
        host = {row.address for row in STAGE_ROWS} | {"/latent"}
        others = ("/latent/", "/fx/", BENT)
        return {
            row.address.removeprefix("/"): row
            for row in self.by_index
            if row.address not in host and not row.address.startswith(others) and not self._follows(row.address)
        }

    def follows(self, address: str) -> tuple[str, str] | None:
        """Give the addresses that say in what time a control rises and falls; None where the row alone says it.

        Where there are several voices, all go by what the first one has.
        """
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
        """The knobs of the model's layers, layer by layer."""
        return tuple(row for row in self.by_index if row.address.startswith(BENT))


def table(card: Card | None = None, effects: Iterable[Parameter] = ()) -> Table:
    """Make the table for a model and the rows of its effects; without a model, of what any has that latents play."""
    rows = (*HOST_ROWS, *DECK_ROWS)
    if card is None:
        return Table((*rows, *LATENT_ROWS, *effects))
    return Table((*rows, *_model_rows(card), *effects))


def _model_rows(card: Card) -> Iterator[Parameter]:
    if card.played == "transform":
        yield from TRANSFORM_ROWS
        yield from _control_rows(card.method("transform"))
        return
    size = card.latent.size
    if size > MAX_LATENTS:
        raise ParameterError(f"The model '{card.name}' has {size} latents, and {MAX_LATENTS} can be played.")
    yield from LATENT_ROWS
    yield row("/latent", "list", -6, 6, 0, "", "deck", "Several latents at once, from the first on.")
    for k, dimension in enumerate(card.latent.order):
        name = card.latent.names[dimension]
        text = f"{name}: place {k + 1} of {size} by how much it changes the sound, in standard deviations."
        yield row(f"/latent/{k + 1}", "float", -6, 6, 0, "", "deck", text, smoothing_ms=30)
    for k in range(size):
        of = f"latent {k + 1}, after its sources are summed."
        yield row(f"/latent/{k + 1}/scale", "float", -4, 4, 1, "", "deck", f"Multiplies {of}")
        yield row(f"/latent/{k + 1}/bias", "float", -6, 6, 0, "", "deck", f"Is added to {of}")
        time = f"Time in which latent {k + 1} follows a step; -1 is /smoothing."
        yield row(f"/latent/{k + 1}/smoothing", "float", -1, 5000, -1, "ms", "deck", time)
    yield from _control_rows(card.method("decode"))


def _control_rows(method: Method) -> Iterator[Parameter]:
    """Give the rows of a method's own live controls, and of its layers."""
    taken = {row.address for row in STAGE_ROWS}
    controls = method.controls
    for control in controls:
        if bends_layer(control.name):
            continue
        address = f"/{control.name.replace('.', '/')}"
        if address in taken or f"{address}/".startswith(STAGE) or address.endswith(FOLLOWING):
            address = f"/model{address}"  # the plain one means something else here
        low, high, default = control.minimum, control.maximum, control.default
        yield row(address, "float", low, high, default, control.unit, "deck", control.text, smoothing_ms=SMOOTHING_MS)
        if not re.search(r"/\d+$", address):  # all voices follow as the first one does
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
    """Give the address of one of the knobs of a layer."""
    return f"{BENT}{layer}/{knob}"


def _bend_rows(bend: Bend, scale: Control, shift: Control) -> Iterator[Parameter]:
    for knob, control in (("scale", scale), ("shift", shift)):
        low, high, default = control.minimum, control.maximum, control.default
        at = bend_address(bend.layer, knob)
        yield row(at, "float", low, high, default, control.unit, "deck", control.text, smoothing_ms=SMOOTHING_MS)
    share = f"Share of the {bend.channels} channels of {bend.layer} that its scale and shift touch."
    yield row(bend_address(bend.layer, "amount"), "float", 0, 1, 1, "", "deck", share, smoothing_ms=SMOOTHING_MS)
    seed = f"Which channels of {bend.layer} these are."
    yield row(bend_address(bend.layer, "seed"), "int", 0, SEED_LIMIT, 0, "", "deck", seed)
    alone = f"The only channel of {bend.layer} that is touched; 0 leaves it to amount and seed."
    yield row(bend_address(bend.layer, "channel"), "int", 0, bend.channels, 0, "", "deck", alone)
