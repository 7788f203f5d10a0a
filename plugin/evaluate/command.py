"""`orthogen evaluate` as the command line has it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from pipelines.catalog import Catalog
from pipelines.errors import ConfigurationError
from pipelines.evaluation.baselines import FILTERS, Baseline, Baselines
from pipelines.evaluation.cohort import Wanted
from pipelines.evaluation.document import Evaluation
from pipelines.evaluation.intensity import read_curves
from pipelines.manifest_part import read_part
from pipelines.pipeline import open_pipeline
from plugin.evaluate.report import write_report, write_worst
from plugin.evaluate.run import Folders, Measured, evaluate
from plugin.evaluate.subjects import Runner
from plugin.settings import Settings

Say = Callable[[str], None]
STEPS = 4
"""Progress lines per series."""
TIERS = ("1", "2", "3")


def run(parsed: argparse.Namespace, settings: Settings, catalog: Catalog, say: Say) -> Measured:
    """Writes `evaluation.json`, `report.html` and the worst slices, of a compared pipeline too.

    Raises Refused, ConfigurationError.
    """
    for name in ("input", "reference"):
        if not getattr(parsed, name).is_dir():
            raise ConfigurationError(f"{getattr(parsed, name)} is no folder", remedy=f"name one by --{name}")
    wanted = wanted_by(parsed)
    folders = Folders(parsed.input, parsed.reference, parsed.groups)

    def measure(name: str) -> Measured:
        pipeline = open_pipeline(catalog[name], settings.execution)
        seed = pipeline.entry.manifest.seed if parsed.seed is None else parsed.seed
        return evaluate(folders, Runner(pipeline, settings, seed, progress(say)), wanted, say)

    other = None
    if parsed.compare:
        other = compared_evaluation(parsed.compare, catalog, measure, parsed.output)
    measured = measure(parsed.pipeline)
    measured = measured.beside(other) if other else measured
    write(measured, parsed.output)
    return measured


def wanted_by(parsed: argparse.Namespace) -> Wanted:
    """Raises ConfigurationError for tiers, baselines or curves that are none."""
    names = baselines_of(parsed.baselines)
    filters = None if parsed.baseline_noise == "none" else Baselines(names, parsed.baseline_noise)
    curves = read_curves(parsed.baseline_curve) if parsed.baseline_curve else None
    return Wanted(tiers_of(parsed.tiers), filters, curves)


def compared_evaluation(
    named: str, catalog: Catalog, measure: Callable[[str], Measured], output: Path
) -> Evaluation:
    """That of another pipeline, measured now and written below `output`, or read from a file."""
    if named in catalog:
        other = measure(named)
        write(other, output / named)
        return other.evaluation
    if not Path(named).is_file():
        raise ConfigurationError(
            f"--compare {named} is neither a pipeline nor a file",
            remedy="one of " + ", ".join(catalog.names()) + ", or the path of an evaluation.json",
        )
    return read_part(
        Path(named),
        Evaluation,
        missing="name an evaluation.json",
        faulty="compare with a file that this version of `orthogen evaluate` wrote",
    )


def write(measured: Measured, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / "evaluation.json").write_text(measured.evaluation.text(), encoding="utf-8")
    write_report(measured, output / "report.html")
    write_worst(measured, output)


def tiers_of(text: str) -> tuple[int, ...]:
    """Raises ConfigurationError for anything but some of 1, 2 and 3."""
    parts = sorted(set(text.split(",")))
    if not set(parts) <= set(TIERS):
        raise ConfigurationError(f"--tiers {text} is not understood", remedy="give some of 1,2,3")
    return tuple(int(part) for part in parts)


def baselines_of(text: str) -> tuple[Baseline, ...]:
    """In their usual order. Raises ConfigurationError for anything but some of nlm and tv."""
    asked = set(text.split(","))
    if not asked <= set(FILTERS):
        raise ConfigurationError(f"--baselines {text} is not understood", remedy="give some of nlm,tv")
    return tuple(name for name in FILTERS if name in asked)


def progress(say: Say) -> Callable[[str, float], None]:
    """Says each quarter of a series once."""
    last = [0]

    def report(_stage: str, share: float) -> None:
        step = int(share * STEPS)
        if step != last[0] and step:
            say(f"  {100 * step // STEPS} % of the slices processed")
        last[0] = step

    return report
