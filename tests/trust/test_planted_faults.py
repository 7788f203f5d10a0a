"""The gate on planted faults in the bundled studies: a reduced `python -m bench.planted_faults`."""

from __future__ import annotations

import pytest

from bench.fault_studies import bundled
from bench.planted_faults import CLEAN, Case, area, examine, held_share, pooled_area, some, table


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list(examine(some(bundled(), 2), ("weak", "strong")))


def test_strong_faults_of_twelve_kinds_stand_out_from_clean_studies(cases: list[Case]) -> None:
    kinds = {case.kind for case in cases} - {CLEAN}
    assert len(kinds) == 12
    assert pooled_area(cases, strength="strong") >= 0.95, table(cases)


def test_weak_and_strong_faults_together_stand_out(cases: list[Case]) -> None:
    assert pooled_area(cases) >= 0.85, table(cases)


def test_no_clean_study_is_held(cases: list[Case]) -> None:
    assert held_share(cases) == 0, table(cases)


@pytest.mark.parametrize(
    "kind",
    ["lesion erased", "lesion painted in", "vessel cut", "slices swapped", "left-right flip", "value shift"],
)
def test_what_changes_the_picture_strongly_is_held(cases: list[Case], kind: str) -> None:
    levels = {case.level for case in cases if (case.kind, case.strength) == (kind, "strong")}
    assert levels == {"HOLD"}


def test_the_area_counts_ties_half() -> None:
    assert area([1.0, 2.0], [2.0, 3.0]) == pytest.approx(0.875)
    assert area([1.0], [1.0]) == 0.5
    assert area([1.0], [0.0]) == 0.0
