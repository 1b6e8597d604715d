"""The mappings in use: found by event, read from their file and saved to it when they change."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from realtime.midi.controls.mapped_control import MappedControl
from realtime.midi.controls.mapping import Mapping
from realtime.midi.controls.mapping_file import MappingFile, read, write
from realtime.midi.errors import MappingError
from realtime.midi.notes.settings import NoteSettings
from realtime.midi.protocol.control_events import ANY, ControlEvent

CLOSE_S = 2.0


class MappingTable:
    """Mappings with the state of their controls.

    Changes are saved in the background. A file that cannot be read is renamed to `….unreadable` before the first save.

    Parameters
    ----------
    path
        The mapping file; None to keep mappings in memory only.
    notify
        Takes sentences for the player: problems with the file.
    """

    def __init__(self, path: Path | None, notify: Callable[[str], None]) -> None:
        self._path, self._notify = path, notify
        self._is_unreadable = False
        self._saving = threading.Lock()
        self._saver: threading.Thread | None = None
        self._controls: dict[Mapping, MappedControl] = {}
        self._by_key: dict[tuple[str, int], list[MappedControl]] = {}
        self._file = MappingFile()
        self._use(self._read())

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """All mappings, in the order of the file."""
        return self._file.mappings

    @property
    def note_settings(self) -> NoteSettings:
        """How notes are played."""
        return self._file.notes

    @property
    def controls(self) -> list[MappedControl]:
        """All mapped controls, in the order of the file."""
        return list(self._controls.values())

    def control(self, mapping: Mapping) -> MappedControl:
        """Return the control of one of the mappings."""
        return self._controls[mapping]

    def find(self, event: ControlEvent, port: str) -> list[MappedControl]:
        """Return the controls that an event belongs to.

        Parameters
        ----------
        event
            The event.
        port
            Name of the input that it arrived at.

        Returns
        -------
        list of MappedControl
            The controls, in the order of the file; those of any program are last.
        """
        found = self._by_key.get((event.type, event.number), [])
        if event.type == "program":
            found = found + self._by_key.get(("program", ANY), [])
        return [control for control in found if control.mapping.source.matches(event, port)]

    def replace(self, mappings: Sequence[Mapping]) -> None:
        """Replace all mappings and save them; controls that remain keep their state."""
        self._use(self._file.with_mappings(mappings))
        if self._path is not None:
            self._saver = threading.Thread(target=self._save, name="midi-mapping")
            self._saver.start()

    def close(self) -> None:
        """Wait until everything is saved."""
        if self._saver is not None and self._saver.is_alive():
            self._saver.join(CLOSE_S)

    def _use(self, file: MappingFile) -> None:
        self._file = file
        self._controls = {one: self._controls.get(one) or MappedControl(one) for one in file.mappings}
        self._by_key = {}
        for mapping, control in self._controls.items():
            self._by_key.setdefault(mapping.source.key, []).append(control)

    def _read(self) -> MappingFile:
        if self._path is None:
            return MappingFile()
        try:
            file = read(self._path)
        except MappingError as error:
            self._is_unreadable = True
            self._notify(str(error))
            return MappingFile()
        for problem in file.problems:
            self._notify(problem)
        return file

    def _save(self) -> None:
        assert self._path is not None
        with self._saving:
            try:
                if self._is_unreadable:
                    with contextlib.suppress(FileNotFoundError):
                        self._path.replace(self._path.with_name(f"{self._path.name}.unreadable"))
                    self._is_unreadable = False
                write(self._path, self._file)
            except (MappingError, OSError) as error:
                self._notify(str(error))
