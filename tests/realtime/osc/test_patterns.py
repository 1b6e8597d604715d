"""Address patterns: each sign of OSC 1.0 and the // of 1.1, and none that keeps the receiver busy."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.osc.codec import BadPacketError
from realtime.osc.patterns import MAX_LENGTH, Matcher, compile_part, is_pattern, match_part

ADDRESSES = (
    *("/gain", "/ahead", "/ahead/lock", "/latent", "/latent/1", "/latent/2", "/latent/10", "/latent/11"),
    *("/a/walk/speed", "/a/walk/radius", "/b/walk/speed", "/b/walk/radius", "/a/fx/1/dry-wet"),
)


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("/latent/*", ["/latent/1", "/latent/2", "/latent/10", "/latent/11"]),
        ("/latent/?", ["/latent/1", "/latent/2"]),
        ("/latent/1?", ["/latent/10", "/latent/11"]),
        ("/latent/[12]", ["/latent/1", "/latent/2"]),
        ("/latent/[0-1]", ["/latent/1"]),
        ("/latent/[!1]", ["/latent/2"]),
        ("/latent/[!3-9]", ["/latent/1", "/latent/2"]),
        ("/latent/1[!0]", ["/latent/11"]),
        ("/latent/{1,10}", ["/latent/1", "/latent/10"]),
        ("/latent/{1,}{0,1}", ["/latent/1", "/latent/10", "/latent/11"]),
        ("/{a,b}/walk/speed", ["/a/walk/speed", "/b/walk/speed"]),
        ("/*/walk/*", ["/a/walk/speed", "/a/walk/radius", "/b/walk/speed", "/b/walk/radius"]),
        ("/*", ["/gain", "/ahead", "/latent"]),
        ("/*a*", ["/gain", "/ahead", "/latent"]),
        ("/g*n", ["/gain"]),
        ("/g**n", ["/gain"]),
        ("/gai[n", BadPacketError),
        ("/{gain,ahead", BadPacketError),
        ("/gain/*", []),
        ("/gain*/", []),
        ("/ga?", []),
        ("/?", []),
        ("/[]", []),
        ("//speed", ["/a/walk/speed", "/b/walk/speed"]),
        ("//*t", ["/latent", "/a/fx/1/dry-wet"]),
        ("/a//speed", ["/a/walk/speed"]),
        ("/a//walk//speed", ["/a/walk/speed"]),
        ("/a//", ["/a/walk/speed", "/a/walk/radius", "/a/fx/1/dry-wet"]),
        ("//walk/*", ["/a/walk/speed", "/a/walk/radius", "/b/walk/speed", "/b/walk/radius"]),
        ("//", list(ADDRESSES)),
        ("/a//1/dry[-]wet", ["/a/fx/1/dry-wet"]),
        ("/ahead//lock", ["/ahead/lock"]),
        ("//gain", ["/gain"]),
        ("*", BadPacketError),
        ("/" + "*" * MAX_LENGTH, BadPacketError),
    ],
)
def test_a_pattern_matches_addresses(pattern: str, matched: list[str] | type[BadPacketError]) -> None:
    assert is_pattern(pattern)
    if matched is BadPacketError:
        with pytest.raises(BadPacketError):
            Matcher().matches(pattern, ADDRESSES)
    else:
        assert list(Matcher().matches(pattern, ADDRESSES)) == matched


def test_an_address_is_no_pattern() -> None:
    assert not any(is_pattern(address) for address in ADDRESSES)


@given(part=st.text("ab*?", max_size=12), name=st.text("ab", max_size=12))
def test_stars_and_question_marks_match_as_a_regular_expression_does(part: str, name: str) -> None:
    expression = re.sub(r"\*+", ".*", part).replace("?", ".")
    assert match_part(compile_part(part), name) == bool(re.fullmatch(expression, name))


@given(
    part=st.lists(st.sampled_from(["a", "b", "{ab,b}", "{a,}", "[ab]", "[!a]", "*"]), max_size=8), name=st.text("ab")
)
def test_braces_and_brackets_match_as_a_regular_expression_does(part: list[str], name: str) -> None:
    spelled = {"{ab,b}": "(ab|b)", "{a,}": "(a|)", "[ab]": "[ab]", "[!a]": "[^a]", "*": ".*"}
    expression = "".join(spelled.get(piece, piece) for piece in part)
    assert match_part(compile_part("".join(part)), name) == bool(re.fullmatch(expression, name))


def test_other_addresses_are_other_matches() -> None:
    matcher = Matcher()
    assert matcher.matches("/latent/*", ADDRESSES)
    assert matcher.matches("/latent/*", ("/latent/7",)) == ("/latent/7",)


@pytest.mark.parametrize(
    "part", ["*a" * 100 + "b", "{a,aa}" * 40 + "b", "?*" * 100 + "b", "[a-z]*" * 40 + "1", "{" + "a," * 120 + "b}"]
)
def test_no_pattern_keeps_the_receiver_busy(part: str) -> None:
    """A matcher that tries again and again would not come back from these within the suite's time limit."""
    assert not match_part(compile_part(part), "a" * 60 + "c")


def test_different_hostile_patterns_are_forgotten_again() -> None:
    matcher = Matcher()
    for k in range(2000):
        matcher.matches(f"//*{k}", ADDRESSES)
    assert len(matcher._found) <= 512
