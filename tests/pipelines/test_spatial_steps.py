import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.placed import Placed, Values
from pipelines.resampling import resample
from pipelines.spatial_steps import LETTERS, Crop, Orient, Resample
from pipelines.volume import Vector

sides = st.integers(1, 24)
AXIAL: tuple[Vector, ...] = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))


def smooth(shape: tuple[int, ...]) -> Values:
    """Half a wave along each axis, whatever its length."""
    waves = [np.cos((np.arange(side) + 0.5) / side * np.pi) for side in shape]
    return np.asarray(np.add.outer(np.add.outer(waves[0], waves[1]), waves[2]), np.float32)


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(sides, sides, sides), new=st.tuples(sides, sides, sides), value=st.floats(-3e3, 3e3))
def test_a_constant_stays_constant_on_any_grid(
    shape: tuple[int, int, int], new: tuple[int, int, int], value: float
) -> None:
    result = resample(np.full(shape, value, np.float32), new)
    assert result.shape == new
    np.testing.assert_allclose(result, np.float32(value), rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(shape=st.tuples(*[st.integers(16, 40)] * 3), factor=st.floats(0.7, 2.5))
def test_resampling_there_and_back_keeps_what_is_smooth(shape: tuple[int, int, int], factor: float) -> None:
    values = smooth(shape)
    there = resample(values, tuple(max(8, round(side * factor)) for side in shape))
    np.testing.assert_allclose(resample(there, shape), values, atol=0.12)
    inner = (slice(3, -3),) * 3
    np.testing.assert_allclose(resample(there, shape)[inner], values[inner], atol=0.05)


@settings(max_examples=40, deadline=None)
@given(side=st.integers(4, 40), new=st.integers(2, 80))
def test_resampling_does_not_move_the_image(side: int, new: int) -> None:
    """A ramp keeps its place to a tenth of a pixel, field of view on field of view."""
    ramp = ((np.arange(side) + 0.5) / side).astype(np.float32)
    expected = (np.arange(new) + 0.5) / new
    result = resample(ramp, (new,))
    inside = (expected > 1.5 / min(side, new)) & (expected < 1 - 1.5 / min(side, new))
    np.testing.assert_allclose(result[inside], expected[inside], atol=0.1 / min(side, new))


def test_going_coarser_averages_instead_of_skipping() -> None:
    stripes = np.isin(np.arange(64) % 4, (0, 3)).astype(np.float32)
    np.testing.assert_allclose(resample(stripes, (16,))[1:-1], 0.5, atol=0.01)


def test_the_spacing_reached_divides_the_field_of_view() -> None:
    placed = Placed(np.zeros((10, 512, 512), np.float32), (3.0, 0.7, 0.7), AXIAL)
    step = Resample.model_validate({"Step": "resample", "SpacingMm": [1.0, 1.0, 1.0]})
    there, _ = step.forward(placed)
    assert there.values.shape == (30, 358, 358)
    extents = np.array(there.values.shape) * there.spacing_mm
    np.testing.assert_allclose(extents, [30, 358.4, 358.4])


def axes_3d() -> list[str]:
    return [a + b + c for a in "LRPASI" for b in "LRPASI" for c in "LRPASI" if _perpendicular(a + b + c)]


def _perpendicular(letters: str) -> bool:
    return len({np.flatnonzero(LETTERS[letter])[0] for letter in letters}) == 3


@pytest.mark.parametrize("axes", axes_3d())
def test_orienting_turns_every_axis_as_asked_and_back_exactly(axes: str) -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    placed = Placed(values, (3.0, 0.5, 0.7), AXIAL)
    turned, back = Orient.model_validate({"Step": "orient", "Axes": axes}).forward(placed)
    assert turned.directions_lps == tuple(LETTERS[letter] for letter in axes)
    voxel = {1.0: 0.7, 2.0: 0.5, 3.0: 3.0}
    for letter, spacing in zip(axes, turned.spacing_mm, strict=True):
        assert spacing == voxel[float(np.flatnonzero(LETTERS[letter])[0]) + 1]
    np.testing.assert_array_equal(back(turned.values.copy()), values)


def test_an_oblique_volume_is_turned_to_the_nearest_axes() -> None:
    tilted: tuple[Vector, ...] = ((0.0, -0.3, 0.95), (0.0, 0.95, 0.3), (-1.0, 0.0, 0.0))
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    turned, back = Orient.model_validate({"Step": "orient", "Axes": "SPL"}).forward(
        Placed(values, (1.0, 1.0, 1.0), tilted)
    )
    np.testing.assert_array_equal(turned.values, values[:, :, ::-1])
    np.testing.assert_array_equal(back(turned.values), values)


@pytest.mark.parametrize("axes", ["LR", "LLS", "SPX", "S", "SPLA"])
def test_axes_that_make_no_sense_are_refused(axes: str) -> None:
    with pytest.raises(ValidationError):
        Orient.model_validate({"Step": "orient", "Axes": axes})


@settings(max_examples=60, deadline=None)
@given(shape=st.tuples(sides, sides), wanted=st.tuples(sides, sides))
def test_a_crop_takes_the_middle_and_puts_it_back(shape: tuple[int, int], wanted: tuple[int, int]) -> None:
    values = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    step = Crop.model_validate({"Step": "crop", "Shape": wanted})
    cropped, back = step.forward(Placed(values, (1.0, 1.0), AXIAL[1:]))
    assert cropped.values.shape == (min(shape[0], wanted[0]), min(shape[1], wanted[1]))
    np.testing.assert_array_equal(back(cropped.values.copy()), values)
    changed = back(cropped.values + 1000)
    assert np.count_nonzero(changed != values) == cropped.values.size
