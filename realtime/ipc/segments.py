"""Segments of shared memory as named arrays."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import asdict
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Self

import numpy as np

from export.errors import GlitchError
from realtime.ipc.memory_layout import HEAD_BYTES, VERSION, Geometry, fields, padded, size
from realtime.ipc.segment_registry import SegmentRegistry, untracked


class Segment:
    """A block of shared memory as named arrays.

    One process owns it and makes it with `create`; others open it with `attach`. `close` unmaps it, and the owner's
    `close` also removes it.

    Attributes
    ----------
    name : str
        To attach to it; empty for a local one.
    geometry : Geometry
        Its sizes.
    arrays : dict[str, np.ndarray]
        By the names of `realtime.ipc.memory_layout.fields`; `segment["name"]` is short for it.
    """

    def __init__(self, memory: SharedMemory | None, geometry: Geometry, *, owner: bool) -> None:
        self._memory = memory
        self._owner = owner
        self.geometry = geometry
        self.name = memory.name if memory is not None else ""
        self.arrays: dict[str, np.ndarray] = {}
        offset = HEAD_BYTES
        buffer = memory.buf if memory is not None else bytearray(size(geometry) + 64)
        assert buffer is not None
        for name, (dtype, shape) in fields(geometry).items():
            # frombuffer keeps a reference to the buffer, so that nothing is unmapped while a view exists
            flat = np.frombuffer(buffer, dtype, math.prod(shape), offset)
            self.arrays[name] = flat.reshape(shape)
            offset += padded(flat.nbytes)

    @classmethod
    def local(cls, geometry: Geometry) -> Self:
        """Make a segment of zeros in plain memory, which no other process can attach to."""
        return cls(None, geometry, owner=False)

    @classmethod
    def create(cls, geometry: Geometry, registry: SegmentRegistry) -> Self:
        """Make a segment of zeros and list it in the registry."""
        name = registry.new_name()
        with untracked():
            memory = SharedMemory(name=name, create=True, size=size(geometry))
        head = json.dumps(asdict(geometry)).encode()
        assert memory.buf is not None
        memory.buf[: len(head)] = head
        return cls(memory, geometry, owner=True)

    @classmethod
    def attach(cls, name: str) -> Self:
        """Open a segment that another process has made.

        Returns
        -------
        Segment
            It shares the memory; `close` doesn't remove it.

        Raises
        ------
        GlitchError
            There is no such segment, or another version of the program has made it.
        """
        try:
            with untracked():
                memory = SharedMemory(name=name)
        except (FileNotFoundError, ValueError):
            raise GlitchError(f"There is no session '{name}' to attach to; start glitch-live first.") from None
        assert memory.buf is not None
        head = bytes(memory.buf[:HEAD_BYTES]).rstrip(b"\0")
        try:
            geometry = Geometry(**json.loads(head))
        except (ValueError, TypeError):
            memory.close()
            raise GlitchError(f"'{name}' holds no session, or one that is just starting; try again.") from None
        if geometry.version != VERSION:
            raise GlitchError(f"The session '{name}' has version {geometry.version} of the layout, not {VERSION}.")
        return cls(memory, geometry, owner=False)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def address(self, name: str) -> int:
        """Return the address of an array in this process."""
        return int(self.arrays[name].ctypes.data)

    def write_info(self, info: dict[str, Any]) -> None:
        """Write a description of the session for processes that attach (stream segment only)."""
        data = json.dumps(info).encode()
        area = self.arrays["info"]
        if len(data) >= area.size:
            raise GlitchError("The session's description is too long for its segment.")
        area[: len(data)] = np.frombuffer(data, np.uint8)
        area[len(data)] = 0

    def read_info(self) -> dict[str, Any]:
        """Read the description that `write_info` wrote."""
        data = self.arrays["info"].tobytes()
        info: dict[str, Any] = json.loads(data[: data.index(0)] or b"{}")
        return info

    def write_text(self, name: str, text: str) -> None:
        """Write a text into an array of bytes, cut to its size."""
        area = self.arrays[name]
        data = text.encode()[: area.size - 1] + b"\0"
        area[: len(data)] = np.frombuffer(data, np.uint8)

    def read_text(self, name: str) -> str:
        """Read the text that `write_text` wrote."""
        return self.arrays[name].tobytes().split(b"\0")[0].decode(errors="ignore")

    def close(self) -> None:
        """Remove the segment if this process owns it, and unmap it as soon as no view of it is left."""
        self.arrays.clear()
        if self._memory is None:
            return
        if self._owner:
            with contextlib.suppress(FileNotFoundError), untracked():
                self._memory.unlink()
        _unmap(self._memory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unmap(memory: SharedMemory) -> None:
    """Close a mapping, or leave that to the last view of it."""
    try:
        memory.close()
    except BufferError:
        inside: Any = memory
        inside._buf = inside._mmap = None  # the map closes itself with the last view
        memory.close()
