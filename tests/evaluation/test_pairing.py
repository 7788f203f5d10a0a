"""Which reference belongs to which input, and when none does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import Refused
from plugin.evaluate.stacks import Pair, pair, patient_digests, stacks_in
from tests.evaluation.evaluated_series import write_series


def quiet(_text: str) -> None:
    """Nobody listens."""


def paired(folder: Path) -> list[Pair]:
    references = stacks_in(folder / "reference", quiet)
    return [pair(source, references) for source in stacks_in(folder / "input", quiet)]


def test_series_of_one_study_belong_together_wherever_they_lie(tmp_path: Path) -> None:
    write_series(tmp_path / "input" / "x" / "y", role="input")
    write_series(tmp_path / "reference")
    (found,) = paired(tmp_path)
    assert found.rule == "the same study"
    assert found.places == (0, 1, 2, 3)


def test_a_reference_may_hold_more_slices(tmp_path: Path) -> None:
    write_series(tmp_path / "input", role="input", first=2, slices=3)
    write_series(tmp_path / "reference", first=0, slices=6)
    (found,) = paired(tmp_path)
    assert found.places == (2, 3, 4)


def test_series_of_two_studies_belong_together_by_their_folder(tmp_path: Path) -> None:
    for patient, first in (("A", 0), ("B", 0)):
        write_series(
            tmp_path / "input" / patient, role="input", patient=patient, study=f"low {patient}", first=first
        )
        write_series(tmp_path / "reference" / patient, patient=patient, first=first)
    found = paired(tmp_path)
    assert [each.rule for each in found] == ["the same folder", "the same folder"]
    assert all(each.source.folder == each.reference.folder for each in found)


def test_series_of_one_patient_belong_together_last(tmp_path: Path) -> None:
    write_series(tmp_path / "input" / "low", role="input", study="low")
    write_series(tmp_path / "reference" / "full", study="full")
    (found,) = paired(tmp_path)
    assert found.rule == "the same patient"


def test_another_geometry_is_refused_and_said(tmp_path: Path) -> None:
    write_series(tmp_path / "input", role="input")
    write_series(tmp_path / "reference", PixelSpacing=["0.7", "0.7"])
    with pytest.raises(Refused, match="pixel spacing") as refusal:
        paired(tmp_path)
    assert refusal.value.reason == "geometry-differs"


def test_slices_that_the_reference_lacks_are_refused_and_counted(tmp_path: Path) -> None:
    write_series(tmp_path / "input", role="input", slices=5)
    write_series(tmp_path / "reference", first=2, slices=5)
    with pytest.raises(Refused, match="2 of 5 slice positions"):
        paired(tmp_path)


def test_a_stranger_has_no_reference(tmp_path: Path) -> None:
    write_series(tmp_path / "input" / "a", role="input", patient="A")
    write_series(tmp_path / "reference" / "b", patient="B")
    with pytest.raises(Refused) as refusal:
        paired(tmp_path)
    assert refusal.value.reason == "no-reference"


def test_two_references_that_fit_are_not_chosen_between(tmp_path: Path) -> None:
    write_series(tmp_path / "input", role="input")
    for role in ("one", "two"):
        write_series(tmp_path / "reference" / role, role=role)
    with pytest.raises(Refused) as refusal:
        paired(tmp_path)
    assert refusal.value.reason == "several-references"


def test_of_two_references_that_fit_the_one_in_the_same_folder_is_meant(tmp_path: Path) -> None:
    write_series(tmp_path / "input" / "two", role="input")
    for role in ("one", "two"):
        write_series(tmp_path / "reference" / role, role=role)
    (found,) = paired(tmp_path)
    assert found.reference.folder == "two"


def test_a_patient_is_known_by_the_reference_alone(tmp_path: Path) -> None:
    digests = []
    for cohort in ("one", "other"):
        write_series(tmp_path / cohort / "input", role=f"input {cohort}")
        write_series(tmp_path / cohort / "reference")
        digests.append(patient_digests(paired(tmp_path / cohort)))
    assert list(digests[0].values()) == list(digests[1].values())
    assert len(next(iter(digests[0].values()))) == 16
