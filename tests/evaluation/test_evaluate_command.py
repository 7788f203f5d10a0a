"""`orthogen evaluate` from DICOM folders to evaluation.json and report.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.evaluation.document import Evaluation, evaluation_schema
from pipelines.evaluation.figures import Quantity
from plugin.cli import main
from plugin.inventory import inventory, table
from tests.evaluation.evaluated_series import noisy, write_series
from tests.pipelines.tiny_models import manifest_json, slice_convolution, tiny_entry, write_folder

NOISE_HU = 40.0
ROOT = Path(__file__).parents[2]


def smoothing(width: int) -> bytes:
    """The mean over width x width pixels."""
    return slice_convolution(np.full((1, 1, width, width), 1.0 / width**2, np.float32))


def pipelines_in(folder: Path) -> Path:
    """A configuration with two pipelines: one that smooths a little, one that smooths too much."""
    known = {"Name": "slices", "Modality": "CT", "Quantity": "hounsfield_units"}
    for name, width in (("smooth", 3), ("smear", 9)):
        model = smoothing(width)
        manifest = manifest_json(model, Name=name, Inputs=[known])
        write_folder(folder / "pipelines" / name, model, manifest)
    path = folder / "orthanc.json"
    path.write_text(json.dumps({"Orthogen": {"PipelineFolders": [str(folder / "pipelines")]}}))
    return path


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients, a noisy input and a reference each, and the configuration."""
    folder = tmp_path_factory.mktemp("cohort")
    pipelines_in(folder)
    for number, patient in enumerate("ABC"):
        where: dict[str, Any] = {"patient": patient, "first": 6 * number, "slices": 4}
        write_series(folder / "reference" / patient, **where)
        change = noisy(NOISE_HU, number)
        write_series(folder / "input" / f"dose-{number % 2}" / patient, role="input", change=change, **where)
    return folder


def evaluate(cohort: Path, output: Path, *more: str, pipeline: str = "smooth") -> int:
    return main(
        [
            *("evaluate", "--pipeline", pipeline, "--config", str(cohort / "orthanc.json")),
            *("--input", str(cohort / "input"), "--reference", str(cohort / "reference")),
            *("--output", str(output), *more),
        ]
    )


@pytest.fixture(scope="module")
def evaluated(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three tiers of `smooth`, with groups, beside `smear`."""
    output = tmp_path_factory.mktemp("evaluated")
    assert evaluate(cohort, output, "--groups", "--compare", "smear") == 0
    return output


def read(folder: Path) -> Evaluation:
    return Evaluation.model_validate_json((folder / "evaluation.json").read_text())


def means(evaluation: Evaluation) -> dict[str, float]:
    return {figure.key: figure.mean for figure in evaluation.figures}


def test_figures_are_what_the_images_give(evaluated: Path) -> None:
    found = means(read(evaluated))
    assert found["rmse HU | input | body"] == pytest.approx(NOISE_HU, rel=0.03)
    assert found["rmse HU | result | soft tissue"] < 0.6 * found["rmse HU | input | soft tissue"]
    assert abs(found["mean difference HU | result | soft tissue"]) < 2.0
    assert found["psnr dB | result | body | soft tissue"] > found["psnr dB | input | body | soft tissue"]


def test_baselines_stand_beside_the_result(evaluated: Path) -> None:
    evaluation = read(evaluated)
    found = means(evaluation)
    for image in ("non-local means", "total variation"):
        assert found[f"rmse HU | {image} | body"] < 0.9 * found["rmse HU | input | body"]
    against = {test.against for test in evaluation.tests}
    assert against == {"input", "non-local means", "total variation"}


def test_what_the_reference_s_own_noise_allows_is_a_figure_of_every_series_with_soft_tissue(
    evaluated: Path,
) -> None:
    evaluation = read(evaluated)
    assert not any(row.notes for row in evaluation.cohort.series)
    for row in evaluation.patients:
        least, ours = (row.values[f"rmse HU | {image} | body"] for image in ("attainable", "result"))
        own = row.values["noise HU | reference | even soft tissue"]
        assert 0 < least < min(own, NOISE_HU)
        assert least < ours
        assert row.values["rmse / attainable | result | body"] == pytest.approx(ours / least, rel=0.1)


def test_every_tier_has_its_figures(evaluated: Path) -> None:
    evaluation = read(evaluated)
    words = {(figure.tier, figure.figure) for figure in evaluation.figures}
    assert {
        (1, "ms-ssim"),
        (2, "NPS peak / reference's"),
        (2, "10 % transfer / reference's"),
        (2, "sFRC hallucination candidates"),
        (2, "contrast, change from reference"),
        (3, "CHO d' (Laguerre-Gauss)"),
        (3, "CHO d' (Gabor)"),
        (3, "lesions that keep half their contrast"),
        (3, "lesion mean, bias"),
        (3, "Dice of threshold segmentation"),
    } <= words
    assert {curve.plot.split(",")[0] for curve in evaluation.curves} >= {
        "Noise power",
        "Transfer at the patient's surface",
        "Low-contrast detectability (CHO",
    }


def test_smoothing_shows_as_what_it_does(evaluated: Path) -> None:
    found = means(read(evaluated))
    assert found["10 % transfer / reference's | result | surface of the body"] < 0.9
    assert found["10 % transfer / reference's | input | surface of the body"] > 0.9
    assert found["noise / reference's | input | flat squares in body"] > 1.5
    small, large = (f"lesion contrast kept | result | lesions of {size}, 80 HU" for size in ("4 mm", "10 mm"))
    assert found[small] < found[large] <= 1.02


def test_means_and_intervals_are_over_patients(evaluated: Path) -> None:
    evaluation = read(evaluated)
    (figure,) = [each for each in evaluation.figures if each.key == "rmse HU | result | body"]
    values = [row.values[figure.key] for row in evaluation.patients]
    assert figure.count == len(values) == evaluation.cohort.patients == 3
    assert figure.mean == pytest.approx(np.mean(values), rel=1e-4)
    assert figure.low95 is not None
    assert min(values) <= figure.low95 <= figure.mean


def test_groups_have_figures_of_their_own(evaluated: Path) -> None:
    evaluation = read(evaluated)
    rows = {row.group: row for row in evaluation.cohort.series}
    assert set(rows) == {"dose-0", "dose-1"}
    counts = {figure.key: figure.count for figure in evaluation.figures}
    assert counts["rmse HU | result | body | group dose-0"] == 2
    assert counts["rmse HU | result | body | group dose-1"] == 1


def test_two_models_stand_side_by_side(evaluated: Path) -> None:
    comparison = read(evaluated).comparison
    assert comparison is not None
    assert (comparison.other.name, comparison.pairs) == ("smear", 3)
    by_key = {figure.key: figure for figure in comparison.figures}
    transfer = by_key["10 % transfer / reference's | result | surface of the body"]
    assert transfer.difference == pytest.approx(transfer.mean - transfer.other_mean, rel=1e-4)
    assert transfer.mean > transfer.other_mean
    assert transfer.p == pytest.approx(0.25)  # the smallest that three pairs can give
    assert transfer.better == "neither"
    assert read(evaluated / "smear").pipeline.name == "smear"


def test_running_again_gives_the_same_bytes(cohort: Path, evaluated: Path, tmp_path: Path) -> None:
    other = str(evaluated / "smear" / "evaluation.json")
    assert evaluate(cohort, tmp_path, "--groups", "--compare", other) == 0
    for file in ("evaluation.json", "report.html"):
        assert (tmp_path / file).read_bytes() == (evaluated / file).read_bytes()


def test_a_kept_evaluation_can_be_compared_with(cohort: Path, evaluated: Path, tmp_path: Path) -> None:
    kept = str(evaluated / "evaluation.json")
    assert evaluate(cohort, tmp_path, "--tiers", "1", "--compare", kept, pipeline="smear") == 0
    comparison = read(tmp_path).comparison
    assert comparison is not None
    assert comparison.other.name == "smooth"
    (figure,) = [each for each in comparison.figures if each.key == "rmse HU | result | body"]
    assert figure.pairs == 3
    assert figure.difference > 0


def test_nothing_names_the_patient(evaluated: Path) -> None:
    for file in ("evaluation.json", "report.html"):
        text = (evaluated / file).read_text()
        assert "Secret" not in text
        assert "4711" not in text
        assert "2.25." not in text
        assert "1.2.826" not in text


def test_report_stands_alone(evaluated: Path) -> None:
    text = (evaluated / "report.html").read_text()
    assert text.count("data:image/png;base64,") >= 6
    assert 'src="http' not in text
    assert "<script" not in text
    assert "Worst cases" in text


def test_published_schema_is_that_of_the_classes() -> None:
    published = json.loads((ROOT / "docs" / "evaluation.schema.json").read_text())
    assert published == json.loads(json.dumps(evaluation_schema()))


def test_the_headline_is_what_orthogen_pipelines_shows(evaluated: Path, tmp_path: Path) -> None:
    entry = tiny_entry(tmp_path / "smooth", smoothing(3), Evaluation="evaluation.json")
    (tmp_path / "smooth" / "evaluation.json").write_bytes((evaluated / "evaluation.json").read_bytes())
    shown = inventory(entry)
    assert shown["evaluation"]["result"]["rmse HU"]["Patients"] == 3
    assert "result: " in table([shown])
    assert "rmse HU" in table([shown])


@pytest.mark.parametrize(
    ("more", "status", "words"),
    [
        (["--tiers", "4"], 2, "give some of 1,2,3"),
        (["--baselines", "bm3d"], 2, "give some of nlm,tv"),
        (["--baseline-curve", "/does/not/exist"], 2, "--baseline-curve"),
        (["--baseline-curve", str(ROOT / "pipelines/mr-t1-to-t2/curve.json")], 2, "belongs to translations"),
        (["--compare", "nothing"], 2, "neither a pipeline nor a file"),
        (["--input", "/does/not/exist"], 2, "is no folder"),
    ],
)
def test_wrong_usage_is_said(
    cohort: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: Sequence[str],
    status: int,
    words: str,
) -> None:
    assert evaluate(cohort, tmp_path / "out", *more) == status
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_series_without_a_reference_is_left_out_and_said(cohort: Path, tmp_path: Path) -> None:
    for folder, patients in (("input", "AB"), ("reference", "A")):
        for patient in patients:
            write_series(tmp_path / folder / patient, patient=patient, role=folder, slices=2)
    (tmp_path / "orthanc.json").write_bytes((cohort / "orthanc.json").read_bytes())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "worst-2.png").write_bytes(b"of an earlier evaluation, of another patient")
    assert evaluate(tmp_path, tmp_path / "out", "--tiers", "1", "--baseline-noise", "none") == 0
    evaluation = read(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").glob("worst-*")] == ["worst-1.png"]
    assert (evaluation.cohort.patients, len(evaluation.cohort.series)) == (1, 1)
    assert [row.reason for row in evaluation.cohort.refused] == ["no-reference"]
    assert not any(figure.image in ("non-local means", "total variation") for figure in evaluation.figures)
    (series,) = evaluation.cohort.series
    assert series.notes == ("slices without an attainable error: 2 (input and reference are equal)",)
    assert "no-reference" in (tmp_path / "out" / "report.html").read_text()


def test_a_cohort_without_any_pair_is_refused(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "other", patient="Z", first=20)
    status = evaluate(cohort, tmp_path / "out", "--reference", str(tmp_path / "other"))
    assert status == 3
    assert "no series was evaluated" in capsys.readouterr().err


def test_rows_are_sorted_by_what_they_measure() -> None:
    first = Quantity(1, "rmse", "HU", "result", "body")
    assert sorted([first.of("input"), first]) == [first.of("input"), first]
