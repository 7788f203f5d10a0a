"""Limits of the gate that depend on the weights: ``python -m training.ct_denoise.limits --work RUN``.

Training patients, one or two slices each, with noise of the bank at 5 to 50 % dose, go through the
pipeline as it ships, restraint included; SSIM and the error in each tissue, of result and input, say which
limits of the two signs of a worse image (`pipelines.gate.benefit`) would have told of it. The limits of
the source's grain are those of the training patients, a tenth wider. The held-out patients take no part.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.blocks import SliceBlocks
from pipelines.catalog import Catalog, CatalogEntry
from pipelines.gate.benefit import Benefit, benefit
from pipelines.gate.source_signs import source_signs
from pipelines.gate.tissues import measure, with_tissues
from pipelines.measures.differences import rmse
from pipelines.measures.regions import body_mask, box_around, tissue_masks
from pipelines.measures.similarity import ssim_and_ms_ssim
from pipelines.pipeline import Execution, open_pipeline
from pipelines.volume import SliceGrid, SliceResult, SliceValues

from .noise_bank import STEP_HU
from .projection import FloatArray
from .slices import CLIP_HU, Slice, load_slices, split_patients

DOSES = (0.05, 0.10, 0.25, 0.50)
LEAST_DOSE = 0.25
"""Noise stronger than that of any training scan at this dose is extreme, and held."""
WINDOW_HU = (-160.0, 240.0)
LEAST_PIXELS = 300
SAFETY = 1.01
NOTABLE_FALL = 0.002
"""Of SSIM: below it a result is not called worse."""
FAIR_GAIN = 0.06
"""Of the lung's error: warned of are shares below the smallest at which a training lung gained so much."""


@dataclass(frozen=True)
class Outcome:
    """Of one slice at one dose."""

    patient: str
    dose: float
    ssim_gain: float
    errors: dict[str, float]
    """RMSE over the input's, in the body and in each tissue."""
    signs: Benefit
    grain: float | None


def chosen(slices: list[Slice]) -> list[int]:
    """One slice of a training patient, two of one with a sharp kernel, four of a volume."""
    training, _ = split_patients(slices)
    found: list[int] = []
    for patient in sorted(training):
        mine = [i for i, s in enumerate(slices) if s.patient == patient]
        if len(mine) > 12:
            found += mine[6 :: len(mine) // 4][:4]
        else:
            found += mine[: 2 if slices[mine[0]].sharp else 1]
    return found


def noisy_slices(slices: list[Slice], bank: Path) -> Iterator[tuple[Slice, float, FloatArray]]:
    """Slice, dose and the slice at that dose, with a drawing of the noise its own kernel has."""
    rows, noise = np.load(bank / "rows.npy"), np.load(bank / "noise.npy", mmap_mode="r")
    for index in chosen(slices):
        drawn = np.flatnonzero((rows["slice"] == index) & rows["matched"])
        if not drawn.size:
            continue
        item, row = slices[index], drawn[-1]
        image = noise[row].astype(np.float32) * (STEP_HU / rows["added_hu"][row])
        for dose in DOSES:
            added = image * np.float32(item.noise_hu * np.sqrt(1 / dose - 1))
            yield item, dose, np.clip(np.rint(item.hu + added), *CLIP_HU).astype(np.float32)


def results(entry: CatalogEntry, items: list[Slice], images: list[FloatArray]) -> Iterator[SliceResult]:
    """Of the whole pipeline, one after the other, each slice a series of its own."""
    pipeline = open_pipeline(entry, Execution(parallel_slices=1))
    for item, image in zip(items, images, strict=True):
        yield from pipeline.stream([SliceValues(0, image)], one_slice(item), seed=0)


def one_slice(item: Slice) -> SliceGrid:
    """A series of that slice alone."""
    return SliceGrid(
        rows=item.hu.shape[0],
        columns=item.hu.shape[1],
        pixel_spacing_mm=(item.spacing_mm, item.spacing_mm),
        row_direction_lps=(1.0, 0.0, 0.0),
        column_direction_lps=(0.0, 1.0, 0.0),
        positions_lps_mm=((0.0, 0.0, 0.0),),
        slice_thickness_mm=item.thickness_mm,
    )


def outcome(item: Slice, dose: float, result: SliceResult) -> Outcome:
    """Result and input against the reference, and what the gate sees without it."""
    reference = np.clip(item.hu, *CLIP_HU).astype(np.float32)
    body, source = body_mask(reference), result.source.values
    masks = {"body": body, **tissue_masks(reference, body)}
    blocks = SliceBlocks.of(result)
    figures = with_tissues(measure(result), blocks, "hounsfield_units")
    box = box_around(body)
    after, before = (
        ssim_and_ms_ssim(image[box], reference[box], body[box], WINDOW_HU)[0]
        for image in (result.values, source)
    )
    return Outcome(
        patient=item.patient,
        dose=dose,
        ssim_gain=after - before,
        errors={
            name: rmse(result.values, reference, mask) / rmse(source, reference, mask)
            for name, mask in masks.items()
            if np.count_nonzero(mask) >= LEAST_PIXELS
        },
        signs=benefit(result, blocks, figures.noise_ratio),
        grain=source_signs(source, blocks, "hounsfield_units").grain,
    )


def limits(found: list[Outcome]) -> dict[str, object]:
    """Keys of `Gate`."""
    texture = [(o.signs.texture_kept, o) for o in found if o.signs.texture_kept is not None]
    worse = [kept for kept, o in texture if o.ssim_gain < -NOTABLE_FALL]
    not_extreme = [kept for kept, o in texture if o.dose >= LEAST_DOSE]
    lung = [
        (o.signs.lung_share_removed, o.errors["lung"])
        for o in found
        if o.signs.lung_share_removed is not None and "lung" in o.errors
    ]
    enough = min((share for share, error in lung if error <= 1 - FAIR_GAIN), default=0.0)
    grains = [o.grain for o in found if o.grain is not None]
    return {
        "TextureKeptWarn": round(SAFETY * max([1.0, *worse]) + 0.005, 2),
        "TextureKeptHold": round(0.85 * min(not_extreme, default=0.0), 2),
        "LungShareRemovedWarn": float(f"{enough:.1g}"),
        "SourceGrainWarn": [round(0.9 * min(grains), 2), round(1.1 * max(grains), 2)],
    }


def told(found: list[Outcome]) -> Iterator[str]:
    """How often a result is worse, by dose."""
    for dose in DOSES:
        mine = [o for o in found if o.dose == dose]
        gain = float(np.mean([o.ssim_gain for o in mine]))
        body = float(np.mean([o.errors["body"] for o in mine]))
        falls = sum(o.ssim_gain < 0 for o in mine)
        tissues = sum(max(o.errors.values()) > 1.02 for o in mine)
        yield (
            f"dose {dose:.0%}: {len(mine)} slices, RMSE over the input's {body:.3f}, SSIM {gain:+.4f}, "
            f"falls in {falls}; a tissue's RMSE more than 2 % larger in {tissues}"
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument(
        "--work", type=Path, required=True, help="folder of the training, with its noise bank"
    )
    parser.add_argument("--pipelines", type=Path, default=Path("pipelines"))
    options = parser.parse_args()
    drawn = list(noisy_slices(load_slices(options.data), options.work / "bank"))
    entry = Catalog.load([options.pipelines])["ct-denoise"]
    made = results(entry, [item for item, _, _ in drawn], [image for _, _, image in drawn])
    found = [outcome(item, dose, result) for (item, dose, _), result in zip(drawn, made, strict=True)]
    print("\n".join(told(found)))
    print(json.dumps(limits(found), indent=2))


if __name__ == "__main__":
    main()
