"""Write the model card: ``python -m training.ct_denoise.card --pipeline pipelines/ct-denoise``.

Every number of the card comes from the JSON files beside the model, so that they cannot disagree.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from . import card_worsened, evaluated
from .evaluated import Evaluated
from .markdown import markdown
from .shortfalls import sentences

TEMPLATE = Path(__file__).with_name("card_template.md")
DOSES = {"05": "5 %", "10": "10 %", "25": "25 %", "50": "50 %"}
Line = dict[str, Any]


def interval(figure: Line, digits: int = 2) -> str:
    """Mean with its 95 % interval."""
    return f"{figure['Mean']:.{digits}f} [{figure['Low95']:.{digits}f}, {figure['High95']:.{digits}f}]"


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


def texture_table(lines: list[Line]) -> str:
    """Noise texture in patients."""
    header = ["kernel", "dose", "slices, squares", "noise in, out (HU)", "peak ratio", "mean frequency ratio"]
    body = [
        [
            line["Kernel"],
            f"{100 * line['Dose']:.0f} %",
            f"{line['Slices']}, {line['Squares']}",
            f"{line['NoiseInHu']:.1f}, {line['NoiseOutHu']:.1f}",
            f"{line['PeakRatio']:.2f}",
            f"{line['MeanFrequencyRatio']:.2f}",
        ]
        for line in lines
    ]
    return markdown(header, body)


def noise_table(figures: Line) -> str:
    """The two estimates of the references' own noise, and what they make of the bound."""
    header = ["references", "fine detail over mode", "model / bound by the mode", "by fine detail"]
    keys = ("FineOverModeNoise", "ModelOverBoundMatchedKernel", "ModelOverFineBoundMatchedKernel")
    return markdown(header, [[name, *(interval(h[key]) for key in keys)] for name, h in figures.items()])


def adversarial_table(found: Line) -> str:
    """The ablation."""
    header = ["weight", "error / attainable", "noise out (HU)", "peak ratio", "mean frequency ratio"]
    keys = (("ErrorOverBound", 3), ("NoiseOutHu", 2), ("PeakRatio", 2), ("MeanFrequencyRatio", 2))
    names = {None: "start", 0.0: "0 (without)"}
    body = [
        [names.get(arm["Weight"], str(arm["Weight"])), *(f"{arm[key]:.{digits}f}" for key, digits in keys)]
        for arm in found["Arms"]
    ]
    return markdown(header, body)


def returned_table(lines: list[Line]) -> str:
    """The choice of the share of noise that is returned."""
    header = ["share returned", "error / attainable", "sharp", "smooth", "mean frequency ratio"]
    body = [
        [
            f"{line['Returned']:.2f}",
            *(f"{line[k]:.3f}" for k in ("ErrorOverBound", "Sharp", "Smooth")),
            f"{line['MeanFrequencyRatio']:.2f}",
        ]
        for line in lines
    ]
    return markdown(header, body)


def returned_words(lines: list[Line]) -> str:
    """What the smallest share costs."""
    none, least = lines[0], lines[1]
    rise = 100 * (least["ErrorOverBound"] / none["ErrorOverBound"] - 1)
    return f"a share of {least['Returned']:.1f} costs {rise:.1f} %."


def reasons(found: Evaluated) -> str:
    """What the gate found most, and why it held."""
    series = found.evaluation.cohort.series
    streaks, blurred = (
        [row for row in series if any(word in reason for reason in row.reasons)]
        for word in ("Streaks show in the air", "the result is blurred")
    )
    held = [row for row in series if row.verdict == "HOLD"]
    return (
        f"{len(streaks)} of {len(series)} are suspected of motion for streaks in the air "
        f"({sum(row.verdict == 'HOLD' for row in streaks)} of them held). "
        f"Of the {len(held)} held, {sum(row in blurred for row in held)} are said to have blurred edges."
    )


def by_evaluate(folder: Path) -> dict[str, str]:
    """Tables of what `orthogen evaluate` found."""
    held_out = Evaluated.read(folder / "evaluation.json", folder / "evaluation_bounds.json")
    unlike = Evaluated.read(folder / "evaluation_unlike.json", folder / "evaluation_unlike_bounds.json")
    kinds = {k: [g for g in held_out.groups if g.startswith(k)] for k in ("smooth", "sharp")}
    doses = {f"{k}, {DOSES[g[-2:]]}": [g] for k, groups in kinds.items() for g in groups}
    others = {
        g: [g] for g in sorted(unlike.groups, key=lambda g: (g[: g.rindex("-")], int(g[g.rindex("-") + 1 :])))
    }
    return {
        "HEADLINE": evaluated.error_table(held_out, {f"{k}, all doses": g for k, g in kinds.items()}),
        "PER_DOSE": evaluated.error_table(held_out, doses),
        "SIMILARITY": evaluated.similarity_table(held_out, doses),
        "SHIFTS": evaluated.shift_table(held_out),
        "UNLIKE": evaluated.error_table(unlike, others, verdicts=True),
        "REASONS": reasons(held_out),
        "WORSENED": card_worsened.sentences(held_out, unlike),
        "VERDICTS": "; ".join(f"{g}: {held_out.verdicts(g)}" for g in held_out.groups),
    }


def by_simulation(folder: Path) -> dict[str, str]:
    """Tables of what `evaluate`, `adversarial` and `returned` found."""
    figures = json.loads((folder / "simulation.json").read_text())
    split = figures["Split"]
    return {
        "SHA256": figures["ModelSha256"],
        "MEGABYTES": f"{figures['ModelBytes'] / 1e6:.1f}",
        "WEIGHTS": f"{figures['Weights'] / 1e6:.2f}",
        "PER_DOSE_ALL": error_table(figures["PerDose"], "Dose"),
        "PER_KERNEL": error_table(figures["PerKernel"], "Kernel"),
        "NOISE": noise_table(figures["Headline"]),
        "ALL_SHIFTS": shift_table(figures["HuShift"]),
        "PLAUSIBLE_SHIFTS": shift_table(figures["HuShiftPlausible"]),
        "PHANTOM": phantom_table(figures["Phantom"]),
        "TEXTURE": texture_table(figures["Texture"]),
        "DEMO": demo_table(figures["Demo"]),
        "MILLISECONDS": f"{figures['MillisecondsPerSliceOneCore']:.0f}",
        "HELD_OUT": ", ".join(split["HeldOutPatients"]),
        "TRAINING_PATIENTS": str(split["TrainingPatients"]),
        "TRAINING_SLICES": str(split["TrainingSlices"]),
        "SHORTFALLS": sentences(figures),
        "RETURNED_WORDS": returned_words(json.loads((folder / "returned.json").read_text())),
        "ADVERSARIAL": adversarial_table(json.loads((folder / "adversarial.json").read_text())),
        "RETURNED": returned_table(json.loads((folder / "returned.json").read_text())),
        "ITERATIONS": f"{iterations(json.loads((folder / 'training_log.json').read_text())):,}",
    }


def iterations(log: Line) -> int:
    """Of all stages of this version together."""
    stages = [stage for stage in log["Stages"] if stage["Version"] == log["Version"]]
    return sum(int(stage["Curve"][-1]["Iteration"]) for stage in stages)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/ct-denoise"))
    folder = parser.parse_args().pipeline
    text = TEMPLATE.read_text()
    for name, value in {**by_evaluate(folder), **by_simulation(folder)}.items():
        text = text.replace("{{" + name + "}}", value)
    if "{{" in text:
        raise SystemExit(f"no figure for {text[text.index('{{') :][:40]}")
    (folder / "MODEL_CARD.md").write_text(text)


if __name__ == "__main__":
    main()
