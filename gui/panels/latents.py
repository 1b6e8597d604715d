"""The bank of faders: latents, controls of the model, bends, walk, gain."""

from __future__ import annotations

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from gui import style
from gui.host_memory import HostMemory
from gui.osc_sender import OscSender
from gui.viewmodels.parameter_model import ParameterModel
from gui.viewmodels.readings import finite, read_played_latents
from gui.widgets.fader import Fader
from realtime.params.table import Parameter, Table

_MAX_FIXED_CONTROLS = 4  # up to this many controls of the model don't scroll
_FIXED_GROUPS = {"WALK": ("/walk/radius", "/walk/speed"), "OUT": ("/gain",)}
_TRANSFORM_GROUPS = {"INPUT": ("/freeze", "/freeze/length", "/feedback", "/input/mix"), "OUT": ("/gain",)}


class FaderBank(QWidget):
    """A fader for each parameter that is played by hand. Many latents scroll; the most important faders don't."""

    def __init__(self, table: Table, host: HostMemory, remote: OscSender) -> None:
        super().__init__()
        self._host = host
        self._remote = remote
        self.models: dict[str, ParameterModel] = {}
        self.faders: dict[str, Fader] = {}
        self._latents = [row.address for row in table.latents]

        groups = {"LATENTS": [(row, row.address.rsplit("/", 1)[1]) for row in table.latents]}
        controls = [(row, name.split(".")[-1]) for name, row in table.controls.items() if row.kind == "float"]
        fixed = {
            title: [(table[address], address.rsplit("/", 1)[1]) for address in addresses if address in table]
            for title, addresses in (_TRANSFORM_GROUPS if "/freeze" in table else _FIXED_GROUPS).items()
        }
        if len(controls) <= _MAX_FIXED_CONTROLS:
            fixed = {"MODEL": controls, **fixed}
        else:
            groups["MODEL"] = controls
        bends = [row for row in table.bends if row.kind == "float"]
        groups["BEND"] = [(row, " ".join(row.address.split("/")[2:])) for row in bends]
        inside = QWidget()
        inside.setObjectName("sliding")
        sliding = QHBoxLayout(inside)
        sliding.setContentsMargins(0, 0, 0, 0)
        sliding.setSpacing(style.GAP)
        for title, rows in groups.items():
            if rows:
                sliding.addWidget(self._group(title, rows), stretch=len(rows))
        area = QScrollArea()
        area.setWidget(inside)
        area.setWidgetResizable(True)
        area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area = area

        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(style.GAP)
        layout.addWidget(area, stretch=max(sum(map(len, groups.values())), 1))
        for title, rows in fixed.items():
            if rows:
                layout.addWidget(self._group(title, rows), stretch=len(rows))

    def _group(self, title: str, rows: list[tuple[Parameter, str]]) -> QWidget:
        group = QWidget()
        group.setObjectName("group")
        group.setStyleSheet(f"#group {{ background: {style.PANEL.name()}; border-radius: {style.RADIUS}px; }}")
        label = QLabel(title)
        label.setFont(style.font(12, bold=True, spaced=True))
        label.setStyleSheet(f"color: {style.FAINT.name()}; background: transparent;")
        layout = QVBoxLayout(group)
        layout.setContentsMargins(10, 8, 10, 4)
        layout.setSpacing(2)
        layout.addWidget(label)
        faders = QHBoxLayout()
        faders.setSpacing(2)
        layout.addLayout(faders, stretch=1)
        for row, name in rows:
            model = self.models[row.address] = ParameterModel(row, self._remote)
            fader = self.faders[row.address] = Fader(model, name)
            faders.addWidget(fader)
        return group

    def poll(self, now: float) -> None:
        """Update the faders with the host's values."""
        played = dict(zip(self._latents, read_played_latents(self._host.deck, len(self._latents)), strict=True))
        values = self._host.values
        for address, model in self.models.items():
            model.follow(finite(values[model.row.index]), played.get(address), now)
