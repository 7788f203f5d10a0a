"""The gate's signs that a result may be worse than its source."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from pipelines.gate import Gate, Verdict
from pipelines.manifest import Manifest
from pipelines.volume import SliceResult, SliceValues
from tests.pipelines.gate_phantom import CLEAN, SIDE, Values, disc, noisy
from tests.pipelines.test_manifest import CT_DENOISE

LIMITS = {
    "TextureKeptWarn": 1.03,
    "TextureKeptHold": 0.7,
    "LungShareRemovedWarn": 0.008,
    "LungShareRemovedHold": 0.0001,
    "SourceGrainWarn": (0.3, 0.83),
}
LUNG = (disc(96, 52, 38) + disc(96, 140, 38)) > 0


def with_vessels(strength_hu: float) -> Values:
    """The phantom with large lungs, full of fine vessels."""
    vessels = np.random.default_rng(8).normal(0, strength_hu, (SIDE, SIDE))
    return np.where(LUNG, -800 + ndimage.gaussian_filter(vessels, 0.7), CLEAN).astype(np.float32)


def gate_on(anatomy: Values, sigma_hu: float, left: float, **limits: Any) -> Gate:
    """Three slices of which that much of the noise was left, judged by these signs alone."""
    limits = {**dict.fromkeys(("EdgesKeptWarn", "EdgesKeptHold")), **LIMITS, **limits}
    gate = Gate(Manifest.model_validate(CT_DENOISE | {"Gate": limits}))
    for index in range(3):
        source = noisy(anatomy, index, sigma_hu)
        result = (anatomy + left * (source - anatomy)).astype(np.float32)
        gate.observe(SliceResult(SliceValues(index, source), result))
    return gate


def reasons(verdict: Verdict, figure: str) -> list[tuple[str, str]]:
    return [(found.level, found.reason) for found in verdict.findings if found.figure == figure]


@pytest.mark.parametrize(
    ("sigma_hu", "left", "level"),
    [(40, 0.5, "PASS"), (40, 0.38, "WARN"), (40, 0.2, "HOLD"), (5, 0.3, "PASS"), (40, 1.0, "PASS")],
)
def test_too_little_left_of_strong_noise_is_told_and_of_weak_noise_is_not(
    sigma_hu: float, left: float, level: str
) -> None:
    verdict = gate_on(CLEAN, sigma_hu, left).verdict()
    told = reasons(verdict, "texture_kept")
    assert [each for each, _ in told] == ([] if level == "PASS" else [level])
    if told:
        assert "may have gone with it" in told[0][1]


def test_the_figure_is_the_noise_left_over_the_least_of_ssims_formula() -> None:
    found = gate_on(CLEAN, 40, 0.4).verdict().figures["texture_kept"]
    assert found == pytest.approx(0.4 * (2 + 2 * 144 / 40**2), rel=0.1)


def test_fine_vessels_with_hardly_any_noise_over_them_are_told_and_shown() -> None:
    gate = gate_on(with_vessels(400), 10, 0.6)
    told = reasons(verdict := gate.verdict(), "lung_share_removed")
    assert [level for level, _ in told] == ["WARN"]
    assert "hardly any noise to remove" in told[0][1]
    (finding,) = [each for each in verdict.findings if each.figure == "lung_share_removed"]
    shown = {picture.figure: picture.index for picture in gate.pictures()}
    assert shown["lung_share_removed"] == finding.slice_index


def test_where_next_to_nothing_was_removed_from_the_lung_the_result_is_held() -> None:
    told = reasons(gate_on(with_vessels(400), 0.3, 0.6).verdict(), "lung_share_removed")
    assert [level for level, _ in told] == ["HOLD"]


def test_noise_over_the_same_vessels_is_no_reason() -> None:
    assert not reasons(gate_on(with_vessels(400), 60, 0.5).verdict(), "lung_share_removed")


def test_the_rim_of_skin_and_air_is_no_lung() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    head = np.where(rows**2 + columns**2 < 0.4**2, 40.0, -1000.0).astype(np.float32)
    assert "lung_share_removed" not in gate_on(head, 5, 0.5).verdict().figures


@pytest.mark.parametrize(("smoothed", "kind"), [(0.0, "sharper"), (0.5, ""), (1.5, "softer")])
def test_a_kernel_beyond_those_the_pipeline_knows_is_told(smoothed: float, kind: str) -> None:
    gate = Gate(Manifest.model_validate(CT_DENOISE | {"Gate": LIMITS}))
    noise = np.random.default_rng(3).normal(size=CLEAN.shape)
    noise = ndimage.gaussian_filter(noise, smoothed) if smoothed else noise
    source = (CLEAN + 20 / noise.std() * noise).astype(np.float32)
    gate.observe(SliceResult(SliceValues(0, source), (CLEAN + source) / np.float32(2)))
    told = reasons(gate.verdict(), "source_grain")
    assert [level for level, _ in told] == (["WARN"] if kind else [])
    assert all(f"of a {kind}" in reason for _, reason in told)
    if told:
        assert "source_grain" in {picture.figure for picture in gate.pictures()}


def test_without_limits_the_signs_are_reported_and_no_reason() -> None:
    verdict = gate_on(with_vessels(400), 40, 0.1, **dict.fromkeys(LIMITS)).verdict()
    assert {"texture_kept", "lung_share_removed", "source_grain"} <= verdict.figures.keys()
    assert not any(found.figure in ("texture_kept", "lung_share_removed") for found in verdict.findings)
