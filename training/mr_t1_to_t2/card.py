"""Write the model card: ``python -m training.mr_t1_to_t2.card``, from evaluation.json alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.card_tables import described, shown, table, texture_table, write_card
from training.evaluated import Evaluated, Groups

from .lookup import BRAINS, EVERYBODY, HEADS

KINDS = {"whole-head": HEADS, "skull-stripped": BRAINS}
"""Group of the evaluation to the curve that training patients of its kind teach."""
PSNR, SSIM = "psnr dB | {} | foreground | signal", "ssim | {} | foreground | signal"
LEARNED, FITTED = "learned curve, {}", "intensity lookup"
TEXTURE = {
    "SSIM": (SSIM.format("result"), 3),
    "RMSE (% of window)": ("rmse % of window | result | foreground", 2),
    "gradient at edges / reference's": ("gradient at edges / reference's | result | foreground", 3),
    "noise / reference's": ("noise / reference's | result | flat squares in foreground", 2),
    "sFRC candidates (% of patches)": (
        "sFRC hallucination candidates % of patches | result | foreground | signal",
        1,
    ),
    "sFRC median crossing (cycles/mm)": ("sFRC median crossing cycles/mm | result | foreground | signal", 3),
    "spots from nothing per 100 cm2": (
        "6 mm spots from nothing, 8 % of window or more per 100 cm2 | result | foreground",
        2,
    ),
}


def gain(found: Evaluated, curve: str, groups: Groups) -> str:
    """PSNR above a curve's."""
    return shown(found.difference(PSNR.format("result"), PSNR.format(curve), groups), 2, "+")


def above(found: Evaluated, curve: str, kind: str) -> str:
    """A curve's PSNR, and how far the result is above it."""
    return f"{shown(found.interval(PSNR.format(curve), [kind]), 2)} ({gain(found, curve, [kind])})"


def per_patient(found: Evaluated) -> str:
    """PSNR of the result and of three curves."""
    rows = [
        [
            kind,
            shown(found.interval(PSNR.format("result"), [kind]), 2),
            above(found, LEARNED.format(EVERYBODY), kind),
            above(found, LEARNED.format(own), kind),
            above(found, FITTED, kind),
            found.verdicts([kind]),
        ]
        for kind, own in KINDS.items()
    ]
    curves = ("curve of all training patients", "curve of those of its kind", "curve of the very series")
    return table(["patient", "**PSNR result (dB)**", *curves, "gate"], rows)


def parts(found: Evaluated, folder: Path) -> dict[str, str]:
    """All that the template asks for."""
    everybody = LEARNED.format(EVERYBODY)
    return {
        **described(found, folder),
        "gain_all": gain(found, everybody, None),
        "gain_fitted": gain(found, FITTED, None),
        "gain_head": gain(found, everybody, ["whole-head"]),
        "gain_stripped": gain(found, everybody, ["skull-stripped"]),
        "per_patient": per_patient(found),
        "texture": texture_table(found, {kind: [kind] for kind in KINDS}, TEXTURE),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/mr-t1-to-t2"))
    folder = parser.parse_args().pipeline
    found = Evaluated.read(folder / "evaluation.json")
    write_card(Path(__file__).with_name("card_template.md"), folder, parts(found, folder))


if __name__ == "__main__":
    main()
