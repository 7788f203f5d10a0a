"""MONAI bundles with an ONNX export, imported as pipeline folders."""

from __future__ import annotations

import re
import shutil
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from pipelines.catalog import MANIFEST_FILE, load_entry
from pipelines.errors import PipelineBroken
from pipelines.execution import Execution
from pipelines.manifest import Manifest
from pipelines.manifest_part import first_fault
from pipelines.monai_card import authors, model_card
from pipelines.monai_metadata import BundleMetadata, image_input, read_metadata, size_multiple, window_shape
from pipelines.monai_options import BundleOptions, contradictions
from pipelines.onnx_check import check_model, inputs_of
from pipelines.pipeline import open_pipeline

MODEL_FILE = Path("models", "model.onnx")
LICENCES = ("LICENSE", "docs/license.txt", "docs/data_license.txt")


def import_monai_bundle(bundle_folder: Path, target_folder: Path, *, options: BundleOptions) -> Path:
    """Write the pipeline folder `target_folder` from a bundle's metadata, its ONNX model and `options`.

    The folder appears complete or not at all; it is then to be checked like any other (`inspect_folder`).
    Raises `PipelineBroken` naming what the bundle has that a pipeline cannot have, what neither metadata nor
    options say, or in what they contradict each other.
    """
    if target_folder.exists():
        raise PipelineBroken(f"{target_folder} exists", remedy="remove it, or choose another folder")
    metadata, content = read_metadata(bundle_folder), _model_bytes(bundle_folder)
    if found := next(contradictions(metadata, options), None):
        raise PipelineBroken(f"{bundle_folder.name}: {found[0]}", remedy=found[1])
    manifest = _manifest(bundle_folder, metadata, options, content)
    target_folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target_folder.parent, prefix=".import-") as scratch:
        folder = Path(scratch, "pipeline")
        _write(folder, bundle_folder, manifest, metadata, content)
        open_pipeline(load_entry(folder), Execution())
        folder.rename(target_folder)
    return target_folder


def _model_bytes(bundle_folder: Path) -> bytes:
    path = bundle_folder / MODEL_FILE
    if path.is_symlink() or not path.is_file():
        remedy = "export it with `python -m monai.bundle onnx_export`"
        raise PipelineBroken(f"{path} is no file of the bundle's own", remedy=remedy)
    return path.read_bytes()


def _manifest(bundle: Path, metadata: BundleMetadata, options: BundleOptions, content: bytes) -> Manifest:
    image, graph = image_input(metadata), check_model(MODEL_FILE.name, content).graph
    given = options.model_dump(by_alias=True, exclude={"tile_overlap", "name"}, exclude_unset=True)
    tensors = [value.name for value in (*inputs_of(graph), *graph.output)]
    if len(tensors) != 2:
        what = f"{MODEL_FILE} has the inputs and outputs {', '.join(tensors)}"
        raise PipelineBroken(what, remedy="export a network of one input and one output")
    derived: dict[str, Any] = {
        "Name": options.name or re.sub(r"[^a-z0-9]+", "-", bundle.resolve().name.lower()).strip("-"),
        "Version": metadata.version,
        "Publisher": authors(metadata),
        "Description": " ".join(metadata.description.split()),
        "Dimensions": len(image.spatial_shape),
        "Model": {
            "File": MODEL_FILE.name,
            "Sha256": sha256(content).hexdigest(),
            "Input": tensors[0],
            "Output": tensors[1],
            "SizeMultiple": size_multiple(image),
        },
    }
    if shape := window_shape(image):
        derived["Tiles"] = {"Shape": shape, "Overlap": options.tile_overlap}
    try:
        return Manifest.model_validate(given | derived)
    except ValidationError as error:
        what = f"{bundle.name}: {first_fault(error)}"
        raise PipelineBroken(what, remedy="correct the bundle's metadata or the options") from error


def _write(folder: Path, bundle: Path, manifest: Manifest, metadata: BundleMetadata, content: bytes) -> None:
    folder.mkdir()
    (folder / manifest.model.file).write_bytes(content)
    settings = manifest.model_dump_json(by_alias=True, exclude_defaults=True, indent=2)
    (folder / MANIFEST_FILE).write_text(settings + "\n", encoding="utf-8")
    (folder / manifest.model_card).write_text(model_card(manifest, metadata), encoding="utf-8")
    for licence in (bundle / name for name in LICENCES):
        if licence.is_file() and not licence.is_symlink():
            shutil.copyfile(licence, folder / licence.name)
