"""Reading and writing of model files; both are validated."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError

from export.errors import ContractError
from export.format.card import KEY, Card, from_json, to_json
from export.format.validation import validate

MAX_FILE_BYTES = 2 << 30  # the limit of protobuf
MAX_ERROR_LENGTH = 500  # characters


def load(path: str | os.PathLike[str]) -> tuple[onnx.ModelProto, Card]:
    """Read a model file, and check that its card and its graph agree.

    Returns
    -------
    model : onnx.ModelProto
        The graph with all methods.
    card : Card
        The description from its metadata.

    Raises
    ------
    ContractError
        The file is missing, is not ONNX, has no card, or its card and its graph contradict each other.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise ContractError(f"{path} is a folder, not a model; give the .onnx file inside it.")
        if not path.exists():
            raise ContractError(f"There is no file {path}; check the path.")
        if not path.is_file():
            raise ContractError(f"{path} is a device or a pipe, not a file; give the path of a model.")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ContractError(
                f"{path} has {size / 1e9:.1f} GB; a model file has at most {MAX_FILE_BYTES / 1e9:.1f} GB."
            )
        data = path.read_bytes()
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error.strerror or error}.") from None
    return loads(data, str(path))


def loads(data: bytes, name: str = "the model") -> tuple[onnx.ModelProto, Card]:
    """Read and check a model from bytes; errors call it `name`."""
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        model = onnx.ModelProto()
    if data.startswith(b"PK\x03\x04") and name.endswith(".ckpt"):
        raise ContractError(
            f"{name} is the checkpoint of a training, not a model file; play the .onnx beside it, or make one: "
            "'glitch-lab export CHECKPOINT OUT.onnx'."
        )
    if data.startswith(b"PK\x03\x04"):
        raise ContractError(
            f"{name} is a zip archive, not an ONNX file; if it is TorchScript, rename it to end in .ts to "
            "play it, or convert it to a model file with 'glitch-lab convert'."
        )
    if not model.graph.node or not model.opset_import:
        raise ContractError(f"{name} is not an ONNX file, or is cut short; give a model file, or export it again.")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if KEY not in metadata:
        raise ContractError(
            f"{name} is an ONNX file without the metadata '{KEY}' (its sample rate, hop and latent space); "
            "make it with 'glitch-lab export CHECKPOINT OUT.onnx'."
        )
    try:
        card = from_json(metadata[KEY])
        validate(model, card)
    except ContractError as error:
        raise ContractError(f"{name}: {_readable(str(error))}") from None
    return model, card


def save(path: str | os.PathLike[str], model: onnx.ModelProto, card: Card) -> None:
    """Write a model with its card, completely or not at all.

    Raises
    ------
    ContractError
        The card and the graph contradict each other, or the file cannot be written.
    """
    validate(model, card)
    path = Path(path)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: to_json(card)})
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        scratch.write_bytes(model.SerializeToString())
        os.replace(scratch, path)
    except (OSError, EncodeError) as error:
        scratch.unlink(missing_ok=True)
        raise ContractError(f"Cannot write {path}: {error}.") from None


def _readable(text: str) -> str:
    """Make text from a file safe to print: one line, no control characters, limited length."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:MAX_ERROR_LENGTH])
    return shown if len(text) <= MAX_ERROR_LENGTH else f"{shown} …"
