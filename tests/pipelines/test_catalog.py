import json
import shutil
from pathlib import Path

import pytest

from pipelines.catalog import Catalog
from pipelines.errors import ConfigurationError, PipelineBroken
from tests.pipelines.tiny_models import manifest_json, mean_of_slices, write_folder

MODEL = mean_of_slices(3)


def test_every_subfolder_with_a_manifest_is_read_and_others_are_passed_over(tmp_path: Path) -> None:
    write_folder(tmp_path / "b", MODEL, manifest_json(MODEL, Name="second"))
    write_folder(tmp_path / "a", MODEL, manifest_json(MODEL, Name="first"))
    (tmp_path / "no-pipeline").mkdir()
    (tmp_path / "loose.py").write_text("")
    catalog = Catalog.load([tmp_path])
    assert catalog.names() == ("first", "second")
    assert [entry.folder.name for entry in catalog] == ["a", "b"]
    assert catalog["first"].model_sha256 == manifest_json(MODEL)["Model"]["Sha256"]
    assert catalog["first"].config_sha256 != catalog["second"].config_sha256


def test_a_changed_model_file_is_refused_by_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tiny", MODEL)
    (folder / "model.onnx").write_bytes(MODEL[:-1] + b"!")
    with pytest.raises(
        PipelineBroken, match=r"tiny/model\.onnx has SHA-256 .* registers .*; put the registered"
    ):
        Catalog.load([tmp_path])


def test_a_model_file_changed_after_loading_is_refused_when_it_is_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tiny", MODEL)
    entry = Catalog.load([tmp_path])["tiny"]
    assert entry.read_model() == MODEL
    (folder / "model.onnx").write_bytes(b"swapped")
    with pytest.raises(PipelineBroken, match="has SHA-256"):
        entry.read_model()


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "tiny", MODEL)
    (folder / "model.onnx").unlink()
    with pytest.raises(PipelineBroken, match=r"tiny/model\.onnx cannot be read .*; put the model file back"):
        Catalog.load([tmp_path])


def test_a_model_behind_a_link_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pipelines" / "tiny", MODEL)
    shutil.move(folder / "model.onnx", tmp_path / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(PipelineBroken, match="symbolic link"):
        Catalog.load([tmp_path / "pipelines"])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Name": "x"}'])
def test_a_malformed_manifest_is_refused_with_the_file_named(tmp_path: Path, text: str) -> None:
    folder = write_folder(tmp_path / "tiny", MODEL)
    (folder / "pipeline.json").write_text(text)
    with pytest.raises(PipelineBroken, match=r"tiny/pipeline\.json: .* correct it by"):
        Catalog.load([tmp_path])


def test_the_faulty_key_of_a_manifest_is_named(tmp_path: Path) -> None:
    manifest = manifest_json(MODEL)
    manifest["Inputs"][0]["PixelSpacingMm"] = [2, 1]
    folder = write_folder(tmp_path / "tiny", MODEL)
    (folder / "pipeline.json").write_text(json.dumps(manifest))
    with pytest.raises(PipelineBroken, match=r"Inputs\.0\.PixelSpacingMm"):
        Catalog.load([tmp_path])


def test_two_pipelines_of_one_name_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", MODEL)
    write_folder(tmp_path / "b", MODEL)
    with pytest.raises(PipelineBroken, match="two pipelines are named tiny"):
        Catalog.load([tmp_path])


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineBroken, match="does not exist"):
        Catalog.load([tmp_path / "nowhere"])


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    write_folder(tmp_path / "tiny", MODEL)
    catalog = Catalog.load([tmp_path])
    assert "tiny" in catalog
    assert "other" not in catalog
    with pytest.raises(ConfigurationError, match="there is no pipeline 'other'; there are: tiny"):
        catalog["other"]
