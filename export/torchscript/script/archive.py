"""Checks of a TorchScript archive, before anything in it is unpacked, compiled or run.

TorchScript is a zip archive with a folder of code and a table of values. Files that are something else, truncated,
damaged, or far larger unpacked than any model are refused with one sentence.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

from export.errors import ContractError

MAX_BYTES = 4 << 30  # of all members, unpacked
MAX_PACKED = 512 << 20  # of compressed members, unpacked: code and tables; weights aren't compressed
MAX_MEMBERS = 100_000
CHUNK = 1 << 20

_ZIP, _EMPTY_ZIP, _PICKLE = b"PK\x03\x04", b"PK\x05\x06", b"\x80"
_SAVE = "torch.jit.script(model).save('NAME.ts')"


def check_script(path: str | os.PathLike[str]) -> None:
    """Check that a file is a complete TorchScript archive of a plausible size.

    Raises
    ------
    ContractError
        It is missing, not a file, empty, truncated, damaged, something else, or too large unpacked.
    """
    path = Path(path)
    head = _head(path, "the TorchScript file inside it")
    if head.startswith(_PICKLE):
        raise ContractError(
            f"{path} is a Python pickle, which could run code when read; save the model as TorchScript instead: "
            f"{_SAVE}."
        )
    if not head.startswith((_ZIP, _EMPTY_ZIP)):
        raise ContractError(f"{path} is not a TorchScript file; save the model with {_SAVE}.")
    names = check_members(path)
    inside = {name.partition("/")[2] for name in names}
    if "data.pkl" in inside and "constants.pkl" not in inside:
        raise ContractError(
            f"{path} contains weights or a pickled Python module, without its code or with code that runs when read; "
            f"save the model as TorchScript, {_SAVE}, or use 'glitch-lab export' for a checkpoint of glitch-lab."
        )
    if not {"data.pkl", "constants.pkl"} <= inside or not any(name.startswith("code/") for name in inside):
        raise ContractError(f"{path} is a zip archive without TorchScript; save the model with {_SAVE}.")


def check_members(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Check that a zip archive is complete and not a zip bomb.

    Returns
    -------
    tuple of str
        Names of its members.

    Raises
    ------
    ContractError
        It is truncated or damaged, or its members overlap, are encrypted, or are too large unpacked.
    """
    path = Path(path)
    short = ContractError(f"{path} is cut short or damaged; copy or download it again.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_sizes(path, members)
            for member in members:
                with archive.open(member) as file:
                    while file.read(CHUNK):
                        pass  # the checksum is compared at the end
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError):
        raise short from None
    except OSError as error:
        if error.errno is None or error.filename is None:  # raised by zipfile itself
            raise short from None
        raise ContractError(f"Cannot read {path}: {error.strerror or error}.") from None
    return tuple(member.filename for member in members)


def _head(path: Path, instead: str) -> bytes:
    """Return the first bytes of a regular file."""
    if path.is_dir():
        raise ContractError(f"{path} is a folder, not a model; give {instead}.")
    if not path.exists():
        raise ContractError(f"There is no file {path}; check the path.")
    if not path.is_file():
        raise ContractError(f"{path} is a device or a pipe, not a file; give the path of a model.")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error.strerror or error}.") from None
    if not head:
        raise ContractError(f"{path} is empty; copy or download it again.")
    return head


def _check_sizes(path: Path, members: list[zipfile.ZipInfo]) -> None:
    packed = [member for member in members if member.compress_type != zipfile.ZIP_STORED]
    too_large = (
        len(members) > MAX_MEMBERS
        or sum(member.file_size for member in members) > MAX_BYTES
        or sum(member.file_size for member in packed) > MAX_PACKED
    )
    if too_large:
        gigabytes = sum(member.file_size for member in members) / 1e9
        raise ContractError(
            f"{path} would unpack to {gigabytes:.1f} GB in {len(members)} parts, more than any model; it isn't opened."
        )
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise ContractError(f"{path} claims more data than it has; it isn't opened.")
    if any(member.flag_bits & 0x1 for member in members):
        raise ContractError(f"{path} is encrypted with a password; decrypt it first.")
