import hypothesis
import hypothesis.strategies as st
import librosa
import numpy as np
import pytest
import torch

from models.dsp.transforms.scaling import Decibel, Log, Mu, Scaling
from models.dsp.transforms.transform_base import TransformError

SCALINGS = st.one_of(
    st.builds(Log, st.floats(1e-9, 1e-2)),
    st.builds(Decibel, st.floats(-160, -20), st.floats(1e-3, 1e3), st.booleans()),
    st.builds(Mu, st.floats(0.5, 1e5), st.floats(1e-3, 1e3)),
)


def floor(scaling: Scaling) -> float:
    match scaling:
        case Log():
            return scaling.floor
        case Decibel():
            return scaling.reference * 10 ** (scaling.floor_db / (10 if scaling.power else 20))
    return 0.0


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(scaling=SCALINGS, values=st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_every_scale_gives_back_what_is_not_below_its_floor(scaling: Scaling, values: list[float]) -> None:
    given = torch.tensor(values, dtype=torch.float64)
    back = scaling.inverse(scaling.forward(given))
    torch.testing.assert_close(back, given.clamp(min=floor(scaling)), rtol=1e-9, atol=1e-12)
    assert torch.isfinite(scaling.forward(given)).all()


@pytest.mark.parametrize("scaling", [Log(1e-3), Decibel(-60), Mu()])
def test_a_louder_sound_is_not_lower_and_has_a_gradient(scaling: Scaling) -> None:
    values = torch.linspace(0.01, 1, 50, dtype=torch.float64).requires_grad_()
    assert (torch.diff(scaling.forward(values).detach()) > 0).all()
    assert torch.autograd.gradcheck(scaling.forward, values)
    assert torch.autograd.gradcheck(lambda x: scaling.inverse(scaling.forward(x)), values)


def test_decibels_are_librosas() -> None:
    values = np.random.default_rng(0).gamma(0.2, 1.0, 100)
    for power, theirs in ((False, librosa.amplitude_to_db), (True, librosa.power_to_db)):
        ours = Decibel(-80, 0.5, power).forward(torch.from_numpy(values)).numpy()
        np.testing.assert_allclose(ours, np.maximum(theirs(values, ref=0.5, amin=1e-20, top_db=None), -80), atol=1e-9)


def test_the_mu_law_is_librosas_and_keeps_the_sign() -> None:
    values = np.linspace(-1, 1, 101)
    ours = Mu(255).forward(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(ours, librosa.mu_compress(values, mu=255, quantize=False), atol=1e-12)


@pytest.mark.parametrize("wrong", [lambda: Log(0), lambda: Decibel(reference=-1), lambda: Mu(mu=0), lambda: Mu(peak=0)])
def test_a_scale_that_cannot_be_is_refused(wrong: type) -> None:
    with pytest.raises(TransformError, match="above 0"):
        wrong()
