"""TorchScript models of the nn~ kind, written by hand to its contract: one for each thing that such a file may hold.

They are as small as what they stand for allows; `largest` alone is as large as what players play.
"""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RATE = 16_000
HOP = 16
LATENTS = 4


class CachedConv1d(nn.Module):
    """A convolution with a cache for up to 64 voices."""

    def __init__(self, inside: int, outside: int, kernel: int, dilation: int = 1, voices: int = 64) -> None:
        super().__init__()
        self.size = (kernel - 1) * dilation
        self.conv = nn.Conv1d(inside, outside, kernel, dilation=dilation)
        self.register_buffer("pad", torch.zeros(voices, inside, self.size))

    def forward(self, x: Tensor) -> Tensor:
        voices = x.shape[0]
        whole = torch.cat([self.pad[:voices], x], 2)
        self.pad[:voices].copy_(whole[..., -self.size :])
        return self.conv(whole)


class OwnMemoryConv1d(nn.Module):
    """The same for one voice, with a cache of another name that is replaced instead of written in place."""

    def __init__(self, inside: int, outside: int, kernel: int) -> None:
        super().__init__()
        self.size = kernel - 1
        self.conv = nn.Conv1d(inside, outside, kernel)
        self.register_buffer("yesterday", torch.zeros(1, inside, self.size))

    def forward(self, x: Tensor) -> Tensor:
        whole = torch.cat([self.yesterday, x], 2)
        self.yesterday = whole[..., whole.shape[2] - self.size :]
        return self.conv(whole)


class CachedUp(nn.Module):
    """A transposed convolution with a cached overlap."""

    def __init__(self, inside: int, outside: int, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio
        self.conv = nn.ConvTranspose1d(inside, outside, 2 * ratio, ratio, bias=False)
        self.register_buffer("cache", torch.zeros(64, outside, ratio))

    def forward(self, x: Tensor) -> Tensor:
        voices = x.shape[0]
        whole = self.conv(x)
        whole[..., : self.ratio] += self.cache[:voices]
        self.cache[:voices].copy_(whole[..., -self.ratio :])
        return whole[..., : -self.ratio]


class CachedDelay(nn.Module):
    """A delay, to align a branch with a later one."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("pad", torch.zeros(64, channels, size))

    def forward(self, x: Tensor) -> Tensor:
        whole = torch.cat([self.pad[: x.shape[0]], x], 2)
        self.pad[: x.shape[0]].copy_(whole[..., -self.size :])
        return whole[..., : -self.size]


class DilatedUnit(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.wide = CachedConv1d(channels, channels, 3, dilation)
        self.narrow = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.leaky_relu(self.wide(F.leaky_relu(x, 0.2)), 0.2))


class CentredUnit(nn.Module):
    """A convolution with look-ahead, made causal by a delay; its residual branch has the same delay."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = CachedConv1d(channels, channels, kernel)
        self.around = CachedDelay(channels, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv(x)) + self.around(x)


class Filterbank(nn.Module):
    """Synthesis with a cosine-modulated filterbank: bands to samples; every second band is inverted first."""

    def __init__(self, bands: int, taps: int = 8) -> None:
        super().__init__()
        self.bands, self.size = bands, taps - 1
        time = torch.arange(taps * bands) - (taps * bands - 1) / 2
        prototype = torch.sinc(time / (2 * bands)) * torch.hann_window(taps * bands, periodic=False) / bands
        turns = torch.arange(bands)[:, None] + 0.5
        phase = (-1.0) ** torch.arange(bands)[:, None] * math.pi / 4
        bank = 2 * prototype * torch.cos(turns * math.pi / bands * time - phase)
        self.register_buffer("kernel", bank.reshape(bands, taps, bands).permute(2, 0, 1).flip(2).contiguous())
        self.register_buffer("pad", torch.zeros(64, bands, self.size))

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        x[:, 1::2, ::2] = -x[:, 1::2, ::2]
        whole = torch.cat([self.pad[: x.shape[0]], x], 2)
        self.pad[: x.shape[0]].copy_(whole[..., -self.size :])
        out = F.conv1d(whole, self.kernel).flip(1)
        return out.permute(0, 2, 1).reshape(x.shape[0], 1, -1) * self.bands


class FilteredNoise(nn.Module):
    """White noise, filtered with given magnitudes by multiplication of spectra."""

    def __init__(self, channels: int, bands: int, magnitudes: int, block: int) -> None:
        super().__init__()
        self.bands, self.magnitudes, self.block = bands, magnitudes, block
        self.shape = nn.Conv1d(channels, bands * magnitudes, 1)

    def forward(self, x: Tensor) -> Tensor:
        wanted = torch.sigmoid(self.shape(x) - 3.0)
        wanted = wanted.permute(0, 2, 1).reshape(x.shape[0], x.shape[2], self.bands, self.magnitudes)
        size = 2 * (self.magnitudes - 1)
        impulse = torch.fft.irfft(torch.complex(wanted, torch.zeros_like(wanted)), n=size)
        impulse = torch.roll(impulse, size // 2, -1) * torch.hann_window(size)
        impulse = torch.roll(F.pad(impulse, (0, self.block - size)), -(size // 2), -1)
        noise = torch.rand_like(impulse) * 2 - 1
        spectra = torch.fft.rfft(F.pad(noise, (0, self.block))) * torch.fft.rfft(F.pad(impulse, (self.block, 0)))
        filtered = torch.fft.irfft(spectra)[..., self.block :]
        return filtered.permute(0, 2, 1, 3).reshape(x.shape[0], self.bands, -1)


class Decodes(nn.Module):
    """Announcements that all decoders here share."""

    def __init__(self, latents: int = LATENTS, hop: int = HOP, channels: int = 1, rate: int = RATE) -> None:
        super().__init__()
        self.register_buffer("decode_params", torch.tensor([latents, hop, channels, 1]))
        self.register_buffer("sr", torch.tensor(rate))
        self.decode_input_labels = [f"(signal) latent {k}" for k in range(latents)]

    @torch.jit.export
    def get_methods(self) -> list[str]:
        return ["decode"]


class Causal(Decodes):
    def __init__(self) -> None:
        super().__init__()
        self.first = CachedConv1d(LATENTS, 8, 3)
        self.up = CachedUp(8, 8, 4)
        self.body = nn.Sequential(DilatedUnit(8, 1), DilatedUnit(8, 3), DilatedUnit(8, 9))
        self.last_up = CachedUp(8, 4, 4)
        self.last = CachedConv1d(4, 1, 5)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return torch.tanh(self.last(self.last_up(self.body(self.up(self.first(z))))))


class Centred(Decodes):
    """Non-causal, cached with delay."""

    def __init__(self) -> None:
        super().__init__()
        self.up = CachedUp(LATENTS, 6, HOP)
        self.body = nn.Sequential(CentredUnit(6, 5), CentredUnit(6, 9))
        self.last = nn.Conv1d(6, 1, 1)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return self.last(self.body(self.up(z)))


class Banked(Decodes):
    """A filterbank at the end, and noise beside the tones."""

    def __init__(self, noisy: bool = False) -> None:
        super().__init__()
        self.noisy = noisy
        self.first = CachedConv1d(LATENTS, 8, 3)
        self.up = CachedUp(8, 4, 4)
        self.noise = FilteredNoise(8, 4, 5, 4) if noisy else nn.Identity()
        self.bank = Filterbank(4)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        z = self.first(z)
        bands = self.up(z)
        if self.noisy:
            bands = bands + self.noise(z)
        return self.bank(bands)


class Noisy(Decodes):
    """A noise synthesiser with blocks of its own, 16 bins of a 32-point spectrum."""

    def __init__(self) -> None:
        super().__init__()
        self.first = CachedConv1d(LATENTS, 8, 3)
        self.noise = FilteredNoise(8, 1, 5, HOP)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return self.noise(torch.tanh(self.first(z)))


class Knobs(Decodes):
    """Attributes: a number, an exponential, a switch that only scales, one that doesn't, an integer, a tensor."""

    def __init__(self) -> None:
        super().__init__()
        for name, code in (("gain", 2), ("level", 2), ("wet", 0), ("squared", 0), ("steps", 1), ("tilt", 4)):
            self.register_buffer(f"{name}_params", torch.tensor([code]))
        self.gain = 0.5
        self.level = -6.0
        self.wet = True
        self.squared = False
        self.steps = 3
        self.register_buffer("tilt", torch.tensor([0.25]))
        self.up = CachedUp(LATENTS, 1, HOP)

    @torch.jit.export
    def get_attributes(self) -> list[str]:
        return ["gain", "level", "wet", "squared", "steps", "tilt"]

    @torch.jit.export
    def get_gain(self) -> float:
        return self.gain

    @torch.jit.export
    def set_gain(self, value: float) -> int:
        self.gain = value
        return 0

    @torch.jit.export
    def get_level(self) -> float:
        return self.level

    @torch.jit.export
    def set_level(self, value: float) -> int:
        self.level = value
        return 0

    @torch.jit.export
    def get_wet(self) -> bool:
        return self.wet

    @torch.jit.export
    def set_wet(self, value: bool) -> int:
        self.wet = value
        return 0

    @torch.jit.export
    def get_squared(self) -> bool:
        return self.squared

    @torch.jit.export
    def set_squared(self, value: bool) -> int:
        self.squared = value
        return 0

    @torch.jit.export
    def get_steps(self) -> int:
        return self.steps

    @torch.jit.export
    def set_steps(self, value: int) -> int:
        self.steps = value
        return 0

    @torch.jit.export
    def get_tilt(self) -> Tensor:
        return self.tilt

    @torch.jit.export
    def set_tilt(self, value: Tensor) -> int:
        self.tilt = value
        return 0

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        x = self.up(z)
        if self.squared:
            x = x * x
        loud = torch.pow(torch.tensor(10.0), self.level / 20.0)
        return x * self.gain + 0.1 * self.steps * torch.sin(x) * loud * float(self.wet) + self.tilt


class Recurrent(Decodes):
    """A GRU with its state in a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(LATENTS, 8, num_layers=2, batch_first=True)
        self.last = nn.Linear(8, HOP)
        self.memory = torch.zeros(2, 1, 8)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        out, self.memory = self.gru(z.permute(0, 2, 1), self.memory)
        return self.last(out).reshape(1, 1, -1)


class Stereo(Decodes):
    def __init__(self) -> None:
        super().__init__(channels=2)
        self.up = CachedUp(LATENTS, 6, HOP)
        self.last = OwnMemoryConv1d(6, 2, 7)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return self.last(self.up(z))


class TwoVoices(Decodes):
    """Stereo as two voices of one decoder, whose caches have room for 64."""

    def __init__(self) -> None:
        super().__init__(channels=2)
        self.first = CachedConv1d(LATENTS, 4, 3)
        self.up = CachedUp(4, 1, HOP)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        voices = torch.cat([z, z.flip(1)], 0)
        return self.up(self.first(voices)).permute(1, 0, 2)


class Variational(nn.Module):
    """Like exports of large models: all four methods, principal components, other latents drawn at random."""

    def __init__(self) -> None:
        super().__init__()
        full = 6
        self.register_buffer("encode_params", torch.tensor([1, 1, LATENTS, HOP]))
        self.register_buffer("decode_params", torch.tensor([LATENTS, HOP, 1, 1]))
        self.register_buffer("forward_params", torch.tensor([1, 1, 1, 1]))
        self.register_buffer("prior_params", torch.tensor([1, HOP, LATENTS, HOP]))
        self.register_buffer("latent_pca", torch.linalg.qr(torch.randn(full, full))[0])
        self.register_buffer("latent_mean", torch.randn(full))
        self.register_buffer("fidelity", torch.tensor([0.5, 0.8, 0.9, 0.95, 0.99, 1.0]))
        self.register_buffer("sampling_rate", torch.tensor(RATE))
        self.register_buffer("latent_size", torch.tensor(LATENTS))
        self.full_latent_size = full
        self.register_buffer("before", torch.zeros(1, LATENTS, 1))
        self.down = CachedConv1d(HOP, 2 * full, 3)
        self.up = CachedUp(full, 1, HOP)
        self.lead = nn.Conv1d(LATENTS + 1, LATENTS, 1)

    @torch.jit.export
    def get_methods(self) -> list[str]:
        return ["encode", "decode", "forward", "prior"]

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        frames = x.reshape(x.shape[0], -1, 16).permute(0, 2, 1)
        mean, scale = self.down(frames).chunk(2, 1)
        z = torch.randn_like(mean) * F.softplus(scale) + mean
        z = F.conv1d(z - self.latent_mean.unsqueeze(-1), self.latent_pca.unsqueeze(-1))
        return z[:, :4]

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        rest = torch.randn(z.shape[0], 2, z.shape[2])
        z = torch.cat([z, rest], 1)
        z = F.conv1d(z, self.latent_pca.t().unsqueeze(-1)) + self.latent_mean.unsqueeze(-1)
        return torch.tanh(self.up(z))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    @torch.jit.export
    def prior(self, warmth: Tensor) -> Tensor:
        made: list[Tensor] = []
        for k in range(warmth.shape[2]):
            given = torch.cat([self.before, warmth[:, :, k : k + 1]], 1)
            self.before = torch.tanh(self.lead(given)) + 0.1 * torch.randn(1, 4, 1)
            made.append(self.before)
        return torch.cat(made, 2)


class Uncached(Decodes):
    """Exported without caches: pads with zeros at each end of every call."""

    def __init__(self, kernel: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv1d(LATENTS, 8, kernel, padding=kernel // 2)
        self.up = nn.ConvTranspose1d(8, 4, 2 * HOP, HOP, padding=HOP // 2)
        self.last = nn.Conv1d(4, 1, 5, padding=2)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return torch.tanh(self.last(torch.relu(self.up(torch.relu(self.first(z))))))


class Endless(Decodes):
    """Without caches, smooth in one piece; a frame depends on all previous frames of the call."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(LATENTS, 8, batch_first=True)
        self.last = nn.Conv1d(8 + LATENTS, 1, 1)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        slow = torch.cumsum(z, 2) * 0.1
        out, _ = self.gru(slow.permute(0, 2, 1))
        level = self.last(torch.cat([out.permute(0, 2, 1), slow], 1))
        return torch.tanh(F.interpolate(level, scale_factor=16.0, mode="linear"))


class Keeping(Decodes):
    """State in a list, in a dictionary, and in an attribute that is empty before the first call."""

    def __init__(self) -> None:
        super().__init__()
        self.up = CachedUp(LATENTS, 1, HOP)
        self.past = [torch.zeros(1, LATENTS, 1), torch.zeros(1, LATENTS, 1)]
        self.held = {"sum": torch.zeros(1, LATENTS, 1)}
        self.last: Any = torch.jit.Attribute(None, Optional[Tensor])  # noqa: UP045

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        whole = torch.cat([self.past[0], self.past[1], z], 2)
        self.past = [whole[:, :, -2:-1], whole[:, :, -1:]]
        last = self.last
        if last is None:
            last = torch.zeros(z.shape[0], 4, 1)
        made: list[Tensor] = []
        for k in range(z.shape[2]):
            last = torch.tanh(last * 0.5 + z[:, :, k : k + 1])
            self.held["sum"] = 0.9 * self.held["sum"] + last
            made.append(0.1 * self.held["sum"])
        self.last = last
        return self.up(F.avg_pool1d(whole, 3, 1) + torch.cat(made, 2))


class Gated(Decodes):
    """An LSTM, and writing in place by a mask and at every fourth sample; an attribute of four numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("curve_params", torch.tensor([5]))
        self.register_buffer("curve", torch.tensor([0.1, 0.5, 0.3, 0.2]))
        self.rnn = nn.LSTM(LATENTS, LATENTS, batch_first=True)
        self.hidden = torch.zeros(1, 1, LATENTS)
        self.cell = torch.zeros(1, 1, LATENTS)
        self.up = CachedUp(LATENTS, 1, HOP)

    @torch.jit.export
    def get_curve(self) -> Tensor:
        return self.curve

    @torch.jit.export
    def set_curve(self, value: Tensor) -> int:
        self.curve = value
        return 0

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        out, (self.hidden, self.cell) = self.rnn(z.permute(0, 2, 1), (self.hidden, self.cell))
        x = self.up((z + out.permute(0, 2, 1)) * self.curve[None, :, None])
        x[x > 0.1] = 0.1
        x[:, :, ::4] *= 0.5
        return x


class Spectral(Decodes):
    """Frames of a spectrum in polar form, turned, transformed back, and overlapped with the next call's."""

    def __init__(self) -> None:
        super().__init__()
        self.bins = nn.Conv1d(LATENTS, 2 * (HOP + 1), 1)
        self.register_buffer("tail", torch.zeros(1, HOP))
        self.register_buffer("window", torch.hann_window(2 * HOP))

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        size, angle = self.bins(z).chunk(2, 1)
        turn = torch.exp(torch.complex(torch.zeros_like(angle), angle))
        frames = torch.fft.irfft((torch.polar(torch.exp(size), angle) * turn).permute(0, 2, 1), n=32) * self.window
        made: list[Tensor] = []
        tail = self.tail
        for k in range(z.shape[2]):
            made.append(frames[:, k, :16] + tail)
            tail = frames[:, k, 16:]
        self.tail = tail
        return torch.cat(made, 1).unsqueeze(1)


class Drawing(Decodes):
    """Draws random numbers in every reproducible way."""

    def __init__(self) -> None:
        super().__init__()
        self.up = CachedUp(LATENTS, 1, HOP)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        noise = torch.zeros_like(z).normal_() * 0.1 + torch.bernoulli(torch.sigmoid(z)) * 0.1
        noise = noise + torch.empty(z.shape[0], 1, z.shape[2]).uniform_(-1.0, 1.0)
        x = self.up(z + noise)
        return x + torch.randint(0, 3, [z.shape[0], 1, x.shape[2]]) * 0.01


class Hearing(nn.Module):
    """A stereo encoder of spectra, and an effect from stereo to mono; without a sample rate."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("encode_params", torch.tensor([2, 1, 5, 32]))
        self.register_buffer("forward_params", torch.tensor([2, 1, 1, 1]))
        self.register_buffer("before", torch.zeros(1, 2, 32))
        self.register_buffer("window", torch.hann_window(64))
        self.bins = nn.Conv1d(66, 5, 1)
        self.effect = CachedConv1d(2, 1, 9)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        whole = torch.cat([self.before, x], 2)
        self.before = whole[:, :, -32:]
        size = torch.stft(whole[0], 64, 32, window=self.window, center=False, return_complex=True).abs()
        return self.bins(torch.log1p(size).reshape(1, 66, -1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.effect(x))


class Counting(Decodes):
    """Counts its calls in a Python number that its level depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.up = CachedUp(LATENTS, 1, HOP)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        self.calls += 1
        return self.up(z) * (1.0 if self.calls % 2 == 0 else 0.5)


class HarmlesslyCounting(Counting):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        self.calls += 1
        return self.up(z)


class Deciding(Decodes):
    """Branches if its input is loud."""

    def __init__(self) -> None:
        super().__init__()
        self.up = CachedUp(LATENTS, 1, HOP)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        x = self.up(z)
        if bool(z.abs().max() > 0.5):
            return x
        return torch.sin(x)


class Choosing(Decodes):
    """Has an intermediate shape that depends on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.up = CachedUp(LATENTS, 1, HOP)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        x = self.up(z)
        return x + x[x > 0].sum()


class Watching(Decodes):
    """Reads a value of its input without any effect."""

    def __init__(self) -> None:
        super().__init__()
        self.up = CachedUp(LATENTS, 1, HOP)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        if bool(torch.isnan(z).any()):
            raise ValueError("not a number")
        return self.up(z)


class Failing(Decodes):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        raise RuntimeError("this model was exported for another machine")


class Large(Decodes):
    """A typical large decoder: upsampling with dilated units, a filterbank, and noise."""

    def __init__(self) -> None:
        super().__init__(latents=16, hop=2048, rate=48_000)
        bands, widths, ratios = 16, (640, 320, 160, 80, 40), (4, 4, 4, 2)
        layers: list[nn.Module] = [CachedConv1d(16, widths[0], 7)]
        for ratio, inside, outside in zip(ratios, widths, widths[1:], strict=False):
            layers += [nn.LeakyReLU(0.2), CachedUp(inside, outside, ratio)]
            layers += [DilatedUnit(outside, dilation) for dilation in (1, 3, 9)]
        self.body = nn.Sequential(*layers)
        self.wave = CachedConv1d(widths[-1], bands, 7)
        self.loudness = CachedConv1d(widths[-1], bands, 7)
        self.coarse = nn.AvgPool1d(64)
        self.noise = FilteredNoise(widths[-1], bands, 17, 64)
        self.bank = Filterbank(bands)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        x = F.leaky_relu(self.body(z), 0.2)
        bands = torch.tanh(self.wave(x)) * torch.sigmoid(self.loudness(x))
        return self.bank(bands + self.noise(self.coarse(x)))


def scripted(model: nn.Module) -> torch.jit.ScriptModule:
    """Script a model."""
    return torch.jit.script(model.eval())


def largest() -> torch.jit.ScriptModule:
    """Make the largest of them, a decoder of about four million weights."""
    torch.manual_seed(0)
    return scripted(Large())
