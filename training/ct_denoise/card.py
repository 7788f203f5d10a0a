"""Write the model card from evaluation.json.

Run ``python -m training.ct_denoise.card --pipeline pipelines/ct-denoise``.

Every number of the card comes from evaluation.json, so that the two cannot disagree.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .shortfalls import sentences

TEMPLATE = Path(__file__).with_name("card_template.md")
Line = dict[str, Any]


def interval(figure: Line, digits: int = 2) -> str:
    """Mean with its 95 % interval."""
    return f"{figure['Mean']:.{digits}f} [{figure['Low95']:.{digits}f}, {figure['High95']:.{digits}f}]"


def markdown(header: list[str], lines: list[list[str]]) -> str:
    """A table."""
    rows = ["| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *lines]]
    return "\n".join(rows)


def error_table(lines: list[Line], by: str) -> str:
    """RMSE of all methods against the bound."""
    header = [
        "source",
        by.lower(),
        "cases",
        "input",
        "**model**",
        "NLM",
        "TV",
        "bound",
        "model / bound",
        "model better than NLM, TV",
    ]
    body = []
    for line in lines:
        same = line["SameCases"]
        label = f"{100 * line[by]:.0f} %" if by == "Dose" else line[by]
        body.append(
            [
                line["Source"],
                label,
                str(line["Cases"]),
                f"{line['Input']['Mean']:.1f}",
                interval(line["Model"]),
                interval(same["Nlm"]),
                interval(same["Tv"]),
                f"{line['Bound']['Mean']:.2f}",
                interval(line["ModelOverBound"]),
                f"{same['BetterThanNlm']}, {same['BetterThanTv']} of {same['Cases']}",
            ]
        )
    return markdown(header, body)


def similarity_table(lines: list[Line]) -> str:
    """PSNR and SSIM per dose."""
    header = ["source", "dose", "PSNR model", "NLM", "TV", "SSIM model", "NLM", "TV"]
    body = []
    for line in lines:
        same = line["SameCases"]
        cells = [interval(same[f"{m}Psnr"], 1) for m in ("Model", "Nlm", "Tv")]
        cells += [interval(same[f"{m}Ssim"], 3) for m in ("Model", "Nlm", "Tv")]
        body.append([line["Source"], f"{100 * line['Dose']:.0f} %", *cells])
    return markdown(header, body)


def shift_table(shifts: dict[str, Line]) -> str:
    """Mean HU shift per tissue class."""
    header = ["tissue", "mean shift (HU)", "worst patient", "worst single case", "patients", "cases"]
    body = [
        [
            name,
            interval(s),
            f"{s['WorstPatient']:+.2f}",
            f"{s['WorstCase']:+.2f}",
            str(s["Patients"]),
            str(s["Cases"]),
        ]
        for name, s in shifts.items()
    ]
    return markdown(header, body)


def phantom_table(figures: dict[str, Line]) -> str:
    """Sharpness and texture in the water phantom."""
    contrasts = list(next(iter(figures.values()))["Mtf10Ratio"])
    header = [
        "kernel",
        "dose",
        "noise in, out (HU)",
        "NPS peak ratio",
        "NPS mean frequency ratio",
        *[f"MTF10 {c} HU" for c in contrasts],
    ]
    body = []
    for f in figures.values():
        noise = f["Noise"]
        body.append(
            [
                f["Kernel"],
                f"{100 * f['Dose']:.0f} %",
                f"{noise['Input']['NoiseHu']:.1f}, {noise['Output']['NoiseHu']:.1f}",
                f"{noise['PeakRatio']:.2f}",
                f"{noise['MeanFrequencyRatio']:.2f}",
                *[f"{f['Mtf10Ratio'][c]:.2f}" for c in contrasts],
            ]
        )
    return markdown(header, body)


def headline(evaluation: Line) -> str:
    """The first figures, one line per class of reference."""
    header = [
        "references",
        "model RMSE (HU)",
        "NLM (oracle)",
        "TV (oracle)",
        "bound",
        "model / bound",
        "model / bound, matching kernel",
    ]
    body = []
    for name, h in evaluation["Headline"].items():
        same = h["SameCases"]
        body.append(
            [
                name,
                interval(h["Model"]),
                interval(same["Nlm"]),
                interval(same["Tv"]),
                interval(h["Bound"]),
                interval(h["ModelOverBound"]),
                interval(h["ModelOverBoundMatchedKernel"]),
            ]
        )
    return markdown(header, body)


def demo_table(demo: Line) -> str:
    """What the model does to the real series."""
    body = [[k, f"{v:.4g}"] for k, v in demo.items() if isinstance(v, (int, float))]
    body += [
        [f"MeanShiftHu {k}", f"{v['Mean']:+.3f}, worst slice {v['WorstSlice']:+.3f}"]
        for k, v in demo["MeanShiftHu"].items()
    ]
    power = demo["NoisePower"]
    body.append(
        [
            "deviation in the flattest squares, before and after (HU)",
            f"{power['SquaresDeviationBeforeHu']}, {power['SquaresDeviationAfterHu']}",
        ]
    )
    return markdown(["figure", "value"], body)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/ct-denoise"))
    folder = parser.parse_args().pipeline
    evaluation = json.loads((folder / "evaluation.json").read_text())
    fields = {
        "SHA256": evaluation["ModelSha256"],
        "MEGABYTES": f"{evaluation['ModelBytes'] / 1e6:.1f}",
        "WEIGHTS": f"{evaluation['Weights'] / 1e6:.2f}",
        "HEADLINE": headline(evaluation),
        "PER_DOSE": error_table(evaluation["PerDose"], "Dose"),
        "PER_KERNEL": error_table(evaluation["PerKernel"], "Kernel"),
        "SIMILARITY": similarity_table(evaluation["PerDose"]),
        "SHIFTS": shift_table(evaluation["HuShift"]),
        "PLAUSIBLE_SHIFTS": shift_table(evaluation["HuShiftPlausible"]),
        "REFERENCE_SHIFTS": shift_table(evaluation["HuShiftAgainstReference"]),
        "PHANTOM": phantom_table(evaluation["Phantom"]),
        "SHORTFALLS": sentences(evaluation),
        "DEMO": demo_table(evaluation["Demo"]),
        "MILLISECONDS": f"{evaluation['MillisecondsPerSliceOneCore']:.0f}",
        "HELD_OUT": ", ".join(evaluation["Split"]["HeldOutPatients"]),
        "TRAINING_PATIENTS": str(evaluation["Split"]["TrainingPatients"]),
        "TRAINING_SLICES": str(evaluation["Split"]["TrainingSlices"]),
    }
    text = TEMPLATE.read_text()
    for name, value in fields.items():
        text = text.replace("{{" + name + "}}", value)
    (folder / "MODEL_CARD.md").write_text(text)


if __name__ == "__main__":
    main()
