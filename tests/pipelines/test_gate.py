"""The gate on a phantom of air, lung, fat, soft tissue and bone, cleaned rightly and in wrong ways."""

import numpy as np
import pytest

from pipelines.gate import Gate
from pipelines.manifest import Manifest
from pipelines.volume import SliceResult, SliceValues
from tests.pipelines.gate_phantom import (
    CLEAN,
    NOISY,
    RESULTS,
    SHARP,
    SOURCES,
    Values,
    blurred,
    disc,
    judged,
    mr_manifest,
    noisy,
)
from tests.pipelines.test_manifest import CT_DENOISE


def test_noise_taken_away_and_nothing_else_passes() -> None:
    verdict = judged(NOISY, SHARP)
    assert (verdict.level, verdict.reasons) == ("PASS", ())
    assert verdict.figures["slices"] == 3
    assert verdict.figures["noise_removed_hu"] == pytest.approx(0.8 * 20, rel=0.1)
    assert abs(verdict.figures["structure_removed"]) < 0.1
    for tissue in ("air", "lung", "fat", "soft_tissue", "bone"):
        assert abs(verdict.figures[f"mean_shift_{tissue}_hu"]) < 0.8


@pytest.mark.parametrize(("shift", "level"), [(0.2, "PASS"), (2.0, "WARN"), (-2.0, "WARN"), (8.0, "HOLD")])
def test_a_shift_of_one_tissue_is_judged_by_its_size_and_named(shift: float, level: str) -> None:
    results = [np.where(CLEAN == 700, result + shift, result) for result in SHARP]
    verdict = judged(NOISY, results)
    assert verdict.level == level
    assert verdict.figures["mean_shift_bone_hu"] == pytest.approx(shift, rel=0.1, abs=0.4)
    if level != "PASS":
        (reason,) = verdict.reasons
        assert reason.startswith("Bone is")
        assert ("brighter" if shift > 0 else "darker") in reason


def test_one_shifted_slice_among_many_is_held() -> None:
    results = [*SHARP * 4, SHARP[0] + 6]
    verdict = judged([*NOISY * 4, NOISY[0]], results)
    assert verdict.level == "HOLD"
    assert any(reason.startswith("In one slice: soft tissue") for reason in verdict.reasons)


def test_blur_is_found_by_the_edges_it_removes() -> None:
    limits = {
        "EdgesKeptWarn": None,
        "EdgesKeptHold": None,
        "StructureWarn": 0.3,
        "StructureHold": 0.9,
        "MeanShiftWarnHu": 90.0,
        "MeanShiftHoldHu": 99.0,
    }
    verdict = judged(NOISY, [blurred(source, times=4) for source in NOISY], Gate=limits)
    assert verdict.level == "WARN"
    assert verdict.reasons[0].startswith("Organ edges show in what was removed")
    assert judged(NOISY, SHARP, Gate=limits).level == "PASS"


def test_noise_cut_off_at_the_lowest_stored_value_is_not_taken_for_a_shift_of_air() -> None:
    sources = [np.maximum(noisy(CLEAN, seed, sigma=30), -1024) for seed in range(3)]
    verdict = judged(sources, [CLEAN] * 3)
    assert verdict.level == "PASS"
    assert "mean_shift_air_hu" not in verdict.figures


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_no_number_holds_the_series(value: float) -> None:
    broken = SHARP[1].copy()
    broken[-1, -1] = value
    verdict = judged(NOISY, [SHARP[0], broken, SHARP[2]])
    assert verdict.level == "HOLD"
    assert "Slices 2 hold values that are not numbers." in verdict.reasons


def test_numbers_beyond_all_measure_hold_the_series() -> None:
    huge = SHARP[1].copy()
    huge[0, :2] = 3e38
    verdict = judged(NOISY, [SHARP[0], huge, SHARP[2]])
    assert verdict.level == "HOLD"
    assert "Slices 2 hold values that are not numbers." in verdict.reasons


def test_a_blank_slice_is_held() -> None:
    verdict = judged(NOISY, [SHARP[0], SHARP[1], np.zeros_like(CLEAN)])
    assert verdict.level == "HOLD"
    assert any("Slices 3 are blank" in reason for reason in verdict.reasons)


def test_a_result_that_is_the_source_is_held() -> None:
    assert judged(NOISY, NOISY).reasons == ("The result is identical to the source: nothing was done to it.",)
    assert judged(NOISY, [NOISY[0], *SHARP[1:]]).level == "PASS"


def test_no_slices_at_all_are_held() -> None:
    assert judged([], []).level == "HOLD"


def test_an_empty_source_slice_is_no_fault() -> None:
    blank = np.full_like(CLEAN, -1000)
    assert judged([*NOISY, blank], [*SHARP, blank]).level == "PASS"


@pytest.mark.parametrize("shape", [(1, 1), (5, 64), (11, 11), (13, 14)])
def test_very_small_slices_are_measured_without_failing(shape: tuple[int, int]) -> None:
    source = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    assert judged([source], [source + 0.1]).level == "PASS"


@pytest.mark.parametrize(
    ("left", "level"), [(1.2, "HOLD"), (0.99, "WARN"), (0.5, "PASS"), (0.1, "WARN"), (0.01, "HOLD")]
)
def test_the_noise_left_must_lie_between_the_manifests_limits(left: float, level: str) -> None:
    results = [np.float32(left) * source + np.float32(1 - left) * CLEAN for source in NOISY]
    limits = {"NoiseRatioWarn": [0.15, 0.95], "NoiseRatioHold": [0.05, 1.05]}
    verdict = judged(NOISY, results, Gate=limits)
    assert verdict.level == level
    assert verdict.figures["noise_ratio"] == pytest.approx(left, abs=0.02)


def test_unusual_amounts_of_noise_removed_are_told_when_the_manifest_limits_them() -> None:
    verdict = judged(NOISY, SHARP, Gate={"NoiseRemovedWarnHu": 5.0})
    assert verdict.level == "WARN"
    assert "An unusual amount of noise" in verdict.reasons[0]


def test_padded_pixels_are_not_judged() -> None:
    padding = CLEAN == -1000
    result = np.where(padding, 500, SHARP[0]).astype(np.float32)
    gate = Gate(Manifest.model_validate(CT_DENOISE))
    gate.observe(SliceResult(SliceValues(0, NOISY[0], padding), result))
    assert gate.verdict().level == "PASS"


@pytest.mark.parametrize(("factor", "level"), [(1.0, "PASS"), (1.05, "WARN"), (0.8, "HOLD")])
@pytest.mark.parametrize("scale", [0.01, 3.0])
def test_in_mr_the_shift_is_judged_relative_to_the_signal(factor: float, level: str, scale: float) -> None:
    sources = [np.float32(scale) * (source + 1000).clip(0) for source in NOISY]
    results = [np.float32(scale * factor) * (result + 1000).clip(0) for result in SHARP]
    verdict = judged(sources, results, **mr_manifest())
    assert verdict.level == level
    shift = verdict.figures["mean_shift_bright_tissue_percent"]
    assert shift == pytest.approx(100 * (factor - 1), abs=0.5)


def test_watching_hands_every_result_on_as_it_is() -> None:
    gate = Gate(Manifest.model_validate(CT_DENOISE))
    results = [SliceResult(SliceValues(index, NOISY[index]), SHARP[index]) for index in range(3)]
    assert [id(result) for result in gate.watch(iter(results))] == [id(result) for result in results]
    assert gate.verdict().figures["slices"] == 3


@pytest.mark.parametrize(
    ("bounds", "level"), [([-1100, 900], "PASS"), ([-1100, 300], "WARN"), ([-500, 900], "WARN")]
)
def test_a_source_of_unknown_values_is_told(bounds: list[float], level: str) -> None:
    inputs = [CT_DENOISE["Inputs"][0] | {"Values": bounds}]
    verdict = judged(NOISY, SHARP, Inputs=inputs)
    assert verdict.level == level
    assert verdict.figures["source_1st_percentile"] == pytest.approx(-1000, abs=40)


LESION = 70 * disc(140, 96, 7)


@pytest.mark.parametrize("planted", [LESION, -LESION])
def test_a_lesion_painted_in_or_erased_is_held_with_its_place(planted: Values) -> None:
    verdict = judged(NOISY, [SHARP[0], SHARP[1] + planted, SHARP[2]])
    assert verdict.level == "HOLD"
    (finding,) = [each for each in verdict.findings if each.figure == "local_change"]
    assert finding.slice_index == 1
    assert "in slice 2 near row 1" in finding.reason
    assert finding.value is not None
    assert finding.limit is not None
    assert finding.value > finding.limit


def test_every_finding_names_a_figure_of_the_verdict_and_its_limit() -> None:
    results = [np.roll(result, 3, axis=1) + 9 for result in SHARP]
    verdict = judged(NOISY, results)
    assert len(verdict.findings) == len(verdict.reasons) > 1
    for finding in verdict.findings:
        assert finding.figure in verdict.figures
        assert finding.limit is not None


def test_a_result_turned_over_is_held() -> None:
    assert judged(SOURCES, RESULTS).level == "PASS"
    for turned in (RESULTS[2][:, ::-1], RESULTS[2][::-1], RESULTS[2][::-1, ::-1]):
        verdict = judged(SOURCES, [*RESULTS[:2], turned, *RESULTS[3:]])
        assert verdict.level == "HOLD"
        assert "Slice 3 fits its source better when mirrored (limit 0.9)." in verdict.reasons


def test_two_results_in_each_others_place_are_held() -> None:
    verdict = judged(SOURCES, [RESULTS[0], RESULTS[3], RESULTS[2], RESULTS[1], RESULTS[4]])
    assert verdict.level == "HOLD"
    assert any("fit better in each other's place" in reason for reason in verdict.reasons)


def test_results_shifted_along_the_stack_are_held() -> None:
    verdict = judged(SOURCES, [*RESULTS[1:], RESULTS[0]])
    assert verdict.level == "HOLD"
    assert verdict.figures["shifted_fit"] < 0.9


def test_inverted_contrast_is_held() -> None:
    verdict = judged(SOURCES, [-300 - result for result in RESULTS])
    assert verdict.level == "HOLD"
    assert verdict.figures["correlation_with_source"] == pytest.approx(-1, abs=0.05)


@pytest.mark.parametrize(("times", "level"), [(0, "PASS"), (1, "WARN"), (3, "HOLD")])
def test_the_steepness_of_edges_tells_of_blur(times: int, level: str) -> None:
    lenient = {"MeanShiftWarnHu": 90.0, "MeanShiftHoldHu": 99.0, "LocalChangeWarn": None}
    limits = {**lenient, "LocalChangeHold": None, "EdgesKeptWarn": [0.95, 1.15], "EdgesKeptHold": [0.6, 1.4]}
    verdict = judged(SOURCES, [blurred(result, times) for result in RESULTS], Gate=limits)
    assert verdict.level == level
    assert (verdict.figures["edges_kept"] < 0.95) == (times > 0)


def test_metal_and_a_series_without_air_are_told() -> None:
    rods = [np.where(disc(100, 90, 4) > 0, np.float32(3071), source) for source in SOURCES]
    results = [np.where(disc(100, 90, 4) > 0, np.float32(3071), result) for result in RESULTS]
    assert any("metal" in reason for reason in judged(rods, results).reasons)
    shown = [source + 1024 for source in SOURCES]
    verdict = judged(shown, [result + 1024 for result in RESULTS])
    assert any("no Hounsfield units" in reason for reason in verdict.reasons)


def test_a_chest_by_its_header_that_shows_no_lung_is_told() -> None:
    manifest = Manifest.model_validate(CT_DENOISE)
    lungs = disc(96, 48, 34) + disc(96, 144, 34)
    chest = [np.where(lungs > 0, np.float32(-800), source) for source in SOURCES]
    without = [np.where(lungs > 0, np.float32(30), source) for source in SOURCES]
    for part, sources, expected in (("CHEST", chest, False), ("CHEST", without, True), ("", without, False)):
        gate = Gate(manifest, body_part=part)
        for index, source in enumerate(sources):
            result = 0.5 * source + 0.5 * blurred(source, 1)
            gate.observe(SliceResult(SliceValues(index, source), result.astype(np.float32)))
        told = any("The header says chest" in reason for reason in gate.verdict().reasons)
        assert told == expected
