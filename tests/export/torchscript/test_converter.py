"""TorchScript of the nn~ kind becomes a model file with the same sound, or is refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from export.errors import ContractError
from export.format.card import Card
from export.format.graph import one_frame, split
from export.format.io import load
from export.proof.chunk_equality import TOLERANCE, run_chunks
from export.torchscript.converter import Conversion, convert
from export.torchscript.method_runner import MethodRunner
from export.torchscript.tracing.repeatable_noise import Draw, draw_numbers
from realtime.engine.decoder import Decoder
from tests.export.torchscript import scripts

PLAYABLE: dict[str, Callable[[], nn.Module]] = {
    "causal": scripts.Causal,
    "centred": scripts.Centred,
    "filterbank": scripts.Banked,
    "noise": scripts.Noisy,
    "filterbank and noise": lambda: scripts.Banked(noisy=True),
    "attributes": scripts.Knobs,
    "recurrent": scripts.Recurrent,
    "stereo": scripts.Stereo,
    "variational": scripts.Variational,
    "two voices": scripts.TwoVoices,
    "uncached": scripts.Uncached,
    "endless": scripts.Endless,
    "keeping": scripts.Keeping,
    "gated": scripts.Gated,
    "spectral": scripts.Spectral,
    "drawing": scripts.Drawing,
    "hearing": scripts.Hearing,
    "harmlessly counting": scripts.HarmlesslyCounting,
    "watching": scripts.Watching,
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def converted(folder: Path, model: nn.Module) -> tuple[Path, Conversion]:
    source, out = folder / "model.ts", folder / "model.onnx"
    scripts.scripted(model).save(str(source))
    return out, convert(source, out)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Conversion]]:
    """Models of `PLAYABLE`, each converted once."""
    made: dict[str, tuple[Path, Conversion]] = {}

    def get(kind: str) -> tuple[Path, Conversion]:
        if kind not in made:
            torch.manual_seed(0)
            made[kind] = converted(tmp_path_factory.mktemp("script"), PLAYABLE[kind]())
        return made[kind]

    return get


Library = Callable[[str], tuple[Path, Conversion]]


def refused(folder: Path, model: nn.Module, match: str) -> str:
    with pytest.raises(ContractError, match=match) as caught:
        converted(folder, model)
    assert "\n" not in str(caught.value)
    assert [path.name for path in folder.iterdir()] == ["model.ts"]
    return str(caught.value)


def controls(card: Card, method: str = "decode") -> dict[str, float]:
    return {control.name: control.default for control in card.method(method).controls}


def render(path: Path, latents: np.ndarray, **turned: float) -> np.ndarray:
    """Decode from rest with some controls changed; underscores in their names stand for dots."""
    decoder = Decoder(path)
    given = controls(decoder.card) | turned
    values = np.repeat(np.array([given[c.name] for c in decoder.method.controls], np.float32)[:, None], 1, axis=1)
    return decoder.render(latents, np.repeat(values, latents.shape[1], axis=1))


def latents(card: Card, frames: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((card.latent.size, frames)).astype(np.float32)


@pytest.mark.parametrize("kind", PLAYABLE)
def test_a_script_is_converted_with_its_parity_on_the_card(library: Library, kind: str) -> None:
    path, conversion = library(kind)
    model, card = load(path)
    assert card == conversion.card
    for name, method in card.methods.items():
        assert one_frame(model, name)
        assert method.measured is not None
        assert method.measured.parity is not None
        assert method.measured.parity <= TOLERANCE
        assert method.measured.parity_steps >= 64
    if "decode" not in card.methods:
        return
    audio = render(path, latents(card))
    assert np.isfinite(audio).all()
    assert np.abs(audio).max() > 1e-3


@pytest.mark.parametrize("kind", ["causal", "recurrent", "stereo", "centred", "two voices"])
def test_the_file_equals_the_script_for_any_chunks(library: Library, kind: str) -> None:
    """Compared independently of the converter's proof."""
    path, _ = library(kind)
    model, card = load(path)
    graph = split(model, "decode")
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    script = torch.jit.load(str(path.with_suffix(".ts")))
    z = latents(card, 96)
    with torch.no_grad():
        for _ in range(200):  # to its rest
            script.decode(torch.zeros(1, card.latent.size, 1))
        cuts = [1, 2, 4, 9, 64, 16]
        whole = torch.cat([script.decode(part) for part in torch.from_numpy(z)[None].split(cuts, dim=2)], dim=2)
    made, _ = run_chunks(session, "decode", card.method("decode"), {"decode.input": z[None]}, [1] * 96)
    np.testing.assert_allclose(made, whole.numpy(), atol=TOLERANCE)


@pytest.mark.parametrize(("kind", "voices"), [("causal", 1), ("two voices", 2)])
def test_of_64_voices_only_the_sounding_ones_are_carried(library: Library, kind: str, voices: int) -> None:
    path, _ = library(kind)
    assert {state.shape[0] for state in load(path)[1].method("decode").rest} == {voices}


def test_caches_are_detected_by_behaviour(library: Library) -> None:
    path, _ = library("stereo")
    card = load(path)[1]
    assert card.method("decode").channels == 2
    assert sorted(state.shape for state in card.method("decode").rest) == [(1, 6, 6), (1, 6, 16)]


def test_all_four_methods_are_converted(library: Library) -> None:
    path, _ = library("variational")
    card = load(path)[1]
    assert set(card.methods) == {"encode", "decode", "transform", "prior"}
    assert card.sample_rate == scripts.RATE
    assert card.latent.size == scripts.LATENTS
    assert card.latent.order == tuple(range(scripts.LATENTS))
    assert "4 principal components of 6 latents, 95% of the variance" in card.provenance.notes
    assert "sha256" in card.provenance.data


def test_a_stereo_effect_to_mono_plays_in_stereo(library: Library) -> None:
    path, conversion = library("hearing")
    card = load(path)[1]
    assert {name: (method.hop, method.channels) for name, method in card.methods.items()} == {
        "encode": (32, 2),
        "transform": (32, 2),
    }
    assert "sample rate is not in the file; 48000 Hz" in conversion.warnings[0]


def test_an_attribute_of_many_numbers_is_controlled_element_by_element(library: Library) -> None:
    path, _ = library("gated")
    card = load(path)[1]
    (control,) = card.method("decode").controls
    assert (control.name, control.size, control.default) == ("curve", 4, 0.0)
    graph = MethodRunner(*load(path), "decode")
    script = torch.jit.load(str(path.with_suffix(".ts")))
    with torch.no_grad():
        for _ in range(100):  # to its rest
            script.decode(torch.zeros(1, card.latent.size, 1))
    script.set_curve(script.get_curve() + 0.2)
    graph.values = {"curve": 0.2}
    for frame in latents(card).T[:, None, :, None]:
        with torch.no_grad():
            wanted = script.decode(torch.from_numpy(np.ascontiguousarray(frame)))
        np.testing.assert_allclose(graph.step(np.ascontiguousarray(frame)), wanted.numpy(), atol=TOLERANCE)


def test_noise_is_reproducible_by_its_seed_and_absent_at_amount_zero(library: Library) -> None:
    path, _ = library("variational")
    card = load(path)[1]
    z = latents(card)
    once, again = render(path, z), render(path, z)
    np.testing.assert_array_equal(once, again)
    other = render(path, z, **{"noise.seed": 77.0})
    assert np.abs(other - once).max() > 1e-2
    np.testing.assert_array_equal(other, render(path, z, **{"noise.seed": 77.0}))
    still = render(path, z, noise=0.0)
    np.testing.assert_array_equal(still, render(path, z, **{"noise": 0.0, "noise.seed": 77.0}))
    constant = np.zeros_like(z)
    held = render(path, constant, noise=0.0)[0, 4 * scripts.HOP :].reshape(-1, scripts.HOP)
    np.testing.assert_allclose(held, np.broadcast_to(held[:1], held.shape), atol=1e-6)
    moving = render(path, constant)[0, 4 * scripts.HOP :].reshape(-1, scripts.HOP)
    assert np.abs(moving - moving[:1]).max() > 1e-2


def test_noise_is_white_with_the_right_distribution() -> None:
    draws = [Draw("normal", (1, 999)), Draw("uniform", (3, 1000))]
    frames = [draw_numbers(draws, 5, count) for count in range(60)]
    normal = np.stack([frame[0] for frame in frames])
    uniform = np.stack([frame[1] for frame in frames])
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1) < 0.02
    assert abs((normal**4).mean() - 3) < 0.15
    assert abs(uniform.mean() - 0.5) < 0.01
    assert abs(uniform.std() - 12**-0.5) < 0.005
    assert uniform.min() >= 0
    assert uniform.max() < 1
    for rows in (normal, uniform):
        correlated = np.corrcoef(rows) - np.eye(len(rows))
        assert np.abs(correlated).max() < 0.2
        assert abs(np.corrcoef(rows[:, :-1].ravel(), rows[:, 1:].ravel())[0, 1]) < 0.02


def test_attributes_become_live_controls_except_switches(library: Library) -> None:
    path, conversion = library("attributes")
    card = load(path)[1]
    assert controls(card) == {"gain": 0.5, "level": -6.0, "wet": 1.0, "steps": 3.0, "tilt": 0.25}
    (warning,) = conversion.warnings
    assert "squared (0)" in warning
    script = torch.jit.load(str(path.with_suffix(".ts")))
    script.set_gain(0.8)
    script.set_level(-3.0)
    script.set_steps(5)
    script.set_tilt(torch.tensor([0.4]))
    z = latents(card)
    with torch.no_grad():
        wanted = torch.cat([script.decode(part) for part in torch.from_numpy(z)[None].split(1, dim=2)], dim=2)
    turned = render(path, z, gain=0.8, level=-3.0, steps=5.0, tilt=0.4)
    np.testing.assert_allclose(turned, wanted[0].numpy(), atol=TOLERANCE)
    assert np.abs(turned - render(path, z)).max() > 0.05


def test_a_model_without_caches_sounds_as_rendered_in_one_piece(library: Library) -> None:
    path, conversion = library("uncached")
    card = load(path)[1]
    script = torch.jit.load(str(path.with_suffix(".ts")))
    (warning,) = conversion.warnings
    assert "exported without caches" in warning
    assert "3 frames back and 3 ahead" in warning
    z = latents(card, 60)
    with torch.no_grad():
        whole = script.decode(torch.from_numpy(z)[None])[0].numpy()
    audio = render(path, z)
    late, edge = 3 * scripts.HOP, 8 * scripts.HOP
    np.testing.assert_allclose(audio[:, late + edge :], whole[:, edge : -late or None], atol=TOLERANCE)


def test_windows_of_a_model_with_unlimited_reach_are_crossfaded(library: Library) -> None:
    path, conversion = library("endless")
    card = load(path)[1]
    script = torch.jit.load(str(path.with_suffix(".ts")))
    assert "crossfaded" in conversion.warnings[0]
    time = np.arange(200) / 20
    z = np.stack([np.sin(2 * np.pi * (k + 1) * time) for k in range(card.latent.size)]).astype(np.float32)
    with torch.no_grad():
        called = [script.decode(torch.from_numpy(z[None, :, k : k + 1]))[0].numpy() for k in range(200)]

    def border(audio: np.ndarray) -> float:
        frames = audio[0, 40 * scripts.HOP :].reshape(-1, scripts.HOP)
        return float(np.abs(frames[1:, 0] - frames[:-1, -1]).max())

    audio = render(path, z)
    inside = np.abs(np.diff(audio[0, 40 * scripts.HOP :].reshape(-1, scripts.HOP), axis=1)).max()
    assert border(np.concatenate(called, axis=1)) > 5 * border(audio)
    assert border(audio) <= 1.5 * inside


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (scripts.Counting, "changes the number 'calls'"),
        (scripts.Deciding, "operations depend on the input values .*aten::"),
        (scripts.Choosing, "aten::index"),
        (scripts.Failing, "'decode' .* fails .*exported for another machine"),
    ],
)
def test_methods_that_cannot_be_a_graph_are_refused_with_the_reason(
    tmp_path: Path, kind: type[nn.Module], match: str
) -> None:
    message = refused(tmp_path, kind(), match)
    assert "decode" in message


def test_a_file_that_declares_no_method_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, nn.Conv1d(1, 1, 1), "announces no method")


@pytest.mark.parametrize("junk", [b"", b"PK\x03\x04 not quite", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_torchscript_is_refused_in_one_sentence(tmp_path: Path, junk: bytes) -> None:
    source = tmp_path / "junk.ts"
    source.write_bytes(junk)
    with pytest.raises(ContractError, match="not a TorchScript file") as caught:
        convert(source, tmp_path / "junk.onnx")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "junk.onnx").exists()


def test_a_method_whose_ratios_do_not_fit_is_left_out_and_named(tmp_path: Path) -> None:
    class Odd(scripts.Causal):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("describe_params", torch.tensor([1, 4, 3, 8]))

        @torch.jit.export
        def get_methods(self) -> list[str]:
            return ["decode", "describe"]

        @torch.jit.export
        def describe(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :, ::2].repeat(1, 3, 1)

    path, conversion = converted(tmp_path, Odd())
    assert set(load(path)[1].methods) == {"decode"}
    assert "describe (1 at 1/4 to 3 at 1/8) is left out" in conversion.warnings[0]


def test_caches_in_some_layers_only_are_refused(tmp_path: Path) -> None:
    """Caches in one layer and none in another."""

    class Half(scripts.Decodes):
        def __init__(self) -> None:
            super().__init__()
            self.first = scripts.CachedConv1d(scripts.LATENTS, 8, 3)
            self.second = nn.Conv1d(8, scripts.HOP, 3, padding=1)

        @torch.jit.export
        def decode(self, z: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(z)).permute(0, 2, 1).reshape(1, 1, -1)

    refused(tmp_path, Half(), "has 1 caches, but its output for 8 frames")


@pytest.mark.parametrize("kind", [scripts.Causal, scripts.Noisy])
def test_a_wrong_conversion_is_refused_with_the_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[nn.Module]
) -> None:
    """A weight is changed after the recording."""

    def spoilt(model: onnx.ModelProto) -> onnx.ModelProto:
        weight = next(t for t in model.graph.initializer if list(t.dims) == [8, scripts.LATENTS, 3])
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.01, weight.name))
        return model

    monkeypatch.setattr("export.torchscript.converter.convs_as_matmul", spoilt)
    refused(tmp_path, kind(), "not converted correctly: .* differs is 'first.conv'")
