import pytest
import torch

from export.streaming.layer_base import reset_caches
from models.vae.networks import Scales, audio_decoder, audio_encoder
from models.vae.networks.pictures import NetworkError
from tests.export.streaming.stacks import assert_streams

SMALL = Scales(widths=(4, 6, 8), strides=(4, 4), dilations=(1, 3))
KINDS = [SMALL, Scales(widths=(4, 6), strides=(8,), dilations=(), recurrent=5)]


@pytest.mark.parametrize("scales", KINDS, ids=["convolutional", "recurrent"])
def test_whole_sounds_keep_their_length_and_frames_are_a_hop_long(scales: Scales) -> None:
    encoder, decoder = audio_encoder(2, 6, scales).train(), audio_decoder(3, 2, scales, values=2).train()
    sound = torch.randn(5, 2, 7 * scales.hop)
    latent = encoder(sound)
    assert latent.shape == (5, 6, 7)
    assert decoder(latent[:, :3]).shape == (5, 4, 7 * scales.hop)


def test_any_cut_gives_the_same_output_without_delay() -> None:
    torch.manual_seed(0)
    encoder, decoder = audio_encoder(1, 6, SMALL), audio_decoder(3, 1, SMALL)
    assert encoder.delay == decoder.delay == 0
    assert_streams(encoder, torch.randn(1, 1, 160 * SMALL.hop), [1, 5, 32], [7])
    assert_streams(decoder, torch.randn(1, 3, 160), [1, 5, 32], [7])


@pytest.mark.parametrize("scales", KINDS, ids=["convolutional", "recurrent"])
def test_streaming_from_silence_equals_training(scales: Scales) -> None:
    # Zeros before a sound are what a stream keeps at first, but for what biases make of them: without biases, the same.
    torch.manual_seed(0)
    for layer, x in (
        (audio_encoder(1, 6, scales), torch.randn(1, 1, 20 * scales.hop)),
        (audio_decoder(3, 1, scales), torch.randn(1, 3, 20)),
    ):
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                if name.endswith("bias"):
                    parameter.zero_()
            whole = layer.train()(x)
            layer.eval()
            reset_caches(layer)
            parts = torch.cat([layer(part) for part in x.split(4 * layer.takes, dim=2)], dim=2)
        assert torch.allclose(whole, parts, atol=1e-5)


def test_a_frame_does_not_depend_on_later_audio() -> None:
    torch.manual_seed(0)
    encoder = audio_encoder(1, 4, SMALL).train()
    sound = torch.randn(1, 1, 20 * SMALL.hop)
    other = sound.clone()
    other[:, :, 10 * SMALL.hop :] = 0
    gap = (encoder(sound) - encoder(other)).abs().amax(dim=(0, 1))
    assert float(gap[:10].max()) == 0
    assert float(gap[10]) > 0


@pytest.mark.parametrize(
    "arguments",
    [{"widths": (4, 8), "strides": (2, 2)}, {"widths": (4,), "strides": ()}, {"widths": (4, 0), "strides": (2,)}],
)
def test_scales_that_do_not_fit_are_refused(arguments: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(NetworkError):
        Scales(**arguments)  # type: ignore[arg-type]
