"""Bundles in the shape of MONAI's model zoo, made here, imported as pipelines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper

from pipelines.catalog import load_entry
from pipelines.errors import PipelineBroken
from pipelines.inventory import inspect_folder
from pipelines.monai_bundle import import_monai_bundle
from pipelines.monai_options import BundleOptions, read_bundle_options
from pipelines.pipeline import Execution, open_pipeline
from pipelines.placed import Placed
from pipelines.prepare import Preparation
from tests.pipelines.tiny_models import as_slices, axial_grid, graph_model, slice_convolution

IMAGE: dict[str, Any] = {
    "type": "image",
    "format": "hounsfield",
    "modality": "CT",
    "num_channels": 1,
    "spatial_shape": [16, 16, 16],
    "dtype": "float32",
    "value_range": [0, 1],
    "is_patch_data": True,
    "channel_def": {"0": "image"},
}
METADATA: dict[str, Any] = {
    "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema.json",
    "version": "0.2.1",
    "changelog": {"0.2.1": "complete the model package"},
    "monai_version": "1.3.0",
    "pytorch_version": "2.1.0",
    "numpy_version": "1.24.0",
    "optional_packages_version": {"nibabel": "4.0.1"},
    "task": "Low-dose CT denoising",
    "description": "A 3D network\n that removes noise from chest CT",
    "authors": "MONAI team",
    "copyright": "Copyright (c) MONAI Consortium",
    "intended_use": "This is an example, not to be used for diagnostic purposes",
    "references": ["Somebody et al. 2020"],
    "network_data_format": {"inputs": {"image": IMAGE}, "outputs": {"pred": IMAGE}},
}
OPTIONS: dict[str, Any] = {
    "Task": "denoise",
    "Family": "regression",
    "Generative": False,
    "Inputs": [
        {
            "Name": "slices",
            "Modality": "CT",
            "Quantity": "hounsfield_units",
            "RowsColumns": [16, 512],
            "PixelSpacingMm": [0.4, 1.0],
            "SliceSpacingMm": [0.5, 3.0],
        }
    ],
    "Preprocessing": [
        {"Step": "orient", "Axes": "RAS"},
        {"Step": "clip", "Lower": -1000, "Upper": 1000},
        {"Step": "scale", "Subtract": -1000, "Divide": 2000},
    ],
}


def volume_model() -> bytes:
    """Takes what it gives, of 16 x 16 x 16 voxels."""
    return graph_model(
        [helper.make_node("Identity", ["image"], ["pred"])],
        inputs={"image": [1, 1, 16, 16, 16]},
        outputs={"pred": [1, 1, 16, 16, 16]},
    )


def write_bundle(parent: Path, metadata: dict[str, Any] | None = None, content: bytes | None = None) -> Path:
    bundle = parent / "ct_denoising"
    for folder in ("configs", "models", "docs"):
        (bundle / folder).mkdir(parents=True)
    (bundle / "configs" / "metadata.json").write_text(json.dumps(metadata or METADATA))
    (bundle / "models" / "model.onnx").write_bytes(volume_model() if content is None else content)
    (bundle / "models" / "model.pt").write_bytes(b"a pickle that nobody opens")
    (bundle / "LICENSE").write_text("Apache License 2.0")
    return bundle


def with_tensors(
    inputs: dict[str, Any] | None = None, outputs: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The metadata with another input or output."""
    tensors = {"inputs": {"image": IMAGE | (inputs or {})}, "outputs": {"pred": IMAGE | (outputs or {})}}
    return METADATA | {"network_data_format": tensors}


def options(**changes: Any) -> BundleOptions:
    return BundleOptions.model_validate(OPTIONS | changes)


def envelope(**changes: Any) -> dict[str, Any]:
    slices: dict[str, Any] = OPTIONS["Inputs"][0]
    return slices | changes


def test_a_bundle_becomes_a_pipeline_that_passes_the_check_but_for_its_evaluation(tmp_path: Path) -> None:
    folder = import_monai_bundle(write_bundle(tmp_path), tmp_path / "new" / "ct", options=options())
    manifest = load_entry(folder).manifest
    assert (manifest.name, manifest.version, manifest.publisher) == ("ct-denoising", "0.2.1", "MONAI team")
    assert manifest.description == "A 3D network that removes noise from chest CT"
    assert manifest.dimensions == 3
    assert manifest.tiles is not None
    assert manifest.tiles.shape == (16, 16, 16)
    assert (manifest.model.input, manifest.model.output) == ("image", "pred")
    assert (folder / "LICENSE").read_text() == "Apache License 2.0"
    assert sorted(path.name for path in folder.iterdir()) == [
        "LICENSE",
        "MODEL_CARD.md",
        "model.onnx",
        "pipeline.json",
    ]
    assert inspect_folder(folder).findings == ("there is no evaluation",)


def test_what_else_may_be_given_reaches_the_manifest(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    (tmp_path / "elsewhere").write_text("of somebody else")
    (bundle / "docs" / "license.txt").symlink_to(tmp_path / "elsewhere")
    consistency = {"Kind": "mean", "WindowMm": 20}
    further = {"TileOverlap": 0.25, "Consistency": consistency, "Gate": {"StructureHold": 0.4}}
    folder = import_monai_bundle(bundle, tmp_path / "ct", options=options(**further))
    manifest = load_entry(folder).manifest
    assert manifest.tiles is not None
    assert manifest.tiles.overlap == 0.25
    assert manifest.consistency is not None
    assert manifest.consistency.kind == "mean"
    assert manifest.gate.structure_hold == 0.4
    assert not (folder / "license.txt").exists()


def test_a_translation_says_how_its_output_becomes_a_quantity(tmp_path: Path) -> None:
    mr = {"format": "magnitude", "modality": "MR"}
    bundle = write_bundle(tmp_path, with_tensors(mr, {"value_range": [-1, 1]}))
    limit = {"Step": "clip", "Lower": 0, "Upper": 2000, "Outside": "limit"}
    wanted = options(
        Task="translate",
        Inputs=[envelope(Modality="MR", Quantity="mr_signal")],
        OutputQuantity="hounsfield_units",
        Preprocessing=[
            {"Step": "orient", "Axes": "RAS"},
            limit,
            {"Step": "scale", "Divide": 2000},
            limit | {"Lower": -1},
        ],
        Postprocessing=[{"Step": "scale", "Divide": 0.001}],
    )
    manifest = load_entry(import_monai_bundle(bundle, tmp_path / "ct", options=wanted)).manifest
    assert (manifest.task, manifest.output_quantity) == ("translate", "hounsfield_units")
    assert manifest.postprocessing is not None


def test_an_imported_volume_goes_through_the_network_and_back_onto_its_own_grid(tmp_path: Path) -> None:
    folder = import_monai_bundle(write_bundle(tmp_path), tmp_path / "ct", options=options())
    values = np.random.default_rng(1).normal(0, 200, (20, 24, 17)).astype(np.float32)
    stream = open_pipeline(load_entry(folder), Execution()).stream(
        as_slices(values), axial_grid(20, 24, 17), seed=0
    )
    np.testing.assert_allclose(np.stack([result.values for result in stream]), values, atol=1e-3)


def test_the_network_sees_the_axes_as_monais_orientation_lays_them(tmp_path: Path) -> None:
    folder = import_monai_bundle(write_bundle(tmp_path), tmp_path / "ct", options=options())
    values = np.zeros((20, 24, 17), np.float32)
    values[19, 0, 0] = 1000  # the uppermost slice, the row most anterior, the column most to the right
    placed = Placed.volume(values, axial_grid(20, 24, 17))
    seen: NDArray[np.float32] = Preparation.of(load_entry(folder).manifest).prepare(placed).network
    assert seen.shape == (17, 24, 20)
    assert seen.argmax() == np.ravel_multi_index((16, 23, 19), seen.shape)


def test_the_card_says_what_the_bundle_says_and_what_nobody_knows(tmp_path: Path) -> None:
    folder = import_monai_bundle(write_bundle(tmp_path), tmp_path / "ct", options=options())
    said, _, unknown = (folder / "MODEL_CARD.md").read_text().partition("## What is not known")
    for words in ("Low-dose CT denoising", "MONAI team", "not to be used for diagnostic", "Somebody et al."):
        assert words in said
    assert load_entry(folder).model_sha256 in said
    assert "Training data: the bundle does not say" in unknown
    assert "nothing was measured here yet" in unknown
    assert "Intended use" not in unknown


def test_no_expression_of_a_bundle_is_ever_evaluated(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    expression = f"$__import__('pathlib').Path({str(trap)!r}).touch()"
    words = {"description": expression, "task": "@task", "imports": [expression]}
    bundle = write_bundle(tmp_path, METADATA | words)
    inference = {"imports": [expression], "network": {"_target_": "os.system", "command": f"touch {trap}"}}
    (bundle / "configs" / "inference.json").write_text(json.dumps(inference))
    folder = import_monai_bundle(bundle, tmp_path / "ct", options=options())
    assert not trap.exists()
    card = (folder / "MODEL_CARD.md").read_text()
    assert expression in card
    assert "@task" in card


def test_free_sizes_become_a_size_multiple_and_channels_become_inputs_in_their_order(tmp_path: Path) -> None:
    side = ["16*n", "2**5 * m"]
    tensors = {"modality": "n/a", "format": "magnitude", "spatial_shape": side, "value_range": []}
    image = tensors | {"num_channels": 2, "channel_def": {"1": "T2", "0": "T1"}}
    content = slice_convolution(np.full((1, 2, 1, 1), 0.5, np.float32))
    bundle = write_bundle(tmp_path, with_tensors(image, tensors), content)
    inputs = [envelope(Name=name, Modality="MR", Quantity="mr_signal") for name in ("T1", "T2")]
    steps = [{"Step": "normalise"}, {"Step": "orient", "Axes": "LP"}]
    wanted = options(Inputs=inputs, Preprocessing=steps, Name="mean-of-two")
    manifest = load_entry(import_monai_bundle(bundle, tmp_path / "mr", options=wanted)).manifest
    assert manifest.name == "mean-of-two"
    assert manifest.model.size_multiple == 32
    assert manifest.tiles is None
    assert [known.name for known in manifest.inputs] == ["T1", "T2"]
    swapped = options(Inputs=inputs[::-1], Preprocessing=steps)
    with pytest.raises(PipelineBroken, match="the channels are t1, t2, Inputs are t2, t1"):
        import_monai_bundle(bundle, tmp_path / "other", options=swapped)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in METADATA.items() if name != key}


LABELS = {"format": "labels", "num_channels": 2, "channel_def": {"0": "background", "1": "spleen"}}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (with_tensors(outputs=LABELS), "output 'pred' is of type 'image' and format 'labels'"),
        (with_tensors(outputs={"format": "segmentation"}), "format 'segmentation'"),
        (with_tensors(outputs={"type": "probabilities", "format": "classes"}), "type 'probabilities'"),
        (with_tensors(outputs={"type": "probabilities"}), "type 'probabilities' and format 'hounsfield'"),
        (with_tensors(outputs={"num_channels": 2, "channel_def": {}}), "output 'pred' has 2 channels"),
        (with_tensors(outputs={"value_range": [-1, 1]}), "coming out; say with Postprocessing"),
        (with_tensors({"format": "kspace"}), "format 'kspace'"),
        (with_tensors({"dtype": "float16"}), "input 'image' is float16"),
        (with_tensors({"modality": "US"}), "takes US, the input slices is CT"),
        (with_tensors({"num_channels": 3, "channel_def": {}}), "takes 3 channels, the options make 1"),
        (with_tensors({"channel_def": {"0": "a", "1": "b"}}), "channel_def names 2"),
        (with_tensors({"spatial_shape": [16, 16, 16, 16]}), "4 spatial axes"),
        (with_tensors({"spatial_shape": [16, 16, "*"]}), "fixed along some axes only"),
        (with_tensors({"spatial_shape": ["*", "*", "2**n"]}), "'2\\*\\*n', an expression"),
        (with_tensors({"spatial_shape": ["*", "*", "$@patch[2]"]}), "'\\$@patch\\[2\\]', an expression"),
        (with_tensors({"spatial_shape": [4, 4, 4]}), "Tiles.Shape"),
        (with_tensors({"spatial_shape": [16, 16]}), "the orient step must name as many axes"),
        (with_tensors({"value_range": [-1, 1]}), "Preprocessing gives 0 to 1"),
        (METADATA | {"version": "first"}, "Version: String should match"),
        (METADATA | {"network_data_format": {"inputs": {}, "outputs": {}}}, r"has 0 inputs \(none\)"),
        (without("network_data_format"), "network_data_format: Field required"),
        (without("authors"), "authors: Field required"),
    ],
)
def test_what_cannot_be_mapped_is_refused_by_name_and_leaves_nothing(
    tmp_path: Path, metadata: dict[str, Any], words: str
) -> None:
    bundle = write_bundle(tmp_path, metadata)
    with pytest.raises(PipelineBroken, match=words):
        import_monai_bundle(bundle, tmp_path / "ct", options=options())
    assert list(tmp_path.iterdir()) == [bundle]


@pytest.mark.parametrize("key", ["Task", "Family", "Generative", "Inputs", "Preprocessing"])
def test_an_option_that_must_be_given_is_refused_by_name_when_missing(tmp_path: Path, key: str) -> None:
    file = tmp_path / "options.json"
    file.write_text(json.dumps({name: value for name, value in OPTIONS.items() if name != key}))
    with pytest.raises(PipelineBroken, match=f"options.json: {key}: Field required"):
        read_bundle_options(file)
    file.write_text(json.dumps(OPTIONS))
    assert read_bundle_options(file) == options()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Inputs": [envelope(RowsColumns=None)]}, "envelope lacks RowsColumns"),
        ({"Inputs": [envelope(PixelSpacingMm=None)]}, "envelope lacks PixelSpacingMm"),
        ({"Inputs": [envelope(SliceSpacingMm=None)]}, "envelope lacks SliceSpacingMm"),
        ({"Inputs": [envelope(Quantity="mr_signal")]}, "takes Hounsfield units"),
        ({"Inputs": [envelope(ContextSlices=1)]}, "takes 1 channels, the options make 3"),
        ({"Preprocessing": OPTIONS["Preprocessing"][1:]}, "axes lie in the patient"),
        ({"Preprocessing": OPTIONS["Preprocessing"][:1]}, "how intensities are scaled"),
        ({"Preprocessing": OPTIONS["Preprocessing"][:2]}, "Preprocessing gives -1000 to 1000"),
        ({"Family": "GAN"}, "generative: say so"),
        ({"Name": "No Name"}, "Name"),
    ],
)
def test_options_that_say_too_little_or_contradict_the_bundle_are_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(PipelineBroken, match=words):
        import_monai_bundle(write_bundle(tmp_path), tmp_path / "ct", options=options(**changes))


def two_outputs() -> bytes:
    nodes = [helper.make_node("Identity", ["image"], [name]) for name in ("pred", "mean")]
    shape = [1, 1, 16, 16, 16]
    return graph_model(nodes, inputs={"image": shape}, outputs={"pred": shape, "mean": shape})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no network"),
        (two_outputs(), "inputs and outputs image, pred, mean"),
        (slice_convolution(np.ones((1, 1, 1, 1), np.float32)), "has 4 axes"),
    ],
)
def test_a_model_that_is_not_what_the_metadata_says_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    bundle = write_bundle(tmp_path, content=content)
    with pytest.raises(PipelineBroken, match=words):
        import_monai_bundle(bundle, tmp_path / "ct", options=options())
    assert list(tmp_path.iterdir()) == [bundle]


def test_a_bundle_without_a_model_or_metadata_of_its_own_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    model = bundle / "models" / "model.onnx"
    model.rename(tmp_path / "elsewhere.onnx")
    model.symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(PipelineBroken, match=r"no file of the bundle's own.*onnx_export"):
        import_monai_bundle(bundle, tmp_path / "ct", options=options())
    (bundle / "configs" / "metadata.json").unlink()
    with pytest.raises(PipelineBroken, match=r"metadata\.json cannot be read"):
        import_monai_bundle(bundle, tmp_path / "ct", options=options())


def test_a_folder_that_exists_is_never_written_over(tmp_path: Path) -> None:
    target = tmp_path / "ct"
    target.mkdir()
    with pytest.raises(PipelineBroken, match="ct exists; remove it"):
        import_monai_bundle(write_bundle(tmp_path), target, options=options())
    assert list(target.iterdir()) == []
