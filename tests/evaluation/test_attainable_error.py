"""The error that a noisy reference leaves even to perfect knowledge, from input and reference alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.measures.attainable import NotAttainable, attainable

Image = NDArray[np.float32]
SPACING_MM = 0.7
SIDE = 256


def anatomy() -> Image:
    """A body of 50 HU with fat around it and holes of air, in air."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    body = np.where(np.hypot(y, x) < 115, -100.0, -1000.0)
    body[np.hypot(y, x) < 105] = 50.0
    body[np.hypot(y - 40, x) < 20] = -850.0
    return body.astype(np.float32)


def body() -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = anatomy() > -500
    return found


def noise(deviation: float, seed: int) -> Image:
    """Correlated as CT's is."""
    white = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE)), 0.8)
    found: Image = (deviation * white / white.std()).astype(np.float32)
    return found


@pytest.mark.parametrize(("own", "added"), [(10.0, 17.0), (10.0, 40.0), (20.0, 12.0)])
def test_who_knows_the_anatomy_comes_as_near_as_the_figure_says(own: float, added: float) -> None:
    truth = anatomy()
    reference = truth + noise(own, 1)
    source = reference + noise(added, 2)
    share = own**2 / (own**2 + added**2)
    best = truth + share * (source - truth)
    reached = float(np.sqrt(np.mean((best - reference)[body()] ** 2)))
    found = attainable(source, reference, body(), SPACING_MM)
    assert found.rmse == pytest.approx(reached, rel=0.12)
    assert found.reference_noise == pytest.approx(own, rel=0.15)
    assert found.added_noise == pytest.approx(added, rel=0.1)


def test_a_filter_that_sees_only_the_input_stays_above_it() -> None:
    reference = anatomy() + noise(10.0, 1)
    source = reference + noise(30.0, 2)
    blurred = ndimage.gaussian_filter(source, 1.5)
    error = float(np.sqrt(np.mean((blurred - reference)[body()] ** 2)))
    assert error > attainable(source, reference, body(), SPACING_MM).rmse


def shifted(image: Image) -> Image:
    """The same with a step across the whole body, as another position of the patient would leave."""
    moved = image.copy()
    moved[:, SIDE // 2 :] += 60.0
    return moved


@pytest.mark.parametrize(
    ("source", "reference", "why"),
    [
        (anatomy(), anatomy(), "are equal"),
        (noise(20.0, 3) - 850.0, noise(10.0, 4) - 850.0, "too little soft tissue"),
        (shifted(anatomy() + noise(10.0, 1)) + noise(4.0, 2), anatomy() + noise(10.0, 1), "more than noise"),
    ],
)
def test_where_it_does_not_apply_it_says_why(source: Image, reference: Image, why: str) -> None:
    with pytest.raises(NotAttainable, match=why):
        attainable(source, reference, body(), SPACING_MM)
