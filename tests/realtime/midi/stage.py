"""A stage without sound: parameters with the rules of the real table, and a log of all values set."""

from __future__ import annotations

from dataclasses import replace

from realtime.params.table import Curve, Kind, Parameter, ParameterError


def row(
    address: str, low: float = 0.0, high: float = 1.0, *, kind: Kind = "float", curve: Curve = "linear"
) -> Parameter:
    from realtime.params.table import HOST_ROWS

    return replace(HOST_ROWS[0], address=address, kind=kind, minimum=low, maximum=high, default=low, curve=curve)


class Stage:
    """Keeps values as a session does, without sound."""

    def __init__(self, *rows: Parameter) -> None:
        usual = (
            row("/level"),
            row("/latent/1", -6, 6),
            row("/latent/2", -6, 6),
            row("/cutoff", 20, 20_000, curve="log"),
            row("/mute", kind="bool"),
            row("/voices", 1, 8, kind="int"),
            row("/panic", kind="trigger"),
            row("/reset", kind="trigger"),
            row("/latent", kind="list"),
            row("/pitch", 0, 127),
            row("/loudness", -60, 0),
            row("/timbre"),
            row("/touch"),
        )
        self.rows = {one.address: one for one in (*usual, *rows)}
        self.values = {address: one.default for address, one in self.rows.items()}
        self.log: list[tuple[str, tuple[object, ...], float]] = []

    @property
    def addresses(self) -> dict[str, Parameter]:
        return self.rows

    def set(self, address: str, *values: object, at: float = 0.0) -> None:
        if address not in self.rows:
            raise ParameterError(f"There is no parameter {address}.")
        self.log.append((address, values, at))
        if self.rows[address].kind != "trigger":
            (value,) = values
            assert isinstance(value, float | int)
            assert self.rows[address].minimum <= value <= self.rows[address].maximum
            self.values[address] = self.rows[address].clip(value)

    def get(self, address: str) -> float:
        return self.values[address]

    def set_to(self, address: str) -> list[float]:
        return [values[0] for name, values, _ in self.log if name == address]  # type: ignore[misc]

    def times(self, address: str) -> int:
        return sum(name == address for name, _, _ in self.log)
