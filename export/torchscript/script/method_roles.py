"""The roles of a script's methods in a model file, and the length of their frames.

nn~ allows any ratio between input and output, a model file knows latents and audio. Methods that don't fit are left
out, with a warning.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from export.errors import ContractError
from export.torchscript.script.nn_tilde import Script, ScriptMethod

METHOD_ROLES = {"decode": "decode", "encode": "encode", "forward": "transform", "prior": "prior"}
TRANSFORM_HOPS = (512, 1024, 2048, 4096)  # samples a step to try for a transform without frames of its own
MAX_CHANNELS = 64


@dataclass(frozen=True)
class Role:
    """A method of the script as a method of a model file.

    Attributes
    ----------
    key : str
        Its name in the model file.
    method : ScriptMethod
    hop : int
        Audio samples a frame.
    input_length, output_length : int
        Samples, or latents, of one frame's input and output.
    channels : int
        Audio channels; of a prior, channels of its input.
    """

    key: str
    method: ScriptMethod
    hop: int
    input_length: int
    output_length: int
    channels: int

    @property
    def in_channels(self) -> int:
        """Channels of the input in the model file."""
        return self.method.in_channels if self.key == "decode" else self.channels

    @property
    def audio_out(self) -> bool:
        """Whether the output is audio."""
        return self.key in ("decode", "transform")

    def input(self, frames: int, seed: int = 0, scale: float = 1.0) -> Tensor:
        """Make random input: latents, or noise as audio."""
        generator = torch.Generator().manual_seed(seed)
        shape = (1, self.in_channels, frames * self.input_length)
        scale *= 0.3 if self.key in ("encode", "transform") else 1.0
        return scale * torch.randn(shape, generator=generator)

    def play(self, script: Script, given: Tensor) -> Tensor:
        """Run the method of the script on input in the layout of the model file.

        Parameters
        ----------
        script
            The script that has the method.
        given : Tensor [shape=(1, in_channels, frames * input_length)]
            Audio or latents; channels are mixed or repeated to the number that the script takes.

        Returns
        -------
        Tensor [shape=(1, channels, frames * output_length)], float32
            Audio, mixed or repeated to the role's channels; or latents, with as many channels as dimensions.

        Raises
        ------
        ContractError
            It fails, or returns another shape than announced.
        """
        frames = given.shape[2] // self.input_length
        made = script.call(self.method.name, _match_channels(given, self.method.in_channels))
        expected = (self.method.out_channels, frames * self.output_length)
        if made.dim() != 3 or made.shape[0] != 1 or tuple(made.shape[1:]) != expected:
            raise ContractError(
                f"'{self.method.name}' of {script.name} returns {list(made.shape)} for {frames} frames, but announces "
                f"{[1, *expected]}; export the model again with its actual ratios."
            )
        if self.audio_out and self.channels != self.method.out_channels:
            made = _match_channels(made, self.channels)
        return made if made.dtype == torch.float32 else made.to(torch.float32)


def assign_roles(script: Script) -> tuple[list[Role], list[str]]:
    """Assign roles to the methods of a script.

    Returns
    -------
    roles : list of Role
    warnings : list of str
        Methods that were left out, or play another role than their name.

    Raises
    ------
    ContractError
        No method has a role.
    """
    found: dict[str, Role] = {}
    warnings: list[str] = []
    latents = _latents(script)
    frame = _frame(script)
    for method in sorted(script.methods, key=lambda m: m.name not in METHOD_ROLES):
        key = METHOD_ROLES.get(method.name) or _by_ratio(method, latents)
        role, reason = _role(key, method, latents, frame)
        if role is None:
            warnings.append(f"The method {method} is left out: {reason}.")
        elif role.key in found:
            warnings.append(f"The method {method} is left out: '{found[role.key].method.name}' has its role already.")
        else:
            if method.name not in METHOD_ROLES:
                warnings.append(f"The method {method} is played as '{role.key}'.")
            found[role.key] = role
    if not found:
        raise ContractError(f"Nothing in {script.name} can be played: {' '.join(warnings)}")
    if "transform" in found:
        found["transform"] = _find_step(script, found["transform"])
    return list(found.values()), warnings


def latent_size(script: Script, found: list[Role]) -> int:
    """Return the number of latent dimensions of the methods; 0 if they have no latents."""
    return _latents(script) or 0 if any(role.key != "transform" for role in found) else 0


def _latents(script: Script) -> int | None:
    by_name = {method.name: method for method in script.methods}
    if "decode" in by_name:
        return by_name["decode"].in_channels
    for name in ("encode", "prior"):
        if name in by_name:
            return by_name[name].out_channels
    return None


def _frame(script: Script) -> int | None:
    by_name = {method.name: method for method in script.methods}
    if "decode" in by_name:
        return by_name["decode"].in_ratio
    return by_name["encode"].out_ratio if "encode" in by_name else None


def _by_ratio(method: ScriptMethod, latents: int | None) -> str:
    if method.in_ratio == method.out_ratio == 1:
        return "transform"
    if method.out_ratio == 1:
        return "decode" if latents is None or method.in_channels == latents else ""
    return "encode" if method.in_ratio == 1 and method.out_channels == latents else ""


def _role(key: str, method: ScriptMethod, latents: int | None, frame: int | None) -> tuple[Role | None, str]:
    """Make a role, or give the reason why there is none."""
    ins, outs = method.in_ratio, method.out_ratio
    audio = [n for n, side in ((method.in_channels, "in"), (method.out_channels, "out")) if _is_audio(key, side)]
    if key == "":
        return None, "its ratios fit neither a decoder, nor an encoder, nor an effect"
    if audio and max(audio) > MAX_CHANNELS:
        return None, f"it has {max(audio)} channels, more than {MAX_CHANNELS}"
    if method.in_channels == 0 and key != "prior":
        return None, "it takes no input"
    if key == "decode":
        if outs != 1:
            return None, f"its output is at 1/{outs} of the sample rate, but audio was expected"
        return Role(key, method, hop=ins, input_length=1, output_length=ins, channels=method.out_channels), ""
    if key == "encode":
        if ins != 1:
            return None, f"its input is at 1/{ins} of the sample rate, but audio was expected"
        if method.out_channels != latents:
            return None, f"it outputs {method.out_channels} latents, but the decoder takes {latents}"
        return Role(key, method, hop=outs, input_length=outs, output_length=1, channels=method.in_channels), ""
    if key == "prior":
        if ins != outs:
            return None, f"it takes its input at 1/{ins} of the sample rate but outputs latents at 1/{outs}"
        if method.out_channels != latents:
            return None, f"it outputs {method.out_channels} latents, but the decoder takes {latents}"
        if not 1 <= method.in_channels <= MAX_CHANNELS:
            return None, f"its input has {method.in_channels} channels, but 1 to {MAX_CHANNELS} were expected"
        return Role(key, method, hop=ins, input_length=1, output_length=1, channels=method.in_channels), ""
    if ins != 1 or outs != 1:
        return None, f"it works at 1/{ins} and 1/{outs} of the sample rate, but audio was expected as input and output"
    step = frame or TRANSFORM_HOPS[0]
    return Role(key, method, step, step, step, max(method.in_channels, method.out_channels)), ""


def _is_audio(key: str, side: str) -> bool:
    return (key, side) in {("decode", "out"), ("encode", "in"), ("transform", "in"), ("transform", "out")}


def _find_step(script: Script, role: Role) -> Role:
    """Find the samples a step of a transform: the frame of its model, or the first length that works."""
    kept = script.state.snapshot()
    refused: ContractError | None = None
    for step in dict.fromkeys((role.hop, *TRANSFORM_HOPS)):
        tried = dataclasses.replace(role, hop=step, input_length=step, output_length=step)
        try:
            tried.play(script, tried.input(1))
        except ContractError as error:
            refused = refused or error
        else:
            return tried
        finally:
            script.state.refresh()
            script.state.restore(kept)
    assert refused is not None
    raise refused


def _match_channels(audio: Tensor, wanted: int) -> Tensor:
    """Mix audio down to one channel by its mean, or repeat channels up to a number."""
    if audio.shape[1] == wanted:
        return audio
    if wanted == 1:
        return audio.mean(dim=1, keepdim=True)
    return audio.index_select(1, torch.arange(wanted) % audio.shape[1])
