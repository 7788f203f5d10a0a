"""Many small CT studies, and a pipeline small enough to run over all of them within seconds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SIDE = 64
PIPELINE = "three-quarters"


@dataclass(frozen=True)
class SmallStudy:
    """One series of one study, as files."""

    study_instance_uid: str
    series_instance_uid: str
    files: tuple[Path, ...]


def small_pipeline(folder: Path) -> Path:
    """Three quarters of each value; returns the folder to name in PipelineFolders."""
    own = folder / "pipelines" / PIPELINE
    own.mkdir(parents=True, exist_ok=True)
    onnx.save(_model(), own / "model.onnx")
    sha256 = hashlib.sha256((own / "model.onnx").read_bytes()).hexdigest()
    manifest = {
        **{"Name": PIPELINE, "Version": "1.0.0", "Task": "denoise", "Family": "regression"},
        **{"Generative": False, "Publisher": "test", "Description": "three quarters of each value"},
        "Inputs": [{"Name": "ct", "Modality": "CT", "Quantity": "hounsfield_units", "ContextSlices": 0}],
        "Model": {"File": "model.onnx", "Sha256": sha256, "Input": "ct", "Output": "less"},
        "Preprocessing": [{"Step": "scale", "Divide": 1000.0, "Subtract": 0.0}],
        "Gate": {"MeanShiftWarnHu": 5000.0, "MeanShiftHoldHu": 10000.0},
    }
    (own / "pipeline.json").write_text(json.dumps(manifest))
    return own.parent


def _model() -> onnx.ModelProto:
    one_channel: list[str | int | None] = ["batch", 1, "rows", "columns"]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["ct", "three_quarters"], ["less"])],
        "less",
        [helper.make_tensor_value_info("ct", TensorProto.FLOAT, one_channel)],
        [helper.make_tensor_value_info("less", TensorProto.FLOAT, one_channel)],
        [numpy_helper.from_array(np.array(0.75, dtype=np.float32), "three_quarters")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def small_studies(ct_files: list[Path], folder: Path, *, count: int, slices: int = 2) -> list[SmallStudy]:
    """`count` studies of `slices` corners of the demonstration CT, uncompressed, each of another patient;
    Images in Acquisition (0020,1002) says how many there are."""
    sources = [_corner(path) for path in ct_files[:slices]]
    return [_study(sources, folder / f"{number:03d}", number) for number in range(count)]


def _corner(path: Path) -> Dataset:
    dataset = dcmread(path)
    stored = dataset.pixel_array[:SIDE, :SIDE]
    dataset.decompress()
    dataset.Rows = dataset.Columns = SIDE
    dataset.PixelData = stored.tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _study(sources: list[Dataset], folder: Path, number: int) -> SmallStudy:
    folder.mkdir(parents=True)
    study, series = str(generate_uid()), str(generate_uid())
    files = []
    for index, dataset in enumerate(sources):
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.PatientID = f"SMALL-{number:03d}"
        dataset.ImagesInAcquisition = str(len(sources))
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        path = folder / f"{index}.dcm"
        dataset.save_as(path)
        files.append(path)
    return SmallStudy(study, series, tuple(files))
