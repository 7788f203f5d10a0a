"""Write the model card: ``python -m training.mr_denoise.card``, from evaluation.json and uncertainty.json."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.mr_card import of_groups, patient_values, read, shown, table, verdicts, write_card

from .validation_folders import NOISES

PSNR, SSIM, RMSE = (
    ("psnr dB", "foreground | signal"),
    ("ssim", "foreground | signal"),
    ("rmse % of window", "foreground"),
)
IMAGES = ("input", "non-local means", "result")
CONTRASTS = ("T1", "T2", "FLAIR", "PD")

Patients = Sequence[Mapping[str, float]]


def values(
    patients: Patients, figure: tuple[str, str], image: str, noise: str, contrast: str = ""
) -> list[float]:
    """Of each patient, over the contrasts (or of one)."""
    key = f"{figure[0]} | {image} | {figure[1]}"
    return of_groups(patients, key, lambda group: group.startswith(noise) and group.endswith(contrast))


def gains(patients: Patients, noise: str, contrast: str = "") -> list[float]:
    """PSNR above non-local means, dB."""
    ours, theirs = (values(patients, PSNR, image, noise, contrast) for image in ("result", "non-local means"))
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def per_noise(patients: Patients) -> str:
    """PSNR, SSIM, RMSE of input, baseline and result."""
    rows = []
    for noise in NOISES:
        cells = [shown(values(patients, PSNR, image, noise.group), 2) for image in IMAGES]
        cells += [shown(gains(patients, noise.group), 2, "+")]
        cells += [shown(values(patients, SSIM, image, noise.group), 3) for image in IMAGES[1:]]
        rows.append([noise.group, *cells])
    headings = ["noise", *(f"PSNR {image} (dB)" for image in IMAGES), "above NLM (dB)"]
    return table([*headings, "SSIM NLM", "SSIM result"], rows)


def per_contrast(patients: Patients) -> str:
    """Gains above non-local means."""
    rows = [
        [contrast, *(shown(gains(patients, noise.group, contrast), 2, "+") for noise in NOISES)]
        for contrast in CONTRASTS
    ]
    return table(["contrast", *(noise.group for noise in NOISES)], rows)


def uncertainty_table(found: Sequence[Mapping[str, Any]]) -> str:
    """Spread beside error."""
    rows = [
        [
            row["Group"],
            *(f"{row[key]:.2f}" for key in ("SpreadPercent", "ErrorPercent", "Ratio", "Correlation")),
        ]
        for row in found
    ]
    headings = ["series", "RMS spread (%)", "RMS error (%)", "spread / error", "correlation of the maps"]
    return table(headings, rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/mr-denoise"))
    folder = parser.parse_args().pipeline
    evaluation, uncertainty = read(folder / "evaluation.json"), read(folder / "uncertainty.json")
    patients = patient_values(evaluation)
    described = evaluation["Pipeline"]
    parts = {
        "version": described["Version"],
        "sha256": described["ModelSha256"],
        "config": described["ConfigSha256"],
        "size": f"{(folder / 'model.onnx').stat().st_size / 1e6:.1f}",
        "patients": evaluation["Cohort"]["Patients"],
        "gain_05": shown(gains(patients, "rician-05"), 2, "+"),
        "gain_10": shown(gains(patients, "rician-10"), 2, "+"),
        "per_noise": per_noise(patients),
        "per_contrast": per_contrast(patients),
        "uncertainty": uncertainty_table(uncertainty["Rows"]),
        "seconds": f"{uncertainty['SecondsPerSlice']:.2f}",
        "verdicts": verdicts(evaluation),
    }
    write_card(Path(__file__).with_name("card_template.md"), folder, parts)


if __name__ == "__main__":
    main()
