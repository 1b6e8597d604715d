"""docs/midi.md describes the mapping file as it is."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from realtime.midi.controls.mapping import Mapping, Mode
from realtime.midi.controls.mapping_file import read
from realtime.midi.controls.mapping_source import Source
from realtime.midi.notes.settings import NoteSettings
from realtime.midi.protocol.control_events import ControlType

TEXT = (Path(__file__).parents[3] / "docs" / "midi.md").read_text()


def test_the_example_is_valid(tmp_path: Path) -> None:
    found = re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    path = tmp_path / "midi.json"
    path.write_text(found[1])
    file = read(path)
    assert not file.problems
    assert len(file.mappings) == len(json.loads(found[1])["mappings"])


def test_every_key_mode_and_type_is_explained() -> None:
    keys = {one.name for kind in (Source, Mapping, NoteSettings) for one in fields(kind)} - {"extra", "source"}
    for word in {*keys, *get_args(Mode), *get_args(ControlType)}:
        assert f"`{word}`" in TEXT, word
