"""Evaluate the exported model.

Run ``python -m training.ct_denoise.evaluate --work RUN --pipeline pipelines/ct-denoise``.

What `orthogen evaluate` does not measure: the attainable error, total variation, other kernels, phantoms,
noise texture. Measured on model.onnx by ONNX Runtime and written to simulation.json under its SHA-256.
Baselines do not depend on the model: RUN/baselines.json keeps them between runs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnx

from . import phantom
from .baselines import non_local_means, total_variation
from .cases import CROP, DOSES, Case, cases, held_out
from .demo import demo_figures
from .export import milliseconds_per_slice, session
from .measures import WINDOW_HU, psnr_ssim, rmse
from .projection import KERNELS, FloatArray, ParallelBeam
from .slices import Slice, load_slices, split_patients
from .tables import Row, drift, headline, table
from .texture import texture

FIGURES = "simulation.json"
MOST_TEXTURED = 4  # slices of a kernel whose noise texture is measured
PLAUSIBLE_HU = 60.0  # added noise above this makes an image nobody would read
Denoise = Callable[[FloatArray], FloatArray]  # (rows, columns) in HU


def denoiser(path: Path) -> Denoise:
    """The exported model as a function of a slice in HU, with the engine's clip and scale."""
    run = session(path)

    def denoise(image: FloatArray) -> FloatArray:
        slices = np.clip(image, -1024, 3071)[None, None].astype(np.float32) / np.float32(1000)
        return np.asarray(run.run(None, {"slices": slices})[0][0, 0]) * np.float32(1000)

    return denoise


def measure(case: Case, output: FloatArray) -> Row:
    """All figures of one case that need only the model's output."""
    own = rmse(output, case.reference, case.body)
    psnr, ssim = psnr_ssim(output[CROP], case.reference[CROP])
    row: Row = {
        "Case": case.name,
        "Patient": case.item.patient,
        "Source": case.source,
        "Kernel": case.kernel.name,
        "Dose": case.dose,
        "Matched": float(case.kernel == case.item.kernel),
        "Bound": case.bound_hu,
        "ReferenceNoise": case.item.noise_hu,
        "AddedNoise": case.added_soft_tissue_hu,
        "Input": rmse(case.noisy, case.reference, case.body),
        "Model": own,
        "ModelOverBound": own / case.bound_hu,
        "ModelOverFineBound": own / case.fine_bound_hu,
        "FineOverMode": case.fine_noise_hu / case.item.noise_hu,
        "ModelPsnr": psnr,
        "ModelSsim": ssim,
    }
    for name, mask in case.tissues.items():
        if mask.sum() >= 300:
            row[f"Shift_{name}"] = float((output[mask] - case.noisy[mask]).mean())
            row[f"ReferenceShift_{name}"] = float((output[mask] - case.reference[mask]).mean())
    return row


def baseline(case: Case) -> Row:
    """RMSE, PSNR and SSIM of both baselines on one case (central crop)."""
    noisy, reference, mask = case.noisy[CROP], case.reference[CROP], case.body[CROP]
    row: Row = {}
    for name, method in (("Nlm", non_local_means), ("Tv", total_variation)):
        image = method(noisy, reference, mask, case.added_soft_tissue_hu)
        psnr, ssim = psnr_ssim(image, reference)
        row |= {name: rmse(image, reference, mask), f"{name}Psnr": psnr, f"{name}Ssim": ssim}
    return row


def run_cases(slices: list[Slice], denoise: Denoise, work: Path, with_baselines: bool) -> list[Row]:
    """Every case with the model and the baselines."""
    kept_at = work / "baselines.json"
    kept: dict[str, Row] = json.loads(kept_at.read_text()) if kept_at.exists() else {}
    rows: list[Row] = []
    for case in cases(slices, ParallelBeam()):
        row = measure(case, denoise(case.noisy))
        if with_baselines and case.name not in kept:
            kept[case.name] = baseline(case)
            kept_at.write_text(json.dumps(kept))
        rows.append(row | kept.get(case.name, {}))
    return rows


def phantom_and_demo(path: Path, demo: Path) -> tuple[dict[str, object], dict[str, object]]:
    """Both, in a process of their own; the arguments are paths because a session cannot be passed on."""
    denoise = denoiser(path)
    return phantom_figures(denoise), demo_figures(demo, denoise)


def texture_figures(slices: list[Slice], denoise: Denoise) -> list[dict[str, object]]:
    """Noise texture in the held-out patients, by kernel and dose."""
    beam, items = ParallelBeam(), [slices[i] for i in held_out(slices)]
    found: list[dict[str, object]] = []
    for kernel in KERNELS:
        alike = [item for item in items if item.kernel == kernel][:MOST_TEXTURED]
        for dose in (0.25, 0.10):
            if measured := texture(alike, dose, denoise, beam, seed=21):
                found.append({"Kernel": kernel.name, "Dose": dose, "Slices": len(alike), **measured})
    return found


def phantom_figures(denoise: Denoise) -> dict[str, object]:
    """MTF and noise power ratios in the water phantom."""
    beam = ParallelBeam()
    levels = {"soft": 8.0, "standard": 10.0, "medium": 14.0, "sharp": 25.0, "edge": 40.0}
    result: dict[str, object] = {}
    for kernel in KERNELS:
        for dose in (1.0, 0.25, 0.10):
            scan = phantom.Scan(kernel, levels[kernel.name], dose)
            result[f"{kernel.name} {dose:.2f}"] = {
                "Kernel": kernel.name,
                "Dose": dose,
                "FullDoseNoiseHu": scan.noise_hu,
                "Mtf10Ratio": phantom.sharpness(beam, scan, denoise, 10, 11),
                "Noise": phantom.texture(beam, scan, denoise, 5, 12),
            }
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ct_train"))
    parser.add_argument("--demo", type=Path, default=Path("../shared/data/demo_ct_lidc_0314"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pipeline", type=Path, default=Path("pipelines/ct-denoise"))
    parser.add_argument(
        "--without-baselines", action="store_true", help="use only baselines already computed"
    )
    options = parser.parse_args()
    path, slices = options.pipeline / "model.onnx", load_slices(options.data)
    with ProcessPoolExecutor(1) as aside:
        other = aside.submit(phantom_and_demo, path, options.demo)
        rows = run_cases(slices, denoiser(path), options.work, not options.without_baselines)
        phantoms, demo = other.result()
    (options.work / "rows.json").write_text(json.dumps(rows))
    training, held = split_patients(slices)
    result = {
        "ModelSha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "ModelBytes": path.stat().st_size,
        "Weights": sum(int(np.prod(w.dims)) for w in onnx.load(str(path)).graph.initializer),
        "Split": {
            "TrainingPatients": len(training),
            "HeldOutPatients": sorted(held),
            "TrainingSlices": sum(s.patient in training for s in slices),
        },
        "Window": {"Lower": WINDOW_HU[0], "Upper": WINDOW_HU[1]},
        "Headline": {s: headline([r for r in rows if r["Source"] == s]) for s in ("smooth", "sharp")},
        "PerDose": table(rows, "Dose", list(DOSES)),
        "PerKernel": table(rows, "Kernel", [k.name for k in KERNELS]),
        "HuShift": drift(rows, "Shift_"),
        "HuShiftPlausible": drift([r for r in rows if float(r["AddedNoise"]) < PLAUSIBLE_HU], "Shift_"),
        "HuShiftAgainstReference": drift(rows, "ReferenceShift_"),
        "Phantom": phantoms,
        "Texture": texture_figures(slices, denoiser(path)),
        "Demo": demo,
        "MillisecondsPerSliceOneCore": round(milliseconds_per_slice(path), 1),
    }
    (options.pipeline / FIGURES).write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["Headline"], indent=1), json.dumps(result["HuShift"], indent=1))


if __name__ == "__main__":
    main()
