"""A value with a signal for its changes."""

from __future__ import annotations

from typing import Generic, TypeVar

from PyQt6.QtCore import QObject, pyqtSignal

T = TypeVar("T")


class Observable(QObject, Generic[T]):
    """A value with a signal for its changes; views repaint when it is emitted."""

    changed = pyqtSignal()

    def __init__(self, value: T) -> None:
        super().__init__()
        self._value = value

    @property
    def value(self) -> T:
        """The current value."""
        return self._value

    def set(self, value: T) -> None:
        """Set the value, and emit `changed` if it is a different one."""
        if value != self._value:
            self._value = value
            self.changed.emit()
