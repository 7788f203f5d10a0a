"""The shipped CT denoiser on the bundled study at lower doses: better than its input, or not passed."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.catalog import Catalog
from pipelines.gate import Gate
from pipelines.measures.differences import rmse
from pipelines.measures.regions import body_mask, box_around, tissue_masks
from pipelines.measures.similarity import ssim_and_ms_ssim
from pipelines.pipeline import Execution, open_pipeline
from pipelines.volume import SliceResult, SliceValues
from training.ct_denoise.limits import one_slice
from training.ct_denoise.noise_bank import Setting, simulate
from training.ct_denoise.projection import ParallelBeam
from training.ct_denoise.slices import CLIP_HU, Slice, load_slices

ROOT = Path(__file__).parents[2]
WINDOW_HU = (-160.0, 240.0)


@pytest.fixture(scope="module")
def item() -> Slice:
    return load_slices(ROOT / "demo" / "ct_lidc_0314", most=3)[1]


@pytest.fixture(scope="module")
def beam() -> ParallelBeam:
    return ParallelBeam()


def at_dose(item: Slice, dose: float, beam: ParallelBeam) -> SliceValues:
    noise, _ = simulate(beam, item, Setting(dose, item.kernel, 6.0, 0.4), np.random.default_rng(9))
    return SliceValues(0, np.clip(np.rint(item.hu + noise), *CLIP_HU).astype(np.float32))


def passed_through(source: SliceValues, item: Slice) -> tuple[SliceResult, str]:
    entry = Catalog.load([ROOT / "pipelines"])["ct-denoise"]
    gate = Gate(entry.manifest)
    pipeline = open_pipeline(entry, Execution(parallel_slices=1))
    (result,) = gate.watch(pipeline.stream([source], one_slice(item), seed=0))
    return result, gate.verdict().level


@pytest.mark.parametrize("dose", [0.25, 0.5])
def test_no_result_that_is_worse_than_its_input_is_passed(
    dose: float, item: Slice, beam: ParallelBeam
) -> None:
    reference = np.clip(item.hu, *CLIP_HU).astype(np.float32)
    body = body_mask(reference)
    result, level = passed_through(at_dose(item, dose, beam), item)
    source = result.source.values
    tissues = {name: mask for name, mask in tissue_masks(reference, body).items() if mask.sum() > 300}
    ratios = {
        name: rmse(result.values, reference, mask) / rmse(source, reference, mask)
        for name, mask in {"body": body, **tissues}.items()
    }
    box = box_around(body)
    after, before = (
        ssim_and_ms_ssim(image[box], reference[box], body[box], WINDOW_HU)[0]
        for image in (result.values, source)
    )
    worse = after < before or ratios["body"] > 1 or max(ratios.values()) > 1.02
    assert level != "PASS" if worse else level in ("PASS", "WARN")
    assert ratios["body"] < 0.95
    assert after > before - 0.02
    assert max(ratios.values()) < 1.05
    if dose == 0.25:
        assert after > before + 0.02
