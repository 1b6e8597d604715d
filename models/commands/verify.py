"""`glitch-lab verify`: the promises of a model file, checked again."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from export.errors import ContractError


def verify_command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="A model file.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Verify the promises of a model again; the exit status is 1 if one is broken."""
    from export.format.dataclass_json import to_plain
    from export.proof.file_verification import verify

    verdict = verify(model)
    if json:
        print(dumps({**to_plain(verdict), "holds": verdict.holds}, ensure_ascii=False))
    else:
        from models.commands.shared import card_tables

        card_tables.verdict(verdict)
    if not verdict.holds:
        raise ContractError(verdict.failure())
