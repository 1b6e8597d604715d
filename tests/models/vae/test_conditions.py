import math

import pytest
import torch

from models.vae import conditions
from models.vae.conditions import ConditionError


def test_a_class_is_one_hot_and_interpolates_between_neighbours() -> None:
    kind = conditions.one_of("instrument", ("flute", "oboe", "horn"))
    encoded = kind.features(torch.tensor([0.0, 1.0, 1.25, 2.0, 7.0, -3.0]))
    assert encoded.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0.75, 0.25], [0, 0, 1], [0, 0, 1], [1, 0, 0]]


def test_a_level_is_scaled_to_its_range() -> None:
    level = conditions.loudness(-90.0)
    assert level.features(torch.tensor([-90.0, -48.0, -6.0])).tolist() == [[-1], [0], [1]]


def test_a_pitch_four_octaves_up_looks_the_same_to_the_waves_and_a_semitone_up_does_not() -> None:
    note = conditions.pitch().features(torch.tensor([60.0, 61.0, 108.0]))  # four octaves: the slowest wave's length
    waves = note[:, 1:]
    assert torch.allclose(waves[0], waves[2], atol=1e-4)
    assert float((waves[0] - waves[1]).abs().max()) > 0.5
    assert float(note[1, 0] - note[0, 0]) == pytest.approx(1 / 12)
    assert float(waves[0].square().sum()) == pytest.approx(waves.shape[1] / 2)


@pytest.mark.parametrize(
    "condition", [conditions.pitch(), conditions.loudness(), conditions.one_of("label", ("a", "b", "c", "d"))]
)
def test_a_stream_is_conditioned_frame_by_frame_as_a_picture_is_once(condition: conditions.Condition) -> None:
    values = torch.linspace(condition.minimum, condition.maximum, 12).reshape(2, 6)
    stream = condition.features(values)
    assert stream.shape == (2, condition.size, 6)
    for k in range(6):
        assert torch.allclose(stream[:, :, k], condition.features(values[:, k]), atol=1e-6)


def test_conditions_lie_behind_the_latent_in_their_order() -> None:
    encoded = (conditions.loudness(), conditions.one_of("label", ("a", "b")))
    z = torch.randn(3, 4, 5)
    values = {"label": torch.ones(3, 5), "loudness": torch.full((3, 5), -48.0)}
    joined = conditions.append_conditions(encoded, values, z)
    assert joined.shape == (3, 4 + conditions.total_size(encoded), 5)
    assert torch.equal(joined[:, :4], z)
    assert joined[0, 4:, 0].tolist() == [0, 0, 1]


def test_a_condition_becomes_a_live_control_of_the_same_range() -> None:
    control = conditions.pitch().control()
    assert (control.name, control.unit, control.minimum, control.maximum) == ("pitch", "MIDI note", 24, 108)
    assert control.per_frame
    label = conditions.one_of("label", ("bark", "horn")).control()
    assert (label.minimum, label.maximum, label.default) == (0, 1, 0)
    assert "0 bark, 1 horn" in label.text


def test_a_choice_of_one_is_none_and_a_very_long_list_is_only_counted() -> None:
    with pytest.raises(ConditionError, match="at least two classes"):
        conditions.one_of("label", ("only",))
    many = conditions.one_of("label", [f"class number {k}" for k in range(100)])
    assert "one of 100" in many.text
    assert len(many.text) < 100


def test_the_pitch_waves_have_the_documented_periods() -> None:
    for k in range(conditions.PITCH_WAVES):
        octaves = 4 / 2**k
        here, there = (
            conditions.pitch_features(torch.tensor(note), conditions.PITCH_WAVES)[1 + k]
            for note in (50.0, 50.0 + 12 * octaves)
        )
        assert math.isclose(float(here), float(there), abs_tol=1e-4)
