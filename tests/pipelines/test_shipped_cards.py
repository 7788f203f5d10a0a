"""The shipped evaluations and cards are of the models and the configurations that ship."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from pipelines.catalog import Catalog, CatalogEntry

ROOT = Path(__file__).parents[2]
SHIPPED = Catalog.load([ROOT / "pipelines"])
ENTRIES = pytest.mark.parametrize("entry", list(SHIPPED), ids=SHIPPED.names())


def evaluations(entry: CatalogEntry) -> dict[str, Any]:
    """Those written by `orthogen evaluate`, by file name; evaluation.json is one of them."""
    found = {file.name: json.loads(file.read_text()) for file in entry.folder.glob("evaluation*.json")}
    return {name: content for name, content in found.items() if "Pipeline" in content}


def over_patients(entry: CatalogEntry, figure: Callable[[dict[str, float]], float | None]) -> float:
    """Mean of a figure of evaluation.json over those of its patients who have it."""
    patients = evaluations(entry)["evaluation.json"]["Patients"]
    values = [figure(patient["Values"]) for patient in patients]
    return fmean(value for value in values if value is not None)


def of_groups(key: str, beginnings: tuple[str, ...]) -> Callable[[dict[str, float]], float | None]:
    """Mean of a patient's figure over the groups whose names begin so."""
    wanted = tuple(f"{key} | group {beginning}" for beginning in beginnings)

    def figure(values: dict[str, float]) -> float | None:
        having = [value for name, value in values.items() if name.startswith(wanted)]
        return fmean(having) if having else None

    return figure


def card(entry: CatalogEntry) -> str:
    return (entry.folder / "MODEL_CARD.md").read_text()


@ENTRIES
def test_evaluations_are_of_the_model_and_the_configuration_that_ship(entry: CatalogEntry) -> None:
    found = evaluations(entry)
    assert entry.manifest.evaluation == "evaluation.json"
    assert "evaluation.json" in found
    for name, content in found.items():
        of = content["Pipeline"]
        assert (of["Name"], of["Version"]) == (entry.manifest.name, entry.manifest.version), name
        assert of["ModelSha256"] == entry.model_sha256, name
        assert of["ConfigSha256"] == entry.config_sha256, f"{name}: evaluate again under the present limits"


@ENTRIES
def test_cards_name_the_version_and_the_model_that_ship(entry: CatalogEntry) -> None:
    assert card(entry).count(f"# Model card: {entry.manifest.name} {entry.manifest.version}\n") == 1
    assert entry.model_sha256 in card(entry)


def written(folder: Path, name: str) -> str:
    """The card that the training's script makes of the JSON in a folder."""
    (folder / "MODEL_CARD.md").unlink(missing_ok=True)
    module = f"training.{name.replace('-', '_')}.card"
    subprocess.run([sys.executable, "-m", module, "--pipeline", str(folder)], cwd=ROOT, check=True)
    return (folder / "MODEL_CARD.md").read_text()


@ENTRIES
def test_cards_are_what_their_templates_make_of_the_figures(entry: CatalogEntry, tmp_path: Path) -> None:
    copy = shutil.copytree(entry.folder, tmp_path / "copy")
    assert written(copy, entry.manifest.name) == card(entry)


@ENTRIES
def test_every_measured_cell_of_a_card_comes_from_its_evaluations(
    entry: CatalogEntry, tmp_path: Path
) -> None:
    """With every figure of every evaluation changed, no measured cell of any table is what it was."""
    (tmp_path / "copy").mkdir()
    shutil.copy(entry.folder / "model.onnx", tmp_path / "copy")
    for name, content in evaluations(entry).items():
        (tmp_path / "copy" / name).write_text(json.dumps(otherwise(content)))
    before, after = (
        measured_cells(text) for text in (card(entry), written(tmp_path / "copy", entry.manifest.name))
    )
    assert before.keys() == after.keys()
    assert len(before) > 15
    unchanged = {place: cell for place, cell in before.items() if after[place] == cell}
    assert not unchanged


def otherwise(evaluation: dict[str, Any]) -> dict[str, Any]:
    """The same with other figures: no difference and no ratio of two of them stays."""
    changed: dict[str, Any] = json.loads(json.dumps(evaluation))
    for number, patient in enumerate(changed["Patients"]):
        patient["Values"] = {key: 1.7 * value + 3.1 + number for key, value in patient["Values"].items()}
        for key in patient["Values"]:
            patient["Values"][key] += 0.37 * (zlib.crc32(key.encode()) % 97)
    for figure in changed["Figures"]:
        figure["Mean"] = 1.7 * figure["Mean"] + 3.1
    return changed


MEASURED = re.compile(r"[+-]?\d+(\.\d+\b| \[)")


def measured_cells(text: str) -> dict[tuple[int, int], str]:
    """Cells of tables that begin with a decimal number, by row and column."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {
        (number, column): cell
        for number, row in enumerate(rows)
        for column, cell in enumerate(row)
        if column and MEASURED.match(cell)
    }


@ENTRIES
def test_templates_hold_no_measured_figure(entry: CatalogEntry) -> None:
    template = ROOT / "training" / entry.manifest.name.replace("-", "_") / "card_template.md"
    text = template.read_text()
    assert not measured_cells(text)
    assert not re.findall(r"\d\.?\d* \[[^\]]*\d", text), "an interval of its own"
    assert not re.findall(r"[+-]\d+\.\d+ (?:dB|HU)", text), "a gain or a shift of its own"


@ENTRIES
def test_pictures_of_a_card_are_there(entry: CatalogEntry) -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", card(entry))
    assert pictures
    assert [name for name in pictures if not (entry.folder / name).is_file()] == []
    there = {f"figures/{path.name}" for path in (entry.folder / "figures").iterdir()}
    assert there == set(pictures)


@ENTRIES
def test_cards_are_of_every_tier_and_of_baselines_that_were_told_everything(entry: CatalogEntry) -> None:
    for name, content in evaluations(entry).items():
        assert content["Settings"]["Tiers"] == [1, 2, 3], name
        translates = entry.manifest.task == "translate"
        assert content["Settings"]["BaselineNoise"] == ("none" if translates else "oracle"), name
        assert (
            any(each.startswith("learned curve") for each in content["Settings"]["Baselines"]) is translates
        )


def test_the_headline_of_ct_denoise_is_that_of_its_evaluation() -> None:
    entry = SHIPPED["ct-denoise"]
    for references, kernels in (("smooth", ("soft", "standard", "medium")), ("sharp", ("sharp", "edge"))):
        line = next(
            line for line in card(entry).splitlines() if line.startswith(f"| {references}, all doses |")
        )
        cells = [cell.strip().split(" ")[0] for cell in line.strip("| ").split("|")]
        images = ("input", "result", "non-local means", "total variation", "attainable")
        figures = [of_groups(f"rmse HU | {image} | body", kernels) for image in images]
        assert cells[2:7] == [f"{over_patients(entry, figure):.2f}" for figure in figures]


@pytest.mark.parametrize("percent", [5, 10])
def test_the_headline_of_mr_denoise_is_that_of_its_evaluation(percent: int) -> None:
    entry = SHIPPED["mr-denoise"]
    ours, theirs = (
        over_patients(
            entry, of_groups(f"psnr dB | {image} | foreground | signal", (f"rician-{percent:02d}",))
        )
        for image in ("result", "non-local means")
    )
    line = next(line for line in card(entry).splitlines() if f"dB at {percent} %**" in line)
    before = line[: line.index(f"dB at {percent} %**")]
    assert before[before.rindex("**") :].startswith(f"**{ours - theirs:+.2f} ")


def test_the_headline_of_mr_t1_to_t2_is_that_of_its_evaluation() -> None:
    entry = SHIPPED["mr-t1-to-t2"]
    ours, curve = (
        over_patients(entry, of_groups(f"psnr dB | {image} | foreground | signal", ("",)))
        for image in ("result", "intensity lookup")
    )
    line = next(
        line for line in card(entry).splitlines() if line.startswith("- above the best curve there is")
    )
    assert f"in view: {ours - curve:+.2f} [" in line
