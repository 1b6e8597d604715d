"""The table: every knob once, and nothing that depends on it goes its own way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.format.card import Card, Control, Latent, Method
from export.format.io import load
from realtime.params.table import ParameterError, table


def test_addresses_and_indices_are_unique_and_every_row_is_sound(models: dict[str, Path]) -> None:
    rows = table(load(models["bundled"])[1])
    assert [row.index for row in rows.by_index] == list(range(len(rows)))
    assert len({row.address for row in rows.by_index}) == len(rows)
    for row in rows.values():
        assert row.address.startswith("/")
        assert row.minimum < row.maximum, row
        assert row.minimum <= row.default <= row.maximum, row
        assert row.text.endswith("."), row
        assert row.text[0].isupper() or row.text[0].islower()


def test_the_models_latents_and_controls_become_rows() -> None:
    method = Method(hop=128, output="audio", controls=(Control("pitch", 60, 20, 110), Control("vowel.1", 0, -1, 1)))
    rows = table(Card("x", 48_000, {"decode": method}, Latent(("dull", "bright"), (0, 0), (1, 1), (1, 0))))
    assert [row.address for row in rows.latents] == ["/latent/1", "/latent/2"]
    assert rows["/latent/1"].text.startswith("bright")
    assert list(rows.controls) == ["pitch", "vowel/1"]


def test_a_control_that_is_called_as_a_knob_of_the_stage_is_found_under_model() -> None:
    names = ("gain", "pitch", "latent.1", "a.pitch", "load", "walk.seed", "model.fade", "a", "bend.1")
    method = Method(hop=128, output="audio", controls=tuple(Control(name, 0, -1, 1) for name in names))
    rows = table(Card("x", 48_000, {"decode": method}, Latent.plain(1)))
    assert list(rows.controls) == [
        *(
            "model/gain",
            "pitch",
            "model/latent/1",
            "model/a/pitch",
            "model/load",
            "model/walk/seed",
            "model/model/fade",
        ),
        "model/a",
        "model/bend/1",
    ]
    assert len({row.address for row in rows.by_index}) == len(rows)
    assert rows["/gain"].where == "host"


@given(value=st.floats(allow_nan=False))
def test_values_are_brought_into_the_range(value: float) -> None:
    for row in table().values():
        clipped = row.clip(value)
        assert row.minimum <= clipped <= row.maximum
        assert row.clip(clipped) == clipped


def test_the_error_for_an_unknown_address_names_list_params() -> None:
    with pytest.raises(ParameterError, match="--list-params"):
        table()["/nowhere"]


def test_a_control_with_rise_or_fall_times_has_a_smoothing_parameter() -> None:
    controls = (
        Control("pitch", 60, 20, 110, rise_ms=4.0),
        Control("loudness", -20, -90, -6, rise_ms=1.0, fall_ms=60.0),
        Control("pitch.2", 60, 20, 110, rise_ms=4.0),
        Control("vowel", 0, -1, 1),
        Control("vowel.rise", 0, -1, 1),
    )
    rows = table(Card("x", 48_000, {"decode": Method(hop=128, output="audio", controls=controls)}, Latent.plain(1)))
    assert list(rows.controls) == ["pitch", "loudness", "pitch/2", "vowel", "model/vowel/rise"]
    assert rows["/pitch/smoothing"].default == 4.0
    assert (rows["/loudness/rise"].default, rows["/loudness/fall"].default) == (1.0, 60.0)
    assert rows.follows("/pitch") == rows.follows("/pitch/2") == ("/pitch/smoothing", "/pitch/smoothing")
    assert rows.follows("/loudness") == ("/loudness/rise", "/loudness/fall")
    assert rows.follows("/vowel") is None
