"""Address patterns: `* ? [a-z] [!a-z] {a,b}` within a part of an address, and `//` across parts (OSC 1.1).

Patterns are matched part by part along the tree of addresses, each part with a set of positions (an NFA), so the time
is bounded by the product of both lengths. A regular expression would backtrack, and a hostile pattern such as
`*a*a*a*a*a*a*b` could take hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from realtime.osc.codec import BadPacketError

MAX_LENGTH = 256  # characters of a pattern
MAX_CACHED = 512  # patterns whose matches are kept

# Maps a set of positions in a text (bit k: before character k) to the positions after a step of the pattern.
Step = Callable[[str, int], int]


def is_pattern(address: str) -> bool:
    """Return whether an address is a pattern."""
    return "//" in address or any(character in address for character in "*?[{")


class Matcher:
    """Matches patterns against addresses and caches the matches until the addresses change."""

    def __init__(self) -> None:
        self._addresses: object = None
        self._tree: dict[str, Any] = {}
        self._found: dict[str, tuple[str, ...]] = {}

    def matches(self, pattern: str, addresses: Iterable[str]) -> tuple[str, ...]:
        """Find the addresses that match a pattern.

        Parameters
        ----------
        pattern
            Address pattern.
        addresses
            Compared by identity: a new object means new addresses.

        Returns
        -------
        tuple of str
            In the order of `addresses`.

        Raises
        ------
        BadPacketError
            A bracket or brace isn't closed, or the pattern is too long.
        """
        if addresses is not self._addresses:
            self._tree, self._found = tree(addresses), {}
            self._addresses = addresses
        found = self._found.get(pattern)
        if found is None:
            if len(self._found) >= MAX_CACHED:
                self._found.clear()
            found = self._found[pattern] = select(pattern, self._tree)
        return found


LEAF = ""  # key of a node's own address and its place in the order


def tree(addresses: Iterable[str]) -> dict[str, Any]:
    """Return the tree of addresses by their parts."""
    root: dict[str, Any] = {}
    for place, address in enumerate(addresses):
        node = root
        for part in address.split("/")[1:]:
            node = node.setdefault(part, {})
        node[LEAF] = (place, address)
    return root


def select(pattern: str, root: dict[str, Any]) -> tuple[str, ...]:
    """Find the addresses of a tree that match a pattern.

    Parameters
    ----------
    pattern
        Address pattern.
    root
        From `tree`.

    Returns
    -------
    tuple of str
        In the order in which `tree` got them.

    Raises
    ------
    BadPacketError
        The pattern is malformed or too long.
    """
    if len(pattern) > MAX_LENGTH or not pattern.startswith("/"):
        raise BadPacketError(f"an address pattern without a slash before it, or of more than {MAX_LENGTH} characters")
    if pattern.endswith("/") and not pattern.endswith("//"):
        return ()
    nodes = {id(root): root}
    for part in split(pattern):
        if part == "":  # between two slashes: any number of parts
            nodes = {id(node): node for start in nodes.values() for node in _below(start, nodes)}
            continue
        steps = compile_part(part)
        nodes = {
            id(child): child
            for node in nodes.values()
            for name, child in node.items()
            if name != LEAF and match_part(steps, name)
        }
    return tuple(address for _, address in sorted(node[LEAF] for node in nodes.values() if LEAF in node))


def split(pattern: str) -> list[str]:
    """Split a pattern at its slashes; several in a row give one empty part."""
    parts: list[str] = []
    for part in pattern.split("/")[1:]:
        if part or not parts or parts[-1]:
            parts.append(part)
    return parts


def _below(start: dict[str, Any], others: dict[int, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a node and all nodes below it, skipping nodes that are visited on their own."""
    waiting = [start]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for name, child in node.items() if name != LEAF and id(child) not in others]


def match_part(steps: list[Step], name: str) -> bool:
    """Return whether compiled steps match a whole name."""
    places = 1
    for step in steps:
        places = step(name, places)
        if not places:
            return False
    return bool(places >> len(name) & 1)


def compile_part(part: str) -> list[Step]:
    """Compile one part of a pattern into steps.

    Returns
    -------
    list of Step
        To be run one after the other, as in `match_part`.

    Raises
    ------
    BadPacketError
        A bracket or brace isn't closed.
    """
    steps: list[Step] = []
    at = 0
    while at < len(part):
        character = part[at]
        if character in "[{":
            end = part.find("]" if character == "[" else "}", at)
            if end < 0:
                raise BadPacketError(f"an address pattern whose {character} isn't closed")
            inside = part[at + 1 : end]
            steps.append(_one_of(inside) if character == "[" else _either(inside.split(",")))
            at = end + 1
        elif character in "*?":
            steps.append(_anything if character == "*" else _anyone)
            at += 1
        else:
            end = at
            while end < len(part) and part[end] not in "[{*?":
                end += 1
            steps.append(_either([part[at:end]]))
            at = end
    return steps


def _anything(name: str, places: int) -> int:
    """`*`: every position from the first on."""
    first = places & -places
    return (2 << len(name)) - first


def _anyone(name: str, places: int) -> int:
    """`?`: one position further, not beyond the end."""
    return places << 1 & (2 << len(name)) - 1


def _one_of(inside: str) -> Step:
    """`[a-z]`: one position further over a listed character, or with `!` over an unlisted one."""
    wanted = not inside.startswith("!")
    listed = inside if wanted else inside[1:]
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(listed):
        if at + 2 < len(listed) and listed[at + 1] == "-":
            low, high = sorted((listed[at], listed[at + 2]))
            ranges.append((low, high))
            at += 3
        else:  # a single character, or a minus at either end
            ranges.append((listed[at], listed[at]))
            at += 1

    def step(name: str, places: int) -> int:
        after = 0
        for k, character in enumerate(name):
            if places >> k & 1 and any(low <= character <= high for low, high in ranges) is wanted:
                after |= 2 << k
        return after

    return step


def _either(words: list[str]) -> Step:
    """`{a,b}` or literal characters: further over any of the words."""

    def step(name: str, places: int) -> int:
        after = 0
        for word in words:
            at = name.find(word)
            while at >= 0:
                if places >> at & 1:
                    after |= 1 << at + len(word)
                at = name.find(word, at + 1)
        return after

    return step
