"""All figures of a model card, by `orthogen evaluate`, and the card.

Run ``python -m training.card_figures NAME --folders DIR [--unlike DIR]``: NAME is ct-denoise, mr-denoise or
mr-t1-to-t2, DIR what `training/<name>/validation_folders` wrote (input/ and reference/). Writes
evaluation.json (of --unlike evaluation_unlike.json) and the worst slices as figures/ beside the pipeline,
then MODEL_CARD.md.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CURVE = "curve.json"
PICTURES = 3
"""Of the worst slices, one a patient, in the failure gallery."""


def evaluate(folders: Path, pipeline: Path, name: str) -> None:
    """`orthogen evaluate` over DIR/input and DIR/reference; keeps its evaluation.json and pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "plugin.cli", "evaluate", "--pipeline", pipeline.name, "--groups"]
        command += ["--baseline-noise", "oracle", "--output", scratch]
        command += ["--input", str(folders / "input"), "--reference", str(folders / "reference")]
        if (pipeline / CURVE).exists():
            command += ["--baseline-curve", str(pipeline / CURVE)]
        subprocess.run(command, check=True)
        shutil.copy(Path(scratch) / "evaluation.json", pipeline / f"{name}.json")
        keep_pictures(Path(scratch), pipeline / "figures", name.replace("evaluation", "worst"))


def keep_pictures(written: Path, figures: Path, name: str) -> None:
    """The failure gallery; what an earlier evaluation left of it goes."""
    figures.mkdir(exist_ok=True)
    for picture in figures.glob(f"{name}-[0-9].png"):
        picture.unlink()
    for number in range(1, PICTURES + 1):
        if (written / f"worst-{number}.png").exists():
            shutil.copy(written / f"worst-{number}.png", figures / f"{name}-{number}.png")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--folders", type=Path, required=True, help="of the held-out patients")
    parser.add_argument("--unlike", type=Path, help="of series unlike the training's")
    options = parser.parse_args()
    pipeline = Path("pipelines") / options.name
    evaluate(options.folders, pipeline, "evaluation")
    if options.unlike:
        evaluate(options.unlike, pipeline, "evaluation_unlike")
    module = f"training.{options.name.replace('-', '_')}.card"
    subprocess.run([sys.executable, "-m", module, "--pipeline", str(pipeline)], check=True)


if __name__ == "__main__":
    main()
