"""Write the model card: ``python -m training.ct_denoise.card --pipeline pipelines/ct-denoise``.

Every figure of the card comes from evaluation.json and evaluation_unlike.json beside the model, which
`orthogen evaluate` wrote (``python -m training.card_figures ct-denoise``).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from training.card_tables import (
    Rows,
    described,
    detection_table,
    lesion_table,
    mean,
    shown,
    table,
    texture_table,
    write_card,
)
from training.evaluated import Evaluated, Groups

from .shortfalls import shortfalls

KERNELS = {"smooth": ("soft", "standard", "medium"), "sharp": ("sharp", "edge")}
DOSES = {"05": "5 %", "10": "10 %", "25": "25 %", "50": "50 %"}
BASELINES = {"NLM": "non-local means", "TV": "total variation"}
TISSUES = ("air", "lung", "fat", "soft tissue", "bone")
RMSE, RATIO = "rmse HU | {} | body", "rmse / attainable | {} | body"
SQUARES, SURFACE = "flat squares in body", "surface of the body"
TEXTURE = {
    "NPS peak / reference's, input": (f"NPS peak / reference's | input | {SQUARES}", 2),
    "result": (f"NPS peak / reference's | result | {SQUARES}", 2),
    "NPS mean / reference's, input": (f"NPS mean frequency / reference's | input | {SQUARES}", 2),
    "result ": (f"NPS mean frequency / reference's | result | {SQUARES}", 2),
    "noise / reference's": (f"noise / reference's | result | {SQUARES}", 2),
    "10 % transfer / reference's, input": (f"10 % transfer / reference's | input | {SURFACE}", 2),
    "result  ": (f"10 % transfer / reference's | result | {SURFACE}", 2),
}


def by_kind(found: Evaluated) -> Rows:
    """Smooth and sharp references, all doses."""
    return {f"{kind}, all doses": of_kind(found, kind, DOSES) for kind in KERNELS}


def by_dose(found: Evaluated) -> Rows:
    """Smooth and sharp references, each dose."""
    return {f"{kind}, {DOSES[dose]}": of_kind(found, kind, [dose]) for kind in KERNELS for dose in DOSES}


def by_kernel(found: Evaluated) -> Rows:
    """Each kernel, all doses."""
    kernels = {kernel: [f"{kernel}-{dose}" for dose in DOSES] for each in KERNELS.values() for kernel in each}
    return {kernel: groups for kernel, groups in kernels.items() if set(groups) & set(found.groups)}


def of_kind(found: Evaluated, kind: str, doses: object) -> list[str]:
    """The groups of a kind of kernel at some doses."""
    return [group for group in found.groups if is_of(group, kind) and group.rpartition("-")[2] in doses]  # type: ignore[operator]


def is_of(group: str, kind: str) -> bool:
    """Whether the group's kernel is of that kind."""
    return group.rpartition("-")[0] in KERNELS[kind]


def error_table(found: Evaluated, rows: Rows, *, verdicts: bool = False) -> str:
    """RMSE of all images beside the attainable one; in how many patients the result is better."""
    headings = ["references, dose", "patients", "input", "**result**", *BASELINES, "attainable"]
    headings += ["result / attainable", "better than input, NLM, TV"] + ["gate"] * verdicts
    return table(headings, (list(_errors(found, label, groups, verdicts)) for label, groups in rows.items()))


def _errors(found: Evaluated, label: str, groups: Groups, verdicts: bool) -> Iterator[str]:
    ours, others = RMSE.format("result"), ["input", *BASELINES.values()]
    patients = len(found.values(ours, groups))
    yield from (label, str(patients), mean(found.interval(RMSE.format("input"), groups), 2))
    yield shown(found.interval(ours, groups), 2)
    yield from (shown(found.interval(RMSE.format(image), groups), 2) for image in BASELINES.values())
    yield mean(found.interval(RMSE.format("attainable"), groups), 2)
    yield shown(found.interval(RATIO.format("result"), groups), 2)
    counts = (str(found.better(ours, RMSE.format(image), groups)) for image in others)
    yield f"{', '.join(counts)} of {patients}"
    if verdicts:
        yield found.verdicts(groups)


def similarity_table(found: Evaluated, rows: Rows) -> str:
    """PSNR and SSIM in the soft-tissue window; intervals of the result."""
    images = ("input", "result", *BASELINES.values())
    headings = ["references, dose"] + [
        f"{name} {image}" for name in ("PSNR", "SSIM") for image in ("input", "result", *BASELINES)
    ]
    body = []
    for label, groups in rows.items():
        cells = []
        for measure, digits in (("psnr dB", 1), ("ssim", 3)):
            found_ = {i: found.interval(f"{measure} | {i} | body | soft tissue", groups) for i in images}
            cells += [
                shown(found_[image], digits) if image == "result" else mean(found_[image], digits)
                for image in images
            ]
        body.append([label, *cells])
    return table(headings, body)


def shift_table(found: Evaluated) -> str:
    """Mean of input and result minus reference per tissue, over all groups, and what the model adds to it."""
    rows = []
    for tissue in TISSUES:
        before, after = (f"mean difference HU | {image} | {tissue}" for image in ("input", "result"))
        change = found.difference(after, before)
        if change is None:
            continue
        first, second = found.values(before), found.values(after)
        worst = max((second[patient] - first[patient] for patient in second), key=abs)
        cells = (shown(each, 2, "+") for each in (found.interval(before), found.interval(after), change))
        rows.append([tissue, str(change.count), *cells, f"{worst:+.2f}"])
    headings = ["tissue", "patients", "input minus reference", "result minus reference", "by the model"]
    return table([*headings, "by the model, worst patient"], rows)


def unlike_rows(unlike: Evaluated) -> Rows:
    """Each series at each dose, the doses in order."""
    order = sorted(
        unlike.groups, key=lambda group: (group[: group.rindex("-")], int(group[group.rindex("-") + 1 :]))
    )
    return {group: [group] for group in order}


def refused(found: Evaluated) -> str:
    """Why series of the input were not evaluated, by reason."""
    reasons = [row.reason for row in found.evaluation.cohort.refused]
    counts = [f"{reasons.count(reason)} ({reason})" for reason in sorted(set(reasons))]
    return ", ".join(counts) or "none"


def parts(found: Evaluated, unlike: Evaluated, folder: Path) -> dict[str, str]:
    """All that the template asks for."""
    return {
        **described(found, folder),
        "headline": error_table(found, by_kind(found)),
        "per_dose": error_table(found, by_dose(found)),
        "per_kernel": error_table(found, by_kernel(found)),
        "similarity": similarity_table(found, by_dose(found)),
        "shifts": shift_table(found),
        "texture": texture_table(found, by_dose(found), TEXTURE),
        "detection": detection_table(found),
        "lesions": lesion_table(found),
        "unlike": error_table(unlike, unlike_rows(unlike), verdicts=True),
        "refused": refused(unlike),
        "verdicts": "; ".join(
            f"{label}: {found.verdicts(groups)}" for label, groups in by_dose(found).items()
        ),
        "shortfalls": shortfalls(found, unlike),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/ct-denoise"))
    folder = parser.parse_args().pipeline
    found, unlike = (Evaluated.read(folder / f"evaluation{name}.json") for name in ("", "_unlike"))
    write_card(Path(__file__).with_name("card_template.md"), folder, parts(found, unlike, folder))


if __name__ == "__main__":
    main()
