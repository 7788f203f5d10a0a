"""Write the model card: ``python -m training.mr_t1_to_t2.card``.

From evaluation.json, lookup.json, and ablation.json: what evaluations of two runs say, with the adversarial
term and without it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.mr_card import of_groups, patient_values, read, shown, table, verdicts, write_card

KINDS = ("whole-head", "skull-stripped")
PSNR, SSIM = ("psnr dB", "foreground | signal"), ("ssim", "foreground | signal")
SHARPNESS = ("gradient at edges / reference's", "foreground")


def values(evaluation: Mapping[str, Any], figure: tuple[str, str], image: str, kind: str = "") -> list[float]:
    """Of each patient, or of the one of a kind."""
    key = f"{figure[0]} | {image} | {figure[1]}"
    return of_groups(patient_values(evaluation), key, lambda group: kind in group)


def one(evaluation: Mapping[str, Any], figure: tuple[str, str], image: str, kind: str) -> float:
    """Of the patient of that kind."""
    (found,) = values(evaluation, figure, image, kind)
    return found


def per_patient(evaluation: Mapping[str, Any], lookup: Mapping[str, Any]) -> str:
    """PSNR of the result and of three curves, SSIM."""
    rows = []
    for kind in KINDS:
        ours = one(evaluation, PSNR, "result", kind)
        curves = [
            lookup[kind]["AllTrainingPatients"]["psnr"],
            lookup[kind]["TrainingPatientsOfThisKind"]["psnr"],
            one(evaluation, PSNR, "intensity lookup", kind),
        ]
        above = [f"{curve:.2f} ({ours - curve:+.2f})" for curve in curves]
        similarity = f"{one(evaluation, SSIM, 'result', kind):.3f}"
        rows.append([kind, f"{ours:.2f}", *above, similarity])
    curve_names = ("curve of all training patients", "curve of those of its kind", "curve of the very series")
    return table(["patient", "PSNR result (dB)", *curve_names, "SSIM result"], rows)


def ablation_table(with_it: Mapping[str, Any], without: Mapping[str, Any]) -> str:
    """Figures with and without the adversarial term."""
    rows = []
    for name, figure, digits in (
        ("PSNR (dB)", PSNR, 2),
        ("SSIM", SSIM, 3),
        ("gradient at edges / reference's", SHARPNESS, 3),
    ):
        for kind in KINDS:
            pair = [f"{one(each, figure, 'result', kind):.{digits}f}" for each in (with_it, without)]
            rows.append([name, kind, *pair])
    return table(["figure", "patient", "with", "without"], rows)


def gain(evaluation: Mapping[str, Any], lookup: Mapping[str, Any], kind: str, curve: str) -> float:
    """PSNR above a curve, dB."""
    return one(evaluation, PSNR, "result", kind) - float(lookup[kind][curve]["psnr"])


def headline(evaluation: Mapping[str, Any], lookup: Mapping[str, Any], curve: str) -> str:
    """Mean of the patients' gains above a curve."""
    return shown([gain(evaluation, lookup, kind, curve) for kind in KINDS], 2, "+")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/mr-t1-to-t2"))
    folder = parser.parse_args().pipeline
    evaluation, lookup = read(folder / "evaluation.json"), read(folder / "lookup.json")
    ablation = read(folder / "ablation.json")
    oracle = [
        a - b
        for a, b in zip(
            values(evaluation, PSNR, "result"), values(evaluation, PSNR, "intensity lookup"), strict=True
        )
    ]
    described = evaluation["Pipeline"]
    parts = {
        "version": described["Version"],
        "sha256": described["ModelSha256"],
        "size": f"{(folder / 'model.onnx').stat().st_size / 1e6:.1f}",
        "gain_all": headline(evaluation, lookup, "AllTrainingPatients"),
        "gain_kind": headline(evaluation, lookup, "TrainingPatientsOfThisKind"),
        "gain_oracle": shown(oracle, 2, "+"),
        "gain_head": f"{gain(evaluation, lookup, 'whole-head', 'AllTrainingPatients'):+.2f}",
        "gain_stripped": f"{gain(evaluation, lookup, 'skull-stripped', 'AllTrainingPatients'):+.2f}",
        "per_patient": per_patient(evaluation, lookup),
        "ablation": ablation_table(*(ablation[run] for run in ("With", "Without"))),
        "verdicts": verdicts(evaluation),
    }
    write_card(Path(__file__).with_name("card_template.md"), folder, parts)


if __name__ == "__main__":
    main()
