"""Where the model misses its targets, and where a result is worse than its input: counts, the worst three."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipelines.evaluation.document import PatientRow
from training.evaluated import Evaluated

TARGETS = {"smooth": 1.2, "sharp": 1.1}
"""RMSE over the attainable one."""
SHIFT_HU, TRANSFER, PEAK = 1.0, 0.95, (0.75, 1.25)
TISSUES = ("air", "lung", "fat", "soft tissue", "bone")
SSIM, BODY = "ssim | {} | body | soft tissue", "rmse HU | {} | body"
SHOWN, KEY_DIGITS = 3, 6


@dataclass(frozen=True)
class Cell:
    """One patient in one group."""

    row: PatientRow
    group: str
    verdicts: str

    def pair(self, figure: str) -> tuple[float, float] | None:
        """Of input and result, if the patient has both."""
        keys = [f"{figure.format(image)} | group {self.group}" for image in ("input", "result")]
        found = [self.row.values.get(key) for key in keys]
        return (found[0], found[1]) if found[0] is not None and found[1] is not None else None

    def told(self, what: str, before: float, after: float, digits: int) -> str:
        """The figure before and after, where, and what the gate said."""
        where = f"{self.row.key[:KEY_DIGITS]} {self.group}"
        return f"{where} {what}{before:.{digits}f} to {after:.{digits}f} ({self.verdicts})"


def cells(found: Evaluated) -> Iterator[Cell]:
    """All with noise added: as acquired, the input is the reference and nothing can be better."""
    for group in found.groups:
        for row in found.evaluation.patients:
            if row.values.get(f"{BODY.format('input')} | group {group}", 0.0) > 0:
                yield Cell(row, group, gate_of(found, row.patient, group))


def gate_of(found: Evaluated, patient: int, group: str) -> str:
    """The verdicts on a patient's series in a group."""
    rows = found.evaluation.cohort.series
    return ", ".join(row.verdict for row in rows if (row.patient, row.group) == (patient, group))


def worse(
    all_cells: list[Cell], figure: str, harm: Callable[[float, float], float]
) -> list[tuple[float, Cell, tuple[float, float]]]:
    """The cells that are harmed (`harm` of before and after above 0), the worst first."""
    pairs = ((cell, cell.pair(figure)) for cell in all_cells)
    found = [(harm(*pair), cell, pair) for cell, pair in pairs if pair is not None]
    return sorted((each for each in found if each[0] > 0), key=lambda each: -each[0])


def worsened(found: Evaluated, unlike: Evaluated) -> Iterator[str]:
    """How often body RMSE, SSIM and the RMSE of single tissues get worse."""
    both = [*cells(found), *cells(unlike)]
    body = worse(both, BODY, lambda before, after: after - before)
    total = f"{len(both)} (one patient in one group each)"
    yield f"Body RMSE is larger than the input's in {len(body)} of {total}."
    similarity = worse(both, SSIM, lambda before, after: before - after)
    named = "; ".join(cell.told("", *pair, 3) for _, cell, pair in similarity[:SHOWN])
    yield sentence("SSIM (soft-tissue window, body) falls", len(similarity), len(both), named)
    tissues = [
        (harm, cell, pair, tissue)
        for tissue in TISSUES
        for harm, cell, pair in worse(
            both, f"rmse HU | {{}} | {tissue}", lambda before, after: after / before - 1 if before else 0.0
        )
    ]
    named = "; ".join(
        cell.told(f"{tissue} ", *pair, 2)
        for _, cell, pair, tissue in sorted(tissues, key=lambda each: -each[0])[:SHOWN]
    )
    concerned = len({(cell.row.key, cell.group) for _, cell, _, _ in tissues})
    yield sentence("RMSE (HU) rises in at least one tissue", concerned, len(both), named)


def sentence(what: str, count: int, total: int, named: str) -> str:
    """With the worst, if there is any."""
    return f"{what} in {count} of {total}" + (f"; the worst: {named}." if named else ".")


def targets(found: Evaluated, kernels: dict[str, list[str]]) -> Iterator[str]:
    """The targets of accuracy, shift, texture and sharpness."""
    for kind, target in TARGETS.items():
        missed = [
            f"{group} {ratio.mean:.2f}"
            for group in kernels[kind]
            if (ratio := found.interval("rmse / attainable | result | body", [group])) and ratio.mean > target
        ]
        yield f"RMSE above {target} times the attainable one ({kind}): {', '.join(missed) or 'nowhere'}."
    for name, image in (("NLM", "non-local means"), ("TV", "total variation")):
        lost = [
            group
            for groups in kernels.values()
            for group in groups
            if (gap := found.difference(BODY.format("result"), BODY.format(image), [group])) and gap.mean > 0
        ]
        yield f"Mean RMSE above oracle {name}'s: {', '.join(lost) or 'nowhere'}."


def patients_beyond(found: Evaluated) -> Iterator[str]:
    """Shift per tissue, noise peak, transfer: how many patients are outside the targets."""
    for tissue in TISSUES:
        before, after = (
            found.values(f"mean difference HU | {image} | {tissue}") for image in ("input", "result")
        )
        beyond = [after[patient] - before[patient] for patient in after]
        count = sum(abs(shift) > SHIFT_HU for shift in beyond)
        if count:
            worst = max(beyond, key=abs)
            what = f"Shift by the model above {SHIFT_HU:g} HU, {tissue}"
            yield f"{what}: {count} of {len(beyond)} patients ({worst:+.2f})."
    peaks = found.values("NPS peak / reference's | result | flat squares in body").values()
    outside = sum(not PEAK[0] <= peak <= PEAK[1] for peak in peaks)
    yield f"Noise peak outside {PEAK[0]} to {PEAK[1]} of the reference's: {outside} of {len(peaks)} patients."
    before, after = (
        found.values(f"10 % transfer cycles/mm | {i} | surface of the body") for i in ("input", "result")
    )
    blunt = sum(after[patient] < TRANSFER * before[patient] for patient in after)
    yield f"10 % transfer at the surface below {TRANSFER} of the input's: {blunt} of {len(after)} patients."


def shortfalls(found: Evaluated, unlike: Evaluated) -> str:
    """A list for the card."""
    smooth = [group for group in found.groups if group.rpartition("-")[0] in ("soft", "standard", "medium")]
    kernels = {"smooth": smooth, "sharp": [group for group in found.groups if group not in smooth]}
    every = (*targets(found, kernels), *patients_beyond(found), *worsened(found, unlike))
    return "\n".join(f"- {each}" for each in every)
