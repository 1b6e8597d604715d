"""Address patterns: `* ? [a-z] [!a-z] {a,b}` within a part of an address, and `//` across parts (OSC 1.1).

A pattern is matched part by part along the tree of addresses, and each part by moving a set of places along it: the
time is bounded by the product of both lengths, whatever the pattern is. A regular expression would try places again
and again, and a hostile pattern such as `*a*a*a*a*a*a*b` could keep it busy for hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from realtime.osc.codec import BadPacketError

LONGEST = 256  # characters of a pattern
REMEMBERED = 512  # patterns whose addresses are kept

# Gives, for a set of places in a text (bit k: before character k), the places after a step of the pattern.
Step = Callable[[str, int], int]


def is_pattern(address: str) -> bool:
    """Say whether an address stands for others."""
    return "//" in address or any(character in address for character in "*?[{")


class Matcher:
    """The addresses that a pattern stands for, found once for each pattern as long as the addresses stay the same."""

    def __init__(self) -> None:
        self._addresses: object = None
        self._tree: dict[str, Any] = {}
        self._found: dict[str, tuple[str, ...]] = {}

    def matches(self, pattern: str, addresses: Iterable[str]) -> tuple[str, ...]:
        """Give what matches, in the order of the addresses.

        Parameters
        ----------
        pattern
            As it came.
        addresses
            Known by identity: another object is another set of addresses.

        Raises
        ------
        BadPacketError
            A bracket or brace that isn't closed, or a pattern that is too long.
        """
        if addresses is not self._addresses:
            self._tree, self._found = tree(addresses), {}
            self._addresses = addresses
        found = self._found.get(pattern)
        if found is None:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            found = self._found[pattern] = select(pattern, self._tree)
        return found


LEAF = ""  # the key under which a node of the tree keeps its own address and its place in the order


def tree(addresses: Iterable[str]) -> dict[str, Any]:
    """Order addresses by their parts."""
    root: dict[str, Any] = {}
    for place, address in enumerate(addresses):
        node = root
        for part in address.split("/")[1:]:
            node = node.setdefault(part, {})
        node[LEAF] = (place, address)
    return root


def select(pattern: str, root: dict[str, Any]) -> tuple[str, ...]:
    """Find the addresses of a tree that a pattern matches."""
    if len(pattern) > LONGEST or not pattern.startswith("/"):
        raise BadPacketError(f"an address pattern without a slash before it, or of more than {LONGEST} characters")
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
    """Split a pattern at its slashes; several in a row give one empty part. Slashes within brackets are no pattern."""
    parts: list[str] = []
    for part in pattern.split("/")[1:]:
        if part or not parts or parts[-1]:
            parts.append(part)
    return parts


def _below(start: dict[str, Any], others: dict[int, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give a node and all nodes below it, once, stopping at others that will be gone through themselves."""
    waiting = [start]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for name, child in node.items() if name != LEAF and id(child) not in others]


def match_part(steps: list[Step], name: str) -> bool:
    """Say whether compiled steps lead from the beginning of a name to its end."""
    places = 1
    for step in steps:
        places = step(name, places)
        if not places:
            return False
    return bool(places >> len(name) & 1)


def compile_part(part: str) -> list[Step]:
    """Make the steps of one part of a pattern.

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
    """`*`: every place from the first one on."""
    first = places & -places
    return (2 << len(name)) - first


def _anyone(name: str, places: int) -> int:
    """`?`: one further, but not beyond the end."""
    return places << 1 & (2 << len(name)) - 1


def _one_of(inside: str) -> Step:
    """`[a-z]`: one further over a character that is listed, or with `!` over one that isn't."""
    wanted = not inside.startswith("!")
    listed = inside if wanted else inside[1:]
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(listed):
        if at + 2 < len(listed) and listed[at + 1] == "-":
            low, high = sorted((listed[at], listed[at + 2]))
            ranges.append((low, high))
            at += 3
        else:  # a character by itself; a minus at either end is one
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
    """`{a,b}`, or characters that stand for themselves: further over any of the words."""

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
