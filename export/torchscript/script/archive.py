"""What a file from elsewhere is, read off its outside: before anything of it is unpacked, compiled or run.

TorchScript is a zip archive with a folder of code and a table of values. A file that is something else, is cut short,
or claims to be far larger than it is, is refused here, in one sentence.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

from export.errors import ContractError

MAX_BYTES = 4 << 30  # in all, unpacked
MAX_PACKED = 512 << 20  # unpacked, of what is compressed: code and tables; weights never are
MAX_MEMBERS = 100_000
CHUNK = 1 << 20

_ZIP, _EMPTY_ZIP, _PICKLE = b"PK\x03\x04", b"PK\x05\x06", b"\x80"
_SAVE = "torch.jit.script(model).save('NAME.ts')"


def check_script(path: str | os.PathLike[str]) -> None:
    """Make sure that a file is a TorchScript archive, whole and of a sensible size.

    Raises
    ------
    ContractError
        It is missing, no file, empty, cut short, damaged, something else, or unpacks to more than there can be.
    """
    path = Path(path)
    head = _head(path, "the TorchScript file inside it")
    if head.startswith(_PICKLE):
        raise ContractError(
            f"{path} is a Python pickle, which runs code when it is read, so it isn't; save the model as "
            f"TorchScript: {_SAVE}."
        )
    if not head.startswith((_ZIP, _EMPTY_ZIP)):
        raise ContractError(f"{path} is no TorchScript file; save the model with {_SAVE}.")
    names = check_members(path)
    inside = {name.partition("/")[2] for name in names}
    if "data.pkl" in inside and "constants.pkl" not in inside:
        raise ContractError(
            f"{path} holds weights or a pickled module of Python, whose code isn't in it or would run when it is read; "
            f"save the model as TorchScript, {_SAVE}, or give a checkpoint of ours to 'glitch-lab export'."
        )
    if not {"data.pkl", "constants.pkl"} <= inside or not any(name.startswith("code/") for name in inside):
        raise ContractError(f"{path} is a zip archive, and no TorchScript lies in it; save the model with {_SAVE}.")


def check_members(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Make sure that a zip archive is whole and no bomb, and list the names in it.

    Raises
    ------
    ContractError
        It is cut short or damaged, or what is in it overlaps, is locked, or unpacks to more than there can be.
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
                        pass  # to its end, where its checksum is compared
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError):
        raise short from None
    except OSError as error:
        if error.errno is None or error.filename is None:  # what the reader of archives itself finds wrong
            raise short from None
        raise ContractError(f"Cannot read {path}: {error.strerror or error}.") from None
    return tuple(member.filename for member in members)


def _head(path: Path, instead: str) -> bytes:
    """Give the first bytes of an ordinary file."""
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
    much = (
        len(members) > MAX_MEMBERS
        or sum(member.file_size for member in members) > MAX_BYTES
        or sum(member.file_size for member in packed) > MAX_PACKED
    )
    if much:
        gigabytes = sum(member.file_size for member in members) / 1e9
        raise ContractError(
            f"{path} would unpack to {gigabytes:.1f} GB in {len(members)} parts, which no model needs; it isn't opened."
        )
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise ContractError(f"{path} claims to hold more than it does; it isn't opened.")
    if any(member.flag_bits & 0x1 for member in members):
        raise ContractError(f"{path} is locked with a password; unlock it first.")
