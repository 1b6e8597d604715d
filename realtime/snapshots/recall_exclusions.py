"""Rules: which parameters a recall leaves alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from realtime.ipc.memory_layout import LETTERS
from realtime.osc.codec import BadPacketError
from realtime.osc.patterns import select, tree
from realtime.snapshots.snapshot import SnapshotError

MAX_RULES = 128


@dataclass(frozen=True)
class Rule:
    """A pattern of addresses that a recall leaves alone, or sets.

    Attributes
    ----------
    pattern
        An OSC pattern. With a letter in front, it applies to the parameters of that deck; without one, to those of the
        host and of all decks.
    included
        Whether a recall sets the parameters that match.

    Raises
    ------
    SnapshotError
        It isn't a pattern.
    """

    pattern: str
    included: bool = False

    def __post_init__(self) -> None:
        try:
            select(self.pattern, {})
        except BadPacketError as error:
            raise SnapshotError(f"{self.pattern!r:.80} matches no parameters: it is {error}.") from None


DEFAULT_RULES = tuple(
    Rule(pattern)
    for pattern in (
        "/mute",  # an instrument that was muted stays muted
        "/focus",  # it follows the player's hands and isn't part of the sound
        "/ahead//",  # it depends on the machine and its device
        "/model/fade",  # it concerns how models are loaded
        "/record//",  # a recall must neither start nor end a recording
        "/take",
        "//loop/record",
        "//loop/overdub",
        "/midi//",
    )
)
"""A recall leaves these alone unless the player includes them."""

FIXED_RULES = (Rule("/snapshot//"), Rule("/morph//"))
"""A recall never sets these, since they recall: a morph that moved itself would never settle."""


def with_rule(rules: Sequence[Rule], rule: Rule) -> tuple[Rule, ...]:
    """Append a rule.

    Returns
    -------
    tuple of Rule
        The new rule comes last and replaces the one with the same pattern; the pattern `//` replaces all.

    Raises
    ------
    SnapshotError
        There are already `MAX_RULES`.
    """
    others = () if rule.pattern == "//" else (one for one in rules if one.pattern != rule.pattern)
    appended = (*others, rule)
    if len(appended) > MAX_RULES:
        raise SnapshotError(
            f"There are already {MAX_RULES} patterns of parameters that recalls leave alone; the pattern '//' clears "
            "them."
        )
    return appended


def excluded(addresses: Iterable[str], rules: Iterable[Rule]) -> set[str]:
    """Return those of some whole addresses that recalls leave alone; the last rule that matches an address decides."""
    short = {address: _without_letter(address) for address in addresses}
    whole, either = tree(short), tree({*short, *short.values()})
    found = {address for rule in DEFAULT_RULES for address in select(rule.pattern, whole)}
    for rule in rules:
        matched = set(select(rule.pattern, either))
        selected = {address for address, plain in short.items() if address in matched or plain in matched}
        found = found - selected if rule.included else found | selected
    return found | {address for rule in FIXED_RULES for address in select(rule.pattern, whole)}


def _without_letter(address: str) -> str:
    return address[2:] if address[1:2] in LETTERS and address[2:3] == "/" else address
