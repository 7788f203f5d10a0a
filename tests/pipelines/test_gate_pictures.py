"""What the gate keeps beside its verdict: pictures, limits, figures that are numbers, and no more."""

import weakref

import numpy as np
import pytest

from pipelines.gate import Gate
from pipelines.gate.alignment import AROUND
from pipelines.gate.verdict import Judged, Limits, verdict_of
from pipelines.manifest import Manifest
from pipelines.volume import SliceResult, SliceValues
from tests.pipelines.gate_phantom import (
    CLEAN,
    NOISY,
    RESULTS,
    SHARP,
    SIDE,
    SOURCES,
    Values,
    disc,
    judged,
    noisy,
)
from tests.pipelines.test_manifest import CT_DENOISE


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_figure_that_is_no_number_is_held(value: float) -> None:
    limits = Limits(warn=1.0, hold=2.0)
    for judged_ in (limits.judge("edges_kept", value, "words"), Judged("edges_kept", value, 0.0)):
        verdict = verdict_of([Judged("noise_ratio", 0.5, 0.1), judged_], {})
        assert verdict.level == "HOLD"
        assert verdict.score >= 1
        assert "edges_kept" not in verdict.figures
        assert any("edges_kept is no number" in reason for reason in verdict.reasons)


def test_a_slice_of_the_source_that_holds_no_number_is_held_wherever_it_lies() -> None:
    for place in range(3):
        sources = [source.copy() for source in NOISY]
        sources[place][90:99, 90:99] = np.nan
        verdict = judged(sources, SHARP)
        assert verdict.level == "HOLD"
        assert any(f"Slices {place + 1} cannot be judged" in reason for reason in verdict.reasons)


def test_a_change_is_no_endless_multiple_where_nothing_else_is_changed() -> None:
    still = [0.2 * (disc(96, 96, 20) * noise) for noise in NOISY]
    results = [source + change.astype(np.float32) * 1e-3 for source, change in zip(NOISY, still, strict=True)]
    results[1] = results[1] + np.float32(1) * disc(96, 150, 8)
    verdict = judged(NOISY, results)
    assert 1 < verdict.figures["local_change"] <= 4
    assert not [finding for finding in verdict.findings if finding.figure == "local_change"]


def test_the_gate_keeps_a_picture_of_the_worst_slice_with_its_map() -> None:
    gate = Gate(Manifest.model_validate(CT_DENOISE))
    for index, (source, result) in enumerate(
        zip(NOISY, [SHARP[0], SHARP[1] + 70 * disc(140, 96, 7), SHARP[2]], strict=True)
    ):
        gate.observe(SliceResult(SliceValues(index, source), result))
    gate.verdict()
    shown = {picture.figure: picture for picture in gate.pictures()}["local_change"]
    assert shown.index == 1
    assert shown.place is not None
    assert np.hypot(shown.place[0] - 140, shown.place[1] - 96) < 8
    assert shown.map is not None
    assert shown.map.shape == (SIDE // 4, SIDE // 4)


STRICT = {
    **{
        "NoiseRatioWarn": [0.98, 0.99],
        "NoiseRemovedHoldHu": 1e-6,
        "StructureWarn": 1e-6,
        "LungShareWarn": 0.09,
    },
    **{"EdgesKeptHold": [0.9999, 1.0001], "ContinuityHold": 0.9999, "AirHoldHu": [-1000.1, -999.9]},
    **{"ExchangedHold": 8.9, "MirroredHold": 8.9, "WithoutAirHold": 1e-6, "MeanShiftHoldHu": 1e-6},
    **{
        "CorrelationHold": 0.99999,
        "FourierCrossingHold": 0.49,
        "LocalChangeHold": 1e-6,
        "OutOfDistributionHold": 1e-6,
    },
    **{"SourceGhostsHold": 1e-6, "SourceMetalHoldPermille": 1e-6},
}
"""Limits that nothing keeps."""


def test_every_finding_has_a_picture_of_the_slice_it_names() -> None:
    cut = [source[30:-30, 30:-30] for source in SOURCES]
    faults = (
        (SOURCES, [np.roll(result, 2, axis=1) for result in RESULTS]),
        ([source + 1024 for source in cut], [result[30:-30, 30:-30] + 1024 for result in RESULTS]),
        (SOURCES, SOURCES),
        (SOURCES, [*RESULTS[1:], RESULTS[0]]),
        (SOURCES, [*RESULTS[:3], np.zeros_like(CLEAN), np.full_like(CLEAN, np.nan)]),
        ([np.where(disc(100, 90, 4) > 0, np.float32(3071), source) for source in SOURCES], RESULTS),
        ([*SOURCES[:4], np.full_like(CLEAN, np.nan)], RESULTS),
    )
    inputs = [CT_DENOISE["Inputs"][0] | {"Values": [-500, 300]}]
    named = set()
    for sources, results in faults:
        manifest = Manifest.model_validate(CT_DENOISE | {"Gate": STRICT, "Inputs": inputs})
        gate = Gate(manifest, body_part="CHEST")
        for index, (source, result) in enumerate(zip(sources, results, strict=True)):
            gate.observe(SliceResult(SliceValues(index, source), np.ascontiguousarray(result, np.float32)))
        verdict = gate.verdict()
        shown = {picture.figure: picture.index for picture in gate.pictures()}
        for finding in verdict.findings:
            assert finding.figure in shown, finding
            assert finding.slice_index == shown[finding.figure], finding
            named.add(finding.figure)
    assert {"broken_slices", "blank_slices", "unchanged_slices", "unmeasured_slices"} <= named
    assert {"noise_ratio", "noise_removed_hu", "structure_removed", "edges_kept", "shifted_fit"} <= named
    assert {"source_continuity", "source_air_hu", "source_without_air", "lung_share"} <= named
    assert {"mean_shift_soft_tissue_hu", "source_99th_percentile", "source_1st_percentile"} & named
    assert len(named) > 20


def test_the_limits_of_every_judged_figure_stand_in_the_verdict() -> None:
    verdict = judged(NOISY, SHARP, Gate={"NoiseRatioWarn": [0.1, 0.9]})
    assert verdict.limits["noise_ratio"] == ((0.1, 0.9), None)
    assert verdict.limits["local_change"] == (9.0, 12.0)
    assert verdict.limits["mean_shift_bone_hu"] == (1.0, 5.0)
    assert "source_noise_hu" not in verdict.limits


def test_memory_does_not_grow_with_the_length_of_a_series() -> None:
    gate = Gate(Manifest.model_validate(CT_DENOISE))
    held: list[weakref.ref[Values]] = []
    for index in range(60):
        source = noisy(CLEAN, index)
        held.append(weakref.ref(source))
        gate.observe(SliceResult(SliceValues(index, source), SHARP[0]))
    del source
    pictures = {id(picture.source) for picture in gate.pictures()}
    assert sum(each() is not None for each in held) <= len(pictures) + AROUND + 2 < 30
