"""The shipped evaluations and cards are of the models and the configurations that ship."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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


def of_groups(key: str, groups: str) -> Callable[[dict[str, float]], float | None]:
    """Mean of a patient's figure over the groups whose names begin so."""
    beginning = f"{key} | group {groups}"

    def figure(values: dict[str, float]) -> float | None:
        having = [value for name, value in values.items() if name.startswith(beginning)]
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


@ENTRIES
def test_cards_are_what_their_templates_make_of_the_figures(entry: CatalogEntry, tmp_path: Path) -> None:
    name = entry.manifest.name
    copy = shutil.copytree(entry.folder, tmp_path / name)
    (copy / "MODEL_CARD.md").unlink()
    module = f"training.{name.replace('-', '_')}.card"
    subprocess.run([sys.executable, "-m", module, "--pipeline", str(copy)], cwd=ROOT, check=True)
    assert (copy / "MODEL_CARD.md").read_text() == card(entry)


@pytest.mark.parametrize("references", ["smooth", "sharp"])
def test_the_headline_of_ct_denoise_is_that_of_its_evaluation(references: str) -> None:
    entry = SHIPPED["ct-denoise"]
    line = next(line for line in card(entry).splitlines() if line.startswith(f"| {references}, all doses |"))
    cells = [cell.strip().split(" ")[0] for cell in line.strip("| ").split("|")]
    images = ("input", "result", "non-local means")
    figures = [of_groups(f"rmse HU | {image} | body", references) for image in images]
    assert cells[2:5] == [f"{over_patients(entry, figure):.2f}" for figure in figures]


@pytest.mark.parametrize("percent", [5, 10])
def test_the_headline_of_mr_denoise_is_that_of_its_evaluation(percent: int) -> None:
    entry = SHIPPED["mr-denoise"]
    ours, theirs = (
        over_patients(entry, of_groups(f"psnr dB | {image} | foreground | signal", f"rician-{percent:02d}"))
        for image in ("result", "non-local means")
    )
    line = next(line for line in card(entry).splitlines() if f"dB at {percent} %**" in line)
    before = line[: line.index(f"dB at {percent} %**")]
    assert before[before.rindex("**") :].startswith(f"**{ours - theirs:+.2f} ")


def test_the_headline_of_mr_t1_to_t2_is_that_of_its_evaluation() -> None:
    entry = SHIPPED["mr-t1-to-t2"]
    ours, curve = (
        over_patients(entry, of_groups(f"psnr dB | {image} | foreground | signal", ""))
        for image in ("result", "intensity lookup")
    )
    line = next(
        line for line in card(entry).splitlines() if line.startswith("- above the best curve there is")
    )
    assert f"in view: {ours - curve:+.2f} [" in line
