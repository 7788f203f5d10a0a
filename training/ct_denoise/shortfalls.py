"""Where the model misses its targets, in sentences for the card, found in the figures themselves."""

from __future__ import annotations

from typing import Any

Line = dict[str, Any]
TARGETS = {"smooth": 1.2, "sharp": 1.1}  # RMSE over the bound
SHIFT_HU, SHARPNESS, PEAK = 1.0, 0.95, (0.75, 1.25)


def against_bound(evaluation: Line) -> list[str]:
    """RMSE against the bound."""
    found = []
    for line in evaluation["PerDose"]:
        ratio, target = line["ModelOverBound"]["Mean"], TARGETS[line["Source"]]
        verdict = "met" if ratio <= target else "missed"
        dose = f"{100 * line['Dose']:.0f} % dose"
        found.append(f"{line['Source']} references at {dose}: {ratio:.2f} (target {target}, {verdict})")
    return ["RMSE over the bound: " + "; ".join(found) + "."]


def against_baselines(evaluation: Line) -> list[str]:
    """Cells of the tables where an oracle baseline has the smaller mean RMSE."""
    found = []
    for by in ("Dose", "Kernel"):
        for line in evaluation[f"Per{by}"]:
            same = line["SameCases"]
            label = f"{100 * line[by]:.0f} % dose" if by == "Dose" else f"kernel {line[by]}"
            for name in ("Nlm", "Tv"):
                ours, theirs = same["Model"]["Mean"], same[name]["Mean"]
                if theirs < ours:
                    found.append(f"{line['Source']}, {label}: {name.upper()} {theirs:.2f} to {ours:.2f} HU")
    smooth, sharp = (evaluation["Headline"][s]["SameCases"] for s in ("smooth", "sharp"))
    cases = smooth["Cases"] + sharp["Cases"]
    nlm = smooth["BetterThanNlm"] + sharp["BetterThanNlm"]
    total = smooth["BetterThanTv"] + sharp["BetterThanTv"]
    single = f"Single cases: the model has the smaller RMSE than NLM in {nlm}, than TV in {total} of {cases}."
    if not found:
        return ["No table cell where a baseline has the smaller mean RMSE.", single]
    return ["An oracle baseline has the smaller mean RMSE in: " + "; ".join(found) + ".", single]


def shifts(evaluation: Line) -> list[str]:
    """Tissue classes whose mean shift exceeds the target."""
    found = []
    for title, key in (("all cases", "HuShift"), ("at most 60 HU added", "HuShiftPlausible")):
        for name, figure in evaluation[key].items():
            if abs(figure["Mean"]) > SHIFT_HU or abs(figure["WorstPatient"]) > SHIFT_HU:
                found.append(
                    f"{name} ({title}) {figure['Mean']:+.2f}, worst patient {figure['WorstPatient']:+.2f}"
                )
    for name, figure in evaluation["Demo"]["MeanShiftHu"].items():
        if abs(figure["Mean"]) > SHIFT_HU:
            found.append(f"{name} (real series) {figure['Mean']:+.2f}")
    return ["HU shift above 1 HU in the mean or in the worst patient: " + ("; ".join(found) or "none") + "."]


def phantom(evaluation: Line) -> list[str]:
    """Scans of the phantom outside the targets for sharpness and texture."""
    figures = evaluation["Phantom"].values()
    blunt = [
        f"{f['Kernel']} {100 * f['Dose']:.0f} % {contrast} HU: {ratio:.2f}"
        for f in figures
        for contrast, ratio in f["Mtf10Ratio"].items()
        if ratio < SHARPNESS
    ]
    count = sum(len(f["Mtf10Ratio"]) for f in figures)
    plastic = [
        f"{f['Kernel']} {100 * f['Dose']:.0f} %: {f['Noise']['PeakRatio']:.2f}"
        for f in figures
        if not PEAK[0] <= f["Noise"]["PeakRatio"] <= PEAK[1]
    ]
    return [
        f"MTF10 below {SHARPNESS} of the input's in {len(blunt)} of {count} inserts: "
        + "; ".join(blunt)
        + ".",
        f"NPS peak outside {PEAK[0]} to {PEAK[1]} of full dose in {len(plastic)} of {len(figures)} scans: "
        + "; ".join(plastic)
        + ". What noise is left is coarser than a full-dose scan's.",
    ]


def sentences(evaluation: Line) -> str:
    """A list for the card."""
    parts = [against_bound, against_baselines, shifts, phantom]
    return "\n".join(f"- {sentence}" for part in parts for sentence in part(evaluation))
