"""Write the model card: ``python -m training.mr_denoise.card``, from evaluation.json alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.card_tables import (
    described,
    detection_table,
    lesion_table,
    mean,
    shown,
    table,
    texture_table,
    write_card,
)
from training.evaluated import Evaluated

from .validation_folders import NOISES

PSNR, SSIM = "psnr dB | {} | foreground | signal", "ssim | {} | foreground | signal"
RMSE = "rmse % of window | {} | foreground"
NLM, TV = "non-local means", "total variation"
CONTRASTS = ("T1", "T2", "FLAIR", "PD")
TEXTURE = {
    "noise / reference's": ("noise / reference's | result | flat squares in foreground", 2),
    "NPS mean / reference's": ("NPS mean frequency / reference's | result | flat squares in foreground", 2),
    "gradient at edges / reference's": ("gradient at edges / reference's | result | foreground", 2),
    "input's": ("gradient at edges / reference's | input | foreground", 2),
    "spots from nothing per 100 cm2": (
        "6 mm spots from nothing, 8 % of window or more per 100 cm2 | result | foreground",
        2,
    ),
    "input's ": ("6 mm spots from nothing, 8 % of window or more per 100 cm2 | input | foreground", 2),
}
SPREAD = {
    "RMS spread (% of window)": ("spread, root mean square % of window | result | foreground", 2),
    "RMS error (% of window)": (RMSE.format("result"), 2),
    "spread / error": ("spread / error | result | foreground", 2),
    "correlation of the maps": ("correlation of spread and error | result | foreground", 2),
    "errors within one spread (%)": ("errors within one spread % of pixels | result | foreground", 0),
    "within two (%)": ("errors within two spreads % of pixels | result | foreground", 0),
}


def groups_of(found: Evaluated, noise: str, contrast: str = "") -> list[str]:
    """Of a noise, and of a contrast or all."""
    return [group for group in found.groups if group.startswith(noise) and group.endswith(contrast)]


def gain(found: Evaluated, groups: Sequence[str], other: str = NLM, digits: int = 2) -> str:
    """PSNR of the result above a baseline's."""
    return shown(found.difference(PSNR.format("result"), PSNR.format(other), groups), digits, "+")


def per_noise(found: Evaluated) -> str:
    """PSNR, SSIM and RMSE of input, baselines and result."""
    rows = []
    for noise in NOISES:
        groups = groups_of(found, noise.group)
        cells = [mean(found.interval(PSNR.format(image), groups), 2) for image in ("input", NLM, TV)]
        cells += [shown(found.interval(PSNR.format("result"), groups), 2)]
        cells += [gain(found, groups), gain(found, groups, TV)]
        cells += [mean(found.interval(SSIM.format(image), groups), 3) for image in (NLM, TV)]
        cells += [shown(found.interval(SSIM.format("result"), groups), 3)]
        rows.append([noise.group, *cells, found.verdicts(groups)])
    headings = ["noise", "PSNR input", "NLM", "TV", "**result**", "above NLM", "above TV"]
    return table([*headings, "SSIM NLM", "TV", "**result**", "gate"], rows)


def per_contrast(found: Evaluated) -> str:
    """Gains above non-local means."""
    rows = [
        [contrast, *(gain(found, groups_of(found, noise.group, contrast)) for noise in NOISES)]
        for contrast in CONTRASTS
    ]
    return table(["contrast", *(noise.group for noise in NOISES)], rows)


def parts(found: Evaluated, folder: Path) -> dict[str, str]:
    """All that the template asks for."""
    noises = {noise.group: groups_of(found, noise.group) for noise in NOISES}
    return {
        **described(found, folder),
        "gain_05": gain(found, noises["rician-05"]),
        "gain_10": gain(found, noises["rician-10"]),
        "per_noise": per_noise(found),
        "per_contrast": per_contrast(found),
        "spread": texture_table(found, noises, SPREAD),
        "texture": texture_table(found, noises, TEXTURE),
        "detection": detection_table(found),
        "lesions": lesion_table(found),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/mr-denoise"))
    folder = parser.parse_args().pipeline
    found = Evaluated.read(folder / "evaluation.json")
    write_card(Path(__file__).with_name("card_template.md"), folder, parts(found, folder))


if __name__ == "__main__":
    main()
