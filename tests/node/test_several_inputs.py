"""A pipeline with two inputs from one study: run when both are there, refused when they lie differently."""

from __future__ import annotations

import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pydicom import dcmread
from pydicom.uid import generate_uid

from dicom_templates.source import read_slice
from tests.node.a_node import ANode, storescu

KEEPS_HALF_OF_EACH = np.array([0.5, 0.5], dtype=np.float32).reshape(1, 2, 1, 1)


@pytest.fixture
def mean_pipeline(tmp_path: Path) -> Path:
    """The mean of a thin and a smooth reconstruction: something with a known answer."""
    folder = tmp_path / "pipelines" / "mean-of-two"
    folder.mkdir(parents=True)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["both", "weights"], ["mean"])],
        "mean",
        [helper.make_tensor_value_info("both", TensorProto.FLOAT, ["batch", 2, "rows", "columns"])],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", 1, "rows", "columns"])],
        [numpy_helper.from_array(KEEPS_HALF_OF_EACH, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    sha256 = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    inputs = [
        {"Name": name, "Modality": "CT", "Quantity": "hounsfield_units", "ContextSlices": 0}
        for name in ("sharp", "smooth")
    ]
    manifest = {
        **{"Name": "mean-of-two", "Version": "1.0.0", "Task": "denoise", "Family": "regression"},
        **{"Generative": False, "Publisher": "test", "Description": "mean of two series", "Inputs": inputs},
        "Model": {"File": "model.onnx", "Sha256": sha256, "Input": "both", "Output": "mean"},
        "Preprocessing": [{"Step": "scale", "Divide": 1000.0, "Subtract": 0.0}],
        "Gate": {
            **{"MeanShiftWarnHu": 500.0, "MeanShiftHoldHu": 1000.0},
            **{"LocalChangeWarn": None, "LocalChangeHold": None},  # 50 HU everywhere are what is asked for
        },
    }
    (folder / "pipeline.json").write_text(json.dumps(manifest))
    return folder.parent


def two_series(files: list[Path], folder: Path, *, shift_mm: float = 0.0) -> tuple[list[Path], list[Path]]:
    """The same slices twice in one study: as they are (sharp), and 100 stored units higher (smooth)."""
    study = generate_uid()
    made: dict[str, list[Path]] = {"sharp": [], "smooth": []}
    for name, written in made.items():
        series = generate_uid()
        (folder / name).mkdir(parents=True)
        for path in files:
            dataset = dcmread(path)
            stored = dataset.pixel_array
            dataset.decompress()
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SeriesDescription = (
                study,
                series,
                name,
            )
            if name == "smooth":
                dataset.PixelData = (stored + 100).astype(stored.dtype).tobytes()
                dataset.ImagePositionPatient[0] += shift_mm
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.save_as(folder / name / path.name)
            written.append(folder / name / path.name)
    return made["sharp"], made["smooth"]


def rule() -> dict[str, Any]:
    named = {name: {"SeriesDescription": {"Equals": name}} for name in ("sharp", "smooth")}
    return {
        "Name": "both",
        "When": {"Modality": {"Equals": "CT"}},
        "Series": {"Inputs": named},
        "Pipeline": "mean-of-two",
    }


def test_both_series_make_one_result_that_names_both(
    tmp_path: Path, mean_pipeline: Path, ct_files: list[Path]
) -> None:
    sharp, smooth = two_series(ct_files[:3], tmp_path / "two")
    with ANode(tmp_path / "storage", {"PipelineFolders": [str(mean_pipeline)], "Rules": [rule()]}) as node:
        storescu(smooth, node.dicom_port)
        study = str(dcmread(sharp[0]).StudyInstanceUID)
        (judged,) = node.explained(study)
        assert judged["routing"]["decisions"][0]["fate"] == "waits"
        storescu(sharp, node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert job["state"] == "done", job["reasons"]
        assert job["source_series_uid"] == str(dcmread(sharp[0]).SeriesInstanceUID)
        (series,) = node.result_series()
        by_uid = {str(dcmread(path).SOPInstanceUID): path for path in sharp}
        for data in node.files_of(series):
            result = dcmread(BytesIO(data))
            named = [str(item.ReferencedSOPInstanceUID) for item in result.SourceImageSequence]
            assert len(named) == 4
            source = read_slice(by_uid[named[0]].read_bytes()).values()
            assert np.abs(read_slice(data).values() - source - 50).max() <= 1.0


def test_series_that_do_not_lie_alike_are_refused(
    tmp_path: Path, mean_pipeline: Path, ct_files: list[Path]
) -> None:
    sharp, smooth = two_series(ct_files[:3], tmp_path / "two", shift_mm=3.0)
    with ANode(tmp_path / "storage", {"PipelineFolders": [str(mean_pipeline)], "Rules": [rule()]}) as node:
        storescu([*sharp, *smooth], node.dicom_port)
        (job,) = node.ended_jobs(1)
        assert job["state"] == "failed"
        assert "does not lie on the grid" in job["reasons"][0]
        assert node.result_series() == []
