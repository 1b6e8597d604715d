"""TorchScript files of the nn~ kind: methods, attributes and latent space, as the host nn~ reads them.

A method is announced by `get_methods()`, or by a buffer `<method>_params` with its input channels, input ratio, output
channels and output ratio: a call takes `[batch, input channels, n / input ratio]` and returns `[batch, output channels,
n / output ratio]`. An attribute is announced by `get_attributes()` or by `<attribute>_params`, the type codes of its
parts, and has a getter and a setter. See https://github.com/acids-ircam/nn_tilde.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from export.errors import ContractError
from export.torchscript.script.module_state import ModuleState, attributes

BOOL, INT, FLOAT, STR, TENSOR, BUFFER = range(6)
RATE_ATTRIBUTES = ("sr", "sample_rate", "sampling_rate")
ASSUMED_RATE = 48_000
MAX_RATIO = 65_536


@dataclass(frozen=True)
class ScriptMethod:
    """A method as announced: a channel is a row of its tensor, a ratio the audio samples per column."""

    name: str
    in_channels: int
    in_ratio: int
    out_channels: int
    out_ratio: int
    input_labels: tuple[str, ...] = ()
    output_labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.in_channels} at 1/{self.in_ratio} to {self.out_channels} at 1/{self.out_ratio})"


@dataclass(frozen=True)
class Attribute:
    """An attribute: the type codes of its parts, and their current values."""

    name: str
    codes: tuple[int, ...]
    values: tuple[Any, ...]


@dataclass(frozen=True)
class LatentInfo:
    """The latent space as stored in a file.

    Attributes
    ----------
    size, full_size : int or None
        Dimensions that are played, and all dimensions.
    principal : bool
        Whether they are principal components.
    mean : tuple of float or None
        Mean of each dimension.
    fidelity : tuple of float or None
        Cumulative share of the variance in the first dimensions, 0 to 1.
    """

    size: int | None = None
    full_size: int | None = None
    principal: bool = False
    mean: tuple[float, ...] | None = None
    fidelity: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Script:
    """A loaded TorchScript file with its methods, attributes and latent space."""

    module: torch.jit.ScriptModule
    state: ModuleState
    name: str
    sha256: str
    sample_rate: int
    methods: tuple[ScriptMethod, ...]
    attributes: tuple[Attribute, ...]
    latent: LatentInfo
    warnings: tuple[str, ...]

    def call(self, method: str, given: Tensor) -> Tensor:
        """Run a method.

        Parameters
        ----------
        method : str
            Its name.
        given : Tensor [shape=(batch, channels, samples / ratio)]

        Returns
        -------
        Tensor

        Raises
        ------
        ContractError
            The model's code fails, or doesn't return a tensor.
        """
        try:
            with plain_execution():
                made = getattr(self.module, method)(given)
        except ContractError:
            raise
        except Exception as error:  # whatever the script raises
            raise ContractError(
                f"'{method}' of {self.name} fails for an input of {list(given.shape)}: {error_line(error)}; "
                "export the model again, for the CPU and with streaming on."
            ) from None
        if not isinstance(made, Tensor):
            raise ContractError(
                f"'{method}' of {self.name} returns {type(made).__name__}, but one tensor was expected; "
                "script a method that returns only its audio or its latents."
            )
        return made

    def set(self, attribute: Attribute, values: Sequence[Any]) -> bool:
        """Set an attribute through its setter; return whether the model accepted it."""
        setter = getattr(self.module, f"set_{attribute.name}", None)
        if setter is None:
            return False
        try:
            with plain_execution():
                return setter(*values) in (0, None)
        except Exception:  # refused by the setter
            return False


@contextlib.contextmanager
def plain_execution() -> Iterator[None]:
    """Context that runs scripts without gradients, fusion or machine-specific kernels."""
    unfused = torch.jit.optimized_execution(False)  # type: ignore[attr-defined]
    with torch.no_grad(), unfused, torch.backends.mkldnn.flags(enabled=False):
        yield


def read_script(source: str | os.PathLike[str]) -> Script:
    """Load a TorchScript file and read its description.

    Returns
    -------
    Script
        With its methods, attributes and latent space; named after the file.

    Raises
    ------
    ContractError
        The file is not TorchScript, or announces no method.
    """
    path = Path(source)
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise ContractError(f"{path} is a folder, not a model; give the TorchScript file inside it.") from None
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error.strerror or error}; check the path.") from None
    try:
        module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except Exception as error:  # RuntimeError, and errors of its reader
        raise ContractError(
            f"{path} is not a TorchScript file, or is cut short ({error_line(error)}); export the model as TorchScript."
        ) from None
    return script_of(module, path.name, hashlib.sha256(data).hexdigest())


def script_of(module: torch.jit.ScriptModule, name: str, sha256: str = "") -> Script:
    """Read the description of a loaded module; errors call it `name`."""
    with contextlib.suppress(Exception):  # a frozen module has no training mode
        module.eval()
    warnings: list[str] = []
    rate = _sample_rate(module, warnings)
    methods = _methods(module, name)
    announced = {method.name for method in methods}
    return Script(
        module=module,
        state=ModuleState(module),
        name=name,
        sha256=sha256,
        sample_rate=rate,
        methods=methods,
        attributes=_attributes(module, announced),
        latent=_latent(module),
        warnings=tuple(warnings),
    )


def error_line(error: Exception) -> str:
    """Return the most informative line of a script's error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    informative = [line for line in lines if "Error" in line or "Exception" in line] or lines
    return informative[-1].rstrip(".")[:200] if informative else type(error).__name__


def _methods(module: torch.jit.ScriptModule, name: str) -> tuple[ScriptMethod, ...]:
    listed = _call_getter(module, "get_methods")
    names = [str(entry) for entry in listed] if isinstance(listed, list) else []
    names = names or [key.removesuffix("_params") for key in _numeric_attributes(module) if key.endswith("_params")]
    found = []
    for method in names:
        params = _numeric_attributes(module).get(f"{method}_params")
        if params is None or len(params) != 4 or not hasattr(module, method):
            continue
        channels_in, ratio_in, channels_out, ratio_out = (int(number) for number in params)
        valid = all(1 <= n <= MAX_RATIO for n in (ratio_in, ratio_out)) and channels_in >= 0 and channels_out >= 1
        if not valid or max(channels_in, channels_out) > MAX_RATIO:
            raise ContractError(
                f"{name} announces '{method}' with {list(params)}, but channels and ratios must be 1 to {MAX_RATIO}; "
                "export the model again."
            )
        labels = [_labels(module, f"{method}_{side}_labels") for side in ("input", "output")]
        found.append(ScriptMethod(method, channels_in, ratio_in, channels_out, ratio_out, labels[0], labels[1]))
    if not found:
        raise ContractError(
            f"{name} announces no method (neither 'get_methods' nor a buffer '<method>_params'); "
            "it is TorchScript, but not of the nn~ kind; export it with encode, decode or forward registered."
        )
    return tuple(found)


def _attributes(module: torch.jit.ScriptModule, methods: set[str]) -> tuple[Attribute, ...]:
    listed = _call_getter(module, "get_attributes")
    keys = _numeric_attributes(module)
    names = [str(entry) for entry in listed] if isinstance(listed, list) else []
    names = names or [k.removesuffix("_params") for k in keys if k.endswith("_params")]
    found = []
    for name in names:
        codes = keys.get(f"{name}_params")
        values = _call_getter(module, f"get_{name}")
        if name in methods or codes is None or values is None:
            continue
        parts = tuple(values) if isinstance(values, list | tuple) else (values,)
        found.append(Attribute(name, tuple(int(code) for code in codes)[: len(parts)], parts))
    return tuple(found)


def _numeric_attributes(module: torch.jit.ScriptModule) -> dict[str, list[float]]:
    """Return all attributes of the outermost module that contain a few numbers, by name."""
    found = {}
    for name, value in attributes(module):
        if isinstance(value, Tensor) and 1 <= value.numel() <= 64:
            found[name] = [float(number) for number in value.flatten()]
        elif isinstance(value, list | tuple) and value and all(isinstance(n, bool | int | float) for n in value):
            found[name] = [float(number) for number in value]
    return found


def _sample_rate(module: torch.jit.ScriptModule, warnings: list[str]) -> int:
    if hasattr(module, "set_sample_rate"):
        with contextlib.suppress(Exception), plain_execution():
            module.set_sample_rate(ASSUMED_RATE)
    for key in RATE_ATTRIBUTES:
        rate = _scalar(getattr(module, key, None))
        rate = _scalar(_call_getter(module, f"get_{key}")) if rate is None else rate
        if rate is not None and rate > 0:
            return round(rate)
    if not hasattr(module, "set_sample_rate"):
        warnings.append(f"The sample rate is not in the file; {ASSUMED_RATE} Hz is assumed.")
    return ASSUMED_RATE


def _latent(module: torch.jit.ScriptModule) -> LatentInfo:
    size, full = (_scalar(getattr(module, key, None)) for key in ("latent_size", "full_latent_size"))
    return LatentInfo(
        size=None if size is None else int(size),
        full_size=None if full is None else int(full),
        principal=isinstance(getattr(module, "latent_pca", None), Tensor),
        mean=_vector(getattr(module, "latent_mean", None)),
        fidelity=_vector(getattr(module, "fidelity", None)),
    )


def _labels(module: torch.jit.ScriptModule, key: str) -> tuple[str, ...]:
    labels = getattr(module, key, None)
    return tuple(str(label) for label in labels) if isinstance(labels, list | tuple) else ()


def _call_getter(module: torch.jit.ScriptModule, getter: str) -> Any:
    """Call a getter without arguments; None if there is none, or it fails."""
    if not hasattr(module, getter):
        return None
    with contextlib.suppress(Exception), plain_execution():
        return getattr(module, getter)()
    return None


def _scalar(value: Any) -> float | None:
    if isinstance(value, Tensor):
        return float(value.flatten()[0]) if value.numel() == 1 else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _vector(value: Any) -> tuple[float, ...] | None:
    return tuple(float(n) for n in value.flatten()) if isinstance(value, Tensor) and value.numel() else None
