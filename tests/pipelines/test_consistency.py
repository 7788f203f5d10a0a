"""What a pipeline with Consistency keeps of its source."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper
from pydantic import ValidationError

from pipelines.catalog import CatalogEntry
from pipelines.consistency import LocalMean, LowPass, consistent
from pipelines.manifest import Manifest
from pipelines.pipeline import Execution, open_pipeline
from pipelines.repeats import UncertainResult
from pipelines.volume import SliceResult, SliceValues
from tests.pipelines.tiny_models import as_slices, axial_grid, graph_model, manifest_json, tiny_entry

Values = NDArray[np.float32]
SPACING = (0.5, 0.8)
GRID = axial_grid(1, 60, 45, pixel_spacing_mm=SPACING)
LOW_PASS = {"Kind": "low-pass", "CutoffPerMm": 0.1}
MEAN = {"Kind": "mean", "WindowMm": 10}


def noise(*shape: int, seed: int = 3) -> Values:
    return np.random.default_rng(seed).normal(40, 30, shape).astype(np.float32)


def spectrum(image: Values) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Of the image continued by its mirror image, and the frequency of each place per mm."""
    doubled = np.pad(image, [(0, side) for side in image.shape], mode="symmetric")
    by_row, by_column = (np.fft.fftfreq(side, mm) for side, mm in zip(doubled.shape, SPACING, strict=True))
    return np.fft.fft2(doubled.astype(float)), np.hypot(by_row[:, np.newaxis], by_column)


def result_of(source: Values, values: Values, padding: NDArray[np.bool_] | None = None) -> SliceResult:
    return SliceResult(SliceValues(0, source, padding), values)


def test_low_pass_keeps_the_sources_spectrum_up_to_the_cut_off_and_the_results_beyond_twice_it() -> None:
    source, answer = noise(60, 45), noise(60, 45, seed=4)
    kept = consistent(LowPass(Kind="low-pass", CutoffPerMm=0.1), result_of(source, answer), GRID).values
    (of_source, frequency), (of_answer, _), (of_kept, _) = map(spectrum, (source, answer, kept))
    size = np.abs(of_source).max()
    below, above = frequency <= 0.1, frequency >= 0.2
    assert below.sum() > 50
    np.testing.assert_allclose(of_kept[below], of_source[below], atol=1e-6 * size)
    np.testing.assert_allclose(of_kept[above], of_answer[above], atol=1e-6 * size)
    assert kept.mean() == pytest.approx(source.mean(), rel=1e-5)


def test_between_cut_off_and_twice_it_the_sources_share_falls_smoothly() -> None:
    rows = np.arange(80, dtype=np.float32)[:, np.newaxis] * np.ones((1, 8), np.float32)
    shares = []
    for cycles in range(4, 9):  # 4 lies on the cut-off, 8 on twice it
        wave = np.cos(np.pi * 2 * cycles * (rows + 0.5) / 80).astype(np.float32)
        cutoff = 4 / (80 * SPACING[0])
        low_pass = LowPass(Kind="low-pass", CutoffPerMm=cutoff)
        kept = consistent(low_pass, result_of(wave, np.zeros_like(wave)), GRID).values
        shares.append(float(kept[0, 0] / wave[0, 0]))
    np.testing.assert_allclose(shares, np.cos(np.arange(5) / 4 * np.pi / 2) ** 2, atol=1e-5)


def test_a_change_at_one_side_does_not_reach_the_opposite_side() -> None:
    source = np.zeros((64, 64), np.float32)
    answer = source.copy()
    answer[:, :4] = 100
    kept = consistent(LowPass(Kind="low-pass", CutoffPerMm=0.1), result_of(source, answer), GRID).values
    assert np.abs(kept[:, -8:]).max() < 0.5
    assert np.abs(kept[:, :4] - 100).max() > 10


@pytest.mark.parametrize(
    "declared", [LocalMean(Kind="mean", WindowMm=10), LowPass(Kind="low-pass", CutoffPerMm=0.1)]
)
def test_a_constant_shift_is_undone_to_the_edges(declared: LocalMean | LowPass) -> None:
    source = noise(40, 30)
    kept = consistent(declared, result_of(source, source + np.float32(7)), GRID).values
    np.testing.assert_allclose(kept, source, atol=1e-4)


def test_mean_moves_each_pixel_by_the_mean_change_over_its_window() -> None:
    source, answer = noise(40, 30), noise(40, 30, seed=4)
    kept = consistent(LocalMean(Kind="mean", WindowMm=4.4), result_of(source, answer), GRID).values
    change = answer - source  # 4.4 mm: 9 rows of 0.5 mm, 5 columns of 0.8 mm
    assert kept[20, 15] == pytest.approx(answer[20, 15] - change[16:25, 13:18].mean(), abs=1e-3)
    assert kept[0, 0] == pytest.approx(answer[0, 0] - change[:5, :3].mean(), abs=1e-3)


def test_mean_undoes_a_slope_and_leaves_what_is_finer_than_the_window() -> None:
    rows = np.arange(60, dtype=np.float32)[:, np.newaxis] * np.ones((1, 60), np.float32)
    fine = np.where(rows % 2 == 0, 5, -5).astype(np.float32)
    source = noise(60, 60)
    kept = consistent(LocalMean(Kind="mean", WindowMm=10), result_of(source, source + rows + fine), GRID)
    np.testing.assert_allclose((kept.values - source - fine)[12:-12], 0, atol=5 / 21 + 1e-3)


@pytest.mark.parametrize(
    "declared", [LocalMean(Kind="mean", WindowMm=5), LowPass(Kind="low-pass", CutoffPerMm=0.1)]
)
def test_padded_pixels_and_the_spread_stay_as_they_are(declared: LocalMean | LowPass) -> None:
    source = noise(32, 32)
    padding = np.zeros((32, 32), np.bool_)
    padding[:, :10] = True
    source[padding] = -2000
    answer = np.where(padding, source, source + np.float32(9))
    spread = np.abs(noise(32, 32))
    uncertain = UncertainResult(SliceValues(0, source, padding), answer, spread)
    kept = consistent(declared, uncertain, GRID)
    assert isinstance(kept, UncertainResult)
    np.testing.assert_array_equal(kept.values[padding], source[padding])
    np.testing.assert_array_equal(kept.spread, spread)
    assert np.abs(kept.values - source)[:, 20:].max() < 9


def test_mean_does_not_count_padded_pixels() -> None:
    source, padding = noise(32, 32), np.zeros((32, 32), np.bool_)
    padding[:, :10] = True
    answer = source + np.where(padding, np.float32(500), np.float32(9))
    kept = consistent(LocalMean(Kind="mean", WindowMm=5), result_of(source, answer, padding), GRID)
    np.testing.assert_allclose(kept.values[:, 10:], source[:, 10:], atol=1e-4)


def test_without_a_declaration_the_result_is_the_networks_own() -> None:
    result = result_of(noise(8, 8), noise(8, 8, seed=4))
    assert consistent(None, result, GRID) is result


def shifting_entry(folder: Path, dimensions: int, **changes: Any) -> CatalogEntry:
    """A network that adds 10 to everything."""
    space: list[Any] = ["slices", "rows", "columns"][3 - dimensions :]
    content = graph_model(
        [helper.make_node("Add", ["slices", "ten"], ["denoised"])],
        inputs={"slices": ["batch", 1, *space]},
        outputs={"denoised": ["batch", 1, *space]},
        weights={"ten": np.array(10, np.float32)},
    )
    inputs = [{"Name": "slices", "Modality": "CT", "Quantity": "hounsfield_units"}]
    return tiny_entry(folder, content, Inputs=inputs, Dimensions=dimensions, **changes)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("declared", [LOW_PASS, MEAN, None])
def test_every_slice_a_pipeline_gives_is_consistent_where_its_manifest_declares_it(
    tmp_path: Path, dimensions: int, declared: dict[str, Any] | None
) -> None:
    values = noise(5, 24, 24)
    pipeline = open_pipeline(shifting_entry(tmp_path, dimensions, Consistency=declared), Execution())
    results = list(pipeline.stream(as_slices(values), axial_grid(5, 24, 24), seed=0))
    expected = values if declared else values + np.float32(10)
    np.testing.assert_allclose(np.stack([result.values for result in results]), expected, atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [{"Task": "translate"}, {"Postprocessing": [{"Step": "scale", "Divide": 2}]}],
)
def test_a_translation_cannot_declare_it(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Consistency brings source values back"):
        Manifest.model_validate(manifest_json(b"", Consistency=LOW_PASS, **changes))


@pytest.mark.parametrize(
    "declared",
    [
        {"Kind": "high-pass"},
        {"Kind": "low-pass"},
        {"Kind": "low-pass", "CutoffPerMm": 0},
        {"Kind": "mean", "WindowMm": -1},
    ],
)
def test_only_the_fixed_vocabulary_is_taken(declared: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Consistency"):
        Manifest.model_validate(manifest_json(b"", Consistency=declared))


def test_the_digest_changes_with_it_and_not_without_it() -> None:
    plain, written_out, low_pass = (
        Manifest.model_validate(manifest_json(b"", **changes))
        for changes in ({}, {"Consistency": None}, {"Consistency": LOW_PASS})
    )
    assert plain.config_sha256() == written_out.config_sha256() != low_pass.config_sha256()
    other = Manifest.model_validate(manifest_json(b"", Consistency=LOW_PASS | {"CutoffPerMm": 0.2}))
    assert other.config_sha256() != low_pass.config_sha256()
