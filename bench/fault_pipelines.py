"""What stands between source and result when faults are planted: the shipped pipelines and their gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.fault_kinds import Denoise, Slices
from pipelines.catalog import Catalog
from pipelines.execution import Execution
from pipelines.gate import Gate, Verdict
from pipelines.manifest import Manifest
from pipelines.pipeline import Pipeline, open_pipeline
from pipelines.volume import SliceGrid, SliceResult, SliceValues
from plugin.settings import REPOSITORY

NON_LOCAL_MEANS = {
    "Name": "non-local-means",
    "Version": "1.0.0",
    "Task": "denoise",
    "Family": "regression",
    "Generative": False,
    "Publisher": "Orthogen",
    "Description": "A classical denoiser in the place of a trained one.",
    "Inputs": [{"Name": "slices", "Modality": "MR", "Quantity": "mr_signal"}],
    "Model": {"File": "none.onnx", "Sha256": "0" * 64, "Input": "slices", "Output": "denoised"},
}
"""Judged by the limits that mr-denoise ships."""


@dataclass(frozen=True)
class Judge:
    """A pipeline and the gate behind it."""

    manifest: Manifest
    denoise: Denoise

    def judge(self, sources: Slices, results: Slices, body_part: str) -> Verdict:
        """`body_part`: what the header says."""
        gate = Gate(self.manifest, body_part=body_part)
        for index, (source, result) in enumerate(zip(sources, results, strict=True)):
            values = np.ascontiguousarray(result, np.float32)
            gate.observe(SliceResult(SliceValues(index, np.ascontiguousarray(source, np.float32)), values))
        return gate.verdict()


def judges(*, mr_denoise: bool = False) -> Mapping[str, Judge]:
    """By modality. Non-local means for MR unless `mr_denoise`: diffusion takes a second a slice."""
    catalog = Catalog.load([REPOSITORY / "pipelines"])
    stand_in = Manifest.model_validate(NON_LOCAL_MEANS)
    stand_in = stand_in.model_copy(update={"gate": catalog["mr-denoise"].manifest.gate})
    shipped = [catalog[name] for name in ("ct-denoise", *["mr-denoise"] * mr_denoise)]
    found = {
        entry.manifest.inputs[0].modality: Judge(entry.manifest, through(open_pipeline(entry, Execution())))
        for entry in shipped
    }
    return {"MR": Judge(stand_in, non_local_means), **found}


def through(pipeline: Pipeline) -> Denoise:
    def denoise(sources: Slices) -> Slices:
        rows, columns = sources[0].shape
        places = tuple((0.0, 0.0, float(index)) for index in range(len(sources)))
        grid = SliceGrid(rows, columns, (0.7, 0.7), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), places, 1.0)
        slices = [SliceValues(index, source) for index, source in enumerate(sources)]
        return [result.values for result in pipeline.stream(slices, grid, seed=0)]

    return denoise


def non_local_means(sources: Slices) -> Slices:
    """With the noise level that each slice shows (differences across both axes)."""
    from skimage.restoration import denoise_nl_means

    results = []
    for source in sources:
        peak = np.float32(max(float(np.percentile(source, 99.5)), 1e-6))
        values = source / peak
        crossed = values[1:, 1:] - values[1:, :-1] - values[:-1, 1:] + values[:-1, :-1]
        sigma = max(float(np.median(np.abs(crossed[crossed != 0]))) / 0.6745 / 2, 0.01)
        clean = denoise_nl_means(values, 5, 5, 0.8 * sigma, sigma=sigma, fast_mode=True, preserve_range=True)
        results.append((clean * peak).astype(np.float32))
    return results
