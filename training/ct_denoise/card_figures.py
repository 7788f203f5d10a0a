"""The figures of the model card, by `orthogen evaluate`.

Run ``python -m training.ct_denoise.card_figures --held-out DIR --unlike DIR``: the folders that
`validation_folders` wrote for the held-out patients and for other series. Writes evaluation.json,
evaluation_unlike.json and the bounds beside the pipeline; `card` makes tables of them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def evaluate(folders: Path, pipeline: Path, name: str) -> None:
    """`orthogen evaluate` over DIR/input and DIR/reference; keeps its evaluation.json under `name`."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "plugin.cli", "evaluate", "--pipeline", pipeline.name, "--groups"]
        command += ["--tiers", "1", "--baseline-noise", "oracle", "--output", scratch]
        command += ["--input", str(folders / "input"), "--reference", str(folders / "reference")]
        subprocess.run(command, check=True)
        shutil.copy(Path(scratch) / "evaluation.json", pipeline / f"{name}.json")
    shutil.copy(folders / "bounds.json", pipeline / f"{name}_bounds.json")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--unlike", type=Path, required=True)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/ct-denoise"))
    options = parser.parse_args()
    evaluate(options.held_out, options.pipeline, "evaluation")
    evaluate(options.unlike, options.pipeline, "evaluation_unlike")


if __name__ == "__main__":
    main()
