"""`orthogen evaluate` as the command line has it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from pipelines.catalog import Catalog
from pipelines.errors import ConfigurationError
from pipelines.evaluation.cohort import Wanted
from pipelines.evaluation.document import Evaluation
from pipelines.manifest_part import read_part
from pipelines.pipeline import open_pipeline
from plugin.evaluate.report import write_report
from plugin.evaluate.run import Folders, Measured, evaluate
from plugin.evaluate.subjects import Runner
from plugin.settings import Settings

Say = Callable[[str], None]
STEPS = 4
"""Progress lines per series."""
TIERS = ("1", "2", "3")


def run(parsed: argparse.Namespace, settings: Settings, catalog: Catalog, say: Say) -> Measured:
    """Writes `evaluation.json` and `report.html`, of a compared pipeline too. Raises Refused,
    ConfigurationError.
    """
    for name in ("input", "reference"):
        if not getattr(parsed, name).is_dir():
            raise ConfigurationError(f"{getattr(parsed, name)} is no folder", remedy=f"name one by --{name}")
    tiers = tiers_of(parsed.tiers)
    wanted = Wanted(tiers, None if parsed.baseline_noise == "none" else parsed.baseline_noise)
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


def tiers_of(text: str) -> tuple[int, ...]:
    """Raises ConfigurationError for anything but some of 1, 2 and 3."""
    parts = sorted(set(text.split(",")))
    if not set(parts) <= set(TIERS):
        raise ConfigurationError(f"--tiers {text} is not understood", remedy="give some of 1,2,3")
    return tuple(int(part) for part in parts)


def progress(say: Say) -> Callable[[str, float], None]:
    """Says each quarter of a series once."""
    last = [0]

    def report(_stage: str, share: float) -> None:
        step = int(share * STEPS)
        if step != last[0] and step:
            say(f"  {100 * step // STEPS} % of the slices processed")
        last[0] = step

    return report
