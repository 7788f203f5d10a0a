import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from pipelines.placed import Placed, Values
from pipelines.prepare import Preparation, pad_to_multiple
from pipelines.steps import Clip, Scale

CLIP = Clip.model_validate({"Step": "clip", "Lower": -1024, "Upper": 3071})
SCALE = Scale.model_validate({"Step": "scale", "Divide": 1000.0, "Subtract": 40.0})


def placed(values: Values) -> Placed:
    return Placed(values, (0.7, 0.7), ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))


slices = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20),
    elements=st.floats(-5000, 8000, width=32),
)


@settings(max_examples=100, deadline=None)
@given(values=slices, multiple=st.integers(1, 9))
def test_a_network_that_changes_nothing_gives_the_source_back(
    values: NDArray[np.float32], multiple: int
) -> None:
    before = values.copy()
    prepared = Preparation((CLIP, SCALE), multiple).prepare(placed(values))
    result = prepared.back(prepared.network.copy())
    np.testing.assert_allclose(result, values, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(values, before)


@settings(max_examples=100, deadline=None)
@given(values=slices, multiple=st.integers(1, 9))
def test_padding_repeats_the_edge_and_is_cropped_again(values: NDArray[np.float32], multiple: int) -> None:
    padded, crop = pad_to_multiple(values, multiple)
    assert all(side % multiple == 0 for side in padded.shape)
    assert padded.shape[0] - values.shape[0] < multiple
    np.testing.assert_array_equal(np.unique(padded), np.unique(values))
    np.testing.assert_array_equal(crop(padded), values)


def test_values_outside_the_clip_range_keep_the_source_and_others_take_the_result() -> None:
    values = np.array([[-2000.0, -1024.0, 0.0, 3071.0, 9000.0]], np.float32)
    prepared = Preparation((CLIP,)).prepare(placed(values))
    assert prepared.network.tolist() == [[-1024, -1024, 0, 3071, 3071]]
    result = prepared.back(np.full((1, 5), 7.0, np.float32))
    assert result.tolist() == [[-2000, 7, 7, 7, 9000]]


def test_padded_pixels_are_neutral_to_the_network_and_come_back_untouched() -> None:
    values = np.array([[-32768.0, 50.0]], np.float32)
    prepared = Preparation((CLIP, SCALE)).prepare(placed(values), np.array([[True, False]]))
    np.testing.assert_allclose(prepared.network, [[(-1024 - 40) / 1000, 0.01]])
    result = prepared.back(np.ones((1, 2), np.float32))
    np.testing.assert_allclose(result, [[-32768, 1040]])


def test_padded_pixels_are_zero_where_no_clip_says_what_is_neutral() -> None:
    values = np.array([[5.0, 6.0]], np.float32)
    prepared = Preparation(()).prepare(placed(values), np.array([[True, False]]))
    assert prepared.network.tolist() == [[0, 6]]
