"""Where SSIM, or the error in a tissue, is worse than the input's though the error in the body is smaller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.evaluation.document import PatientRow

from .evaluated import INPUT, RESULT, RMSE, TISSUES, Evaluated

KEY_DIGITS = 6
SSIM, BODY = "ssim | {} | body | soft tissue", RMSE + " | {} | body"


@dataclass(frozen=True)
class Cell:
    """One patient in one group: a class of references, or another series, at one dose."""

    row: PatientRow
    group: str
    verdicts: tuple[str, ...]
    """Of the gate, one per series."""

    def pair(self, figure: str) -> tuple[float, float] | None:
        """A figure of input and result, if the patient has it (a slice may show no lung)."""
        keys = [f"{figure.format(image)} | group {self.group}" for image in (INPUT, RESULT)]
        return (self.row.values[keys[0]], self.row.values[keys[1]]) if keys[0] in self.row.values else None

    def rises(self, figure: str) -> bool:
        """Whether the result's figure is larger than the input's."""
        pair = self.pair(figure)
        return pair is not None and pair[1] > pair[0]

    def falls(self, figure: str) -> bool:
        """Whether it is smaller."""
        pair = self.pair(figure)
        return pair is not None and pair[1] < pair[0]

    def told(self, figure: str, digits: int) -> str:
        """The figure before and after."""
        pair = self.pair(figure)
        return f"{pair[0]:.{digits}f} to {pair[1]:.{digits}f}" if pair else "-"

    def line(self, figures: str) -> str:
        """Patient, group, what is told of them, and the gate's verdicts."""
        return f"{self.row.key[:KEY_DIGITS]} {self.group} {figures} ({', '.join(self.verdicts)})"


def cells(found: Evaluated) -> list[Cell]:
    """All with noise added: as acquired, the input is the reference and nothing can be better."""
    return [
        Cell(row, group, verdicts(found, row.patient, group))
        for group in found.groups
        for row in found.patients([group])
        if found.bound(row, [group]) > 0
    ]


def verdicts(found: Evaluated, patient: int, group: str) -> tuple[str, ...]:
    """The gate's, on a patient's series in a group."""
    series = found.evaluation.cohort.series
    return tuple(row.verdict for row in series if (row.patient, row.group) == (patient, group))


def of_groups(found: Evaluated) -> Iterator[str]:
    """Groups whose mean SSIM over patients falls."""
    for group in found.groups:
        before, after = (found.over_patients(SSIM.format(image), [group]).mean for image in (INPUT, RESULT))
        if after < before:
            errors = [found.over_patients(BODY.format(image), [group]).mean for image in (INPUT, RESULT)]
            yield f"{group}: {before:.3f} to {after:.3f} (body RMSE {errors[0]:.1f} to {errors[1]:.1f} HU)"


def ssim_sentence(all_cells: list[Cell]) -> str:
    """Single patients whose SSIM falls."""
    worse = [cell.line(cell.told(SSIM, 3)) for cell in all_cells if cell.falls(SSIM)]
    return f"SSIM falls in {len(worse)} of {len(all_cells)}: {'; '.join(worse) or 'none'}."


def tissues_of(cell: Cell) -> str:
    """The tissues whose RMSE rises."""
    figures = {tissue: f"{RMSE} | {{}} | {tissue}" for tissue in TISSUES}
    return ", ".join(f"{tissue} {cell.told(f, 2)}" for tissue, f in figures.items() if cell.rises(f))


def tissue_sentence(all_cells: list[Cell]) -> str:
    """Single patients whose RMSE in a tissue rises."""
    worse = [cell.line(tissues) for cell in all_cells if (tissues := tissues_of(cell))]
    count = f"{len(worse)} of {len(all_cells)}"
    return f"RMSE (HU) rises in at least one tissue in {count}: {'; '.join(worse) or 'none'}."


def sentences(held_out: Evaluated, unlike: Evaluated) -> str:
    """A list for the card."""
    both = [*cells(held_out), *cells(unlike)]
    held = len(both) - len(cells(unlike))
    rises = sum(cell.rises(BODY) for cell in both)
    groups = "; ".join(of_groups(held_out)) or "none"
    parts = [
        "SSIM (soft-tissue window, body) and the error in single tissues can get worse while the body RMSE "
        f"falls. One result is one patient in one group (held-out: {held}; unlike the training's, with "
        f"noise added: {len(both) - held}); {rises} of these {len(both)} have a larger body RMSE than their "
        f"input. Patients are named by the first {KEY_DIGITS} digits of their `Key` in the evaluation, with "
        "the gate's verdicts: it knows no reference and cannot be relied on to find these.",
        f"Mean SSIM over the held-out patients falls in: {groups}.",
        ssim_sentence(both),
        tissue_sentence(both),
    ]
    return "\n".join(f"- {sentence}" for sentence in parts)
