"""From notes to a file that is played by pitch and loudness."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from export.errors import ContractError
from export.format.graph import split
from export.format.io import load
from export.proof import chunk_equality as proof
from models.checkpoint_export import export
from models.data.features import load_audio
from models.data.manifest import Manifest
from models.dsp.pitch import refine
from models.harmonics.harmonic_series import audible, frequencies
from models.playable_vae import checkpoint
from models.playable_vae.checkpoint import Playable
from models.playable_vae.export import write
from models.playable_vae.network import PlayableConfig, PlayableVae
from models.playable_vae.replay import Replay, Score
from models.playable_vae.settings import PlayableSettings
from models.playable_vae.train import train
from models.training.errors import CheckpointError, ConfigError
from models.training.finish import Finished
from models.training.run_config import RunConfig
from tests.models.playable_vae.conftest import SMALL


@pytest.fixture(scope="module")
def replay(playable_file: Path) -> Replay:
    return Replay(*load(playable_file))


def level_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=float)) + 1e-20))


def test_decoded_sound_has_exactly_the_requested_loudness() -> None:
    torch.manual_seed(0)
    vae = PlayableVae(PlayableConfig(hidden=32))
    pitch = torch.tensor([30.0, 60.0, 100.0])
    drawn = vae.decode(3 * torch.randn(3, 8), pitch, torch.full((3,), -20.0))
    in_range = audible(frequencies(pitch, drawn.stretch), 48_000)
    power = 0.5 * ((torch.exp(drawn.harmonics) * in_range) ** 2).sum(-1) + (torch.exp(2 * drawn.noise) * vae.share).sum(
        -1
    )
    assert power.detach().numpy() == pytest.approx(1.0, rel=1e-4)


def test_nothing_is_played_that_would_alias() -> None:
    hz = frequencies(torch.tensor([108.0]), torch.tensor([[-6.0]]))
    assert float((hz * (audible(hz, 48_000) > 0)).max()) < 22_000
    assert float(audible(torch.tensor(25_000.0), 48_000)) == 0.0


def test_training_lowers_the_loss_and_records_provenance(playable: tuple[Path, Playable]) -> None:
    out, made = playable
    again = checkpoint.load(out)
    for part in ("vae", "presets", "spectral_encoder"):
        for a, b in zip(
            getattr(made, part).state_dict().values(), getattr(again, part).state_dict().values(), strict=True
        ):
            assert torch.equal(a, b)
    assert again.latent == made.latent
    assert made.presets.instruments == ("clarinet", "flute")
    assert (made.provenance.steps, made.provenance.command) == (60, "a test")
    assert made.provenance.licence.startswith("MIT")
    assert checkpoint.SPEC.matches(out)


def test_it_ends_with_a_file_to_play_and_a_page_to_look_at(playable: tuple[Path, Playable], finished: Finished) -> None:
    assert finished.model == playable[0] / f"{playable[0].name}.onnx"
    text = finished.report.read_text()
    assert "harmonics and noise" in text  # the ceiling beside each figure
    assert text.count("<audio") >= 4


def test_a_training_is_resumed_to_the_weights_it_would_have_had(
    playable: tuple[Path, Playable], small_orchestra: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    from models.playable_vae.lightning_module import PlayableModule
    from models.training.errors import TrainingError

    cache = playable[0] / "features"
    step = PlayableModule.training_step

    def interrupted(self: PlayableModule, draw: object, number: int) -> object:
        if self.global_step == 40:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, draw, number)  # type: ignore[arg-type]

    run = RunConfig(tmp_path / "out", cache, accelerator="cpu", command="a test")
    with monkeypatch.context() as patch:
        patch.setattr(PlayableModule, "training_step", interrupted)
        with pytest.raises(TrainingError, match="Interrupted at step 41"):
            train(small_orchestra.folder, run, SMALL, show_progress=False)
    made = train(small_orchestra.folder, replace(run, resume=True), SMALL, show_progress=False)
    for a, b in zip(made.vae.state_dict().values(), playable[1].vae.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b)


def test_untrainable_settings_are_refused(
    playable: tuple[Path, Playable], small_orchestra: Manifest, tmp_path: Path
) -> None:
    run = RunConfig(playable[0], accelerator="cpu")
    with pytest.raises(ConfigError, match="already holds a training"):
        train(small_orchestra.folder, run, SMALL)
    with pytest.raises(ConfigError, match="began with seed = 0, not 1"):
        train(small_orchestra.folder, replace(run, resume=True), replace(SMALL, seed=1))
    with pytest.raises(CheckpointError, match="nothing to resume"):
        train(small_orchestra.folder, replace(run, out=tmp_path, resume=True), SMALL)
    with pytest.raises(ConfigError, match="'max_steps' must be at least 1"):
        train(small_orchestra.folder, run, PlayableSettings(max_steps=0))


@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(1, 20), min_size=1, max_size=6))
@pytest.mark.parametrize("method", ["decode", "encode"])
def test_any_cut_gives_the_same_output(playable_file: Path, method: str, cuts: list[int]) -> None:
    model, card = load(playable_file)
    session = ort.InferenceSession(split(model, method).SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = proof.random_input(card, method, sum(cuts), np.random.default_rng(0))
    whole, _ = proof.run_chunks(session, method, card.method(method), feeds, [sum(cuts)])
    parts, _ = proof.run_chunks(session, method, card.method(method), feeds, cuts)
    assert np.abs(whole - parts).max() <= 1e-5 * max(1.0, float(np.abs(whole).max()))


def test_the_card_matches_the_model(playable_file: Path) -> None:
    _, card = load(playable_file)
    assert set(card.methods) == {"decode", "encode"}
    decode = card.method("decode")
    assert (decode.output, decode.hop, decode.delay) == ("audio", 128, 0)
    assert [control.name for control in decode.controls] == ["pitch", "loudness", "instrument"]
    assert decode.controls[0].unit == "MIDI note"
    assert decode.controls[1].unit == "dBFS"
    assert "1 clarinet, 2 flute" in decode.controls[2].text
    assert any(point.label.startswith("flute ") for point in card.latent.map)


@pytest.mark.parametrize(("pitch", "loudness"), [(52.0, -20.0), (64.5, -40.0), (81.0, -12.0)])
def test_pitch_and_loudness_follow_their_controls(replay: Replay, pitch: float, loudness: float) -> None:
    for instrument in (0.0, 1.0, 1.5):
        audio = replay.play(Score(np.full(250, pitch), np.full(250, loudness), instrument=instrument))[2_000:]
        assert level_db(audio) == pytest.approx(loudness, abs=0.5)
    assert np.median(np.abs(refine(audio, 48_000, pitch + 0.2, 256) - pitch)) < 0.1


def test_the_quietest_is_silence(replay: Replay) -> None:
    assert np.abs(replay.play(Score(np.full(20, 60.0), np.full(20, -90.0)))).max() == 0.0


def test_a_latent_moves_the_timbre_and_not_the_level(replay: Replay) -> None:
    latent = replay.card.latent
    sweep = np.repeat(np.array(latent.mean)[:, None], 600, axis=1)
    sweep[latent.order[0]] += latent.std[latent.order[0]] * np.linspace(-2, 2, 600)
    audio = replay.play(Score(np.full(600, 57.0), np.full(600, -20.0), sweep))[2_000:]
    assert np.ptp([level_db(part) for part in np.array_split(audio, 8)]) < 0.5
    begin, end = (np.abs(np.fft.rfft(part * np.hanning(len(part)))) for part in (audio[:8192], audio[-8192:]))
    assert np.abs(begin - end).sum() > 0.05 * begin.sum()


def test_a_preset_is_an_instrument_and_latents_move_about_it(replay: Replay, playable: tuple[Path, Playable]) -> None:
    frames, model = 60, playable[1]
    pitch, loudness = torch.full((frames,), 70.0), torch.full((frames,), -25.0)
    weights = torch.tensor([0.0, 1.0]).expand(frames, 2)
    with torch.no_grad():
        wanted = model.presets(weights, pitch, loudness).T.numpy()
    named = replay.play(Score(pitch.numpy(), loudness.numpy(), instrument=2.0))
    by_latent = replay.play(Score(pitch.numpy(), loudness.numpy(), wanted))
    np.testing.assert_allclose(named, by_latent, atol=1e-4)
    moved = np.array(replay.card.latent.mean)[:, None] + np.ones((4, frames))
    assert np.abs(replay.play(Score(pitch.numpy(), loudness.numpy(), moved, 2.0)) - named).max() > 1e-4


def test_a_sound_round_trips_through_encode_and_decode(replay: Replay, small_orchestra: Manifest) -> None:
    sound = small_orchestra.of_split("held-out")[0]
    audio = load_audio(small_orchestra.path_of(sound), 48_000)
    made = replay.resynthesise(audio, sound.pitch)
    assert made.shape == audio.shape
    assert level_db(made) == pytest.approx(level_db(audio), abs=1.0)


def test_several_voices_sound_each_at_its_pitch(playable: tuple[Path, Playable], tmp_path: Path) -> None:
    path = tmp_path / "three.onnx"
    export(playable[0], path, voices=3)
    replay = Replay(*load(path))
    names = [control.name for control in replay.decode.controls]
    assert names == ["pitch", "loudness", "pitch.2", "loudness.2", "pitch.3", "loudness.3", "instrument"]
    reported = {"pitch": 60.0, "loudness": -20.0, "pitch.2": 64.0, "loudness.2": -20.0, "pitch.3": 67.0}
    audio = replay.play_controls(np.repeat(np.array(replay.card.latent.mean)[:, None], 400, axis=1), reported)
    spectrum = np.abs(np.fft.rfft(audio[-32_768:] * np.hanning(32_768)))

    def peak(note: float) -> float:
        at = round(440 * 2 ** ((note - 69) / 12) * 32_768 / 48_000)
        return float(spectrum[at - 3 : at + 4].max())

    assert min(peak(60), peak(64)) > 20 * peak(62)
    assert peak(67) < 0.05 * peak(60)  # the third is silent until it is played
    alone = replay.play_controls(np.repeat(np.array(replay.card.latent.mean)[:, None], 400, axis=1), {})
    assert level_db(alone[2_000:]) == pytest.approx(-20, abs=0.5)


def test_a_model_without_voices_has_none_to_give(training: tuple[Path, object], tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="Only a playable model has voices"):
        export(training[0], tmp_path / "a.onnx", voices=2)


def test_voices_have_a_limit_and_checkpoints_a_kind(
    playable: tuple[Path, Playable], training: tuple[Path, object], tmp_path: Path
) -> None:
    with pytest.raises(ContractError, match="1 to 16 voices, not 17"):
        write(playable[1], tmp_path / "a.onnx", "a", voices=17)
    with pytest.raises(CheckpointError, match="is not a 'glitch-lab playable model' checkpoint"):
        checkpoint.load(training[0])
