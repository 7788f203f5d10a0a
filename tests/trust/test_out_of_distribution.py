"""The VAE's figures on the bundled studies, on each other's modality and on nonsense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.fault_studies import dicom_slices
from pipelines.errors import PipelineBroken
from pipelines.out_of_distribution.score import FOLDER, OddityModel, oddity_model
from pipelines.out_of_distribution.thumbnail import SIDE, thumbnail
from pipelines.volume import Quantity

DEMO = Path(__file__).parents[2] / "demo"
CHEST = dicom_slices(DEMO / "ct_lidc_0314")[::6]
BRAIN = dicom_slices(DEMO / "mr_brain_pd")[4:16:3]
QUANTITIES: dict[str, Quantity] = {"CT": "hounsfield_units", "MR": "mr_signal"}


def oddities(slices: list[np.ndarray], modality: str) -> list[float]:
    model = oddity_model()
    images = [thumbnail(values, QUANTITIES[modality]) for values in slices]
    return [model.relative(model.oddity(image, modality), modality) for image in images]


def test_a_chest_is_usual_for_ct_and_a_brain_is_not() -> None:
    usual, odd = oddities(CHEST, "CT"), oddities(BRAIN, "CT")
    assert max(usual) < 1.3
    assert min(odd) > max(usual)


def test_a_brain_is_more_usual_for_mr_than_a_chest_is() -> None:
    assert max(oddities(BRAIN, "MR")) < min(oddities([values + 1024 for values in CHEST], "MR"))


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_noise_alone_is_odd(modality: str) -> None:
    noise = np.random.default_rng(0).normal(0, 300, (256, 256)).astype(np.float32)
    assert min(oddities([np.abs(noise) if modality == "MR" else noise], modality)) > 1.5


@pytest.mark.parametrize("shape", [(512, 512), (64, 200), (700, 300), (1, 5), (128, 128)])
def test_a_thumbnail_has_one_size_and_range_whatever_the_slice(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(0, 2000, shape).astype(np.float32)
    for quantity in QUANTITIES.values():
        small = thumbnail(values, quantity)
        assert small.shape == (2, SIDE, SIDE)
        assert 0 <= small.min() <= small.max() <= 1


def test_shrinking_is_averaging() -> None:
    values = np.full((512, 512), -1024, np.float32)
    values[128:256, 384:512] = 0
    small = thumbnail(values, "hounsfield_units")[0]
    assert small[32:64, 96:].min() == small[32:64, 96:].max() == pytest.approx(0.5)
    assert small.sum() == pytest.approx(0.5 * 32 * 32)


def test_a_model_that_was_not_measured_with_its_limits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "usual.json").write_bytes((FOLDER / "usual.json").read_bytes())
    (tmp_path / "model.onnx").write_bytes((FOLDER / "model.onnx").read_bytes() + b"\0")
    with pytest.raises(PipelineBroken, match="is not the model"):
        OddityModel.load(tmp_path)


def test_model_and_limits_stay_small() -> None:
    assert (FOLDER / "model.onnx").stat().st_size < 5_000_000
