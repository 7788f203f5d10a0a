"""`orthogen pipelines add`: checked, tried, registered; or refused with what speaks against it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.node.a_node import ORTHOGEN, ROOT

SHIPPED = ROOT / "pipelines" / "ct-denoise"


def add(folder: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [str(ORTHOGEN), "pipelines", "add", str(folder), "--to", str(target)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


def test_a_sound_pipeline_is_registered_with_its_inventory(tmp_path: Path) -> None:
    ran = add(SHIPPED, tmp_path)
    assert ran.returncode == 0, ran.stderr
    for words in ("sha256", "opset", "parameters", "repeatable, verdict"):
        assert words in ran.stdout
    assert (tmp_path / "ct-denoise" / "model.onnx").read_bytes() == (SHIPPED / "model.onnx").read_bytes()


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    assert add(SHIPPED, tmp_path).returncode == 0
    ran = add(SHIPPED, tmp_path)
    assert ran.returncode == 2
    assert "exists" in ran.stderr


def test_a_changed_model_is_refused_and_nothing_is_copied(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(SHIPPED, broken)
    with (broken / "model.onnx").open("ab") as file:
        file.write(b"x")
    ran = add(broken, tmp_path / "target")
    assert ran.returncode == 2
    assert "SHA-256" in ran.stderr
    assert not (tmp_path / "target").exists()


def test_a_model_that_is_no_onnx_file_is_refused_by_name(tmp_path: Path) -> None:
    import hashlib
    import json

    broken = tmp_path / "broken"
    shutil.copytree(SHIPPED, broken)
    (broken / "model.onnx").write_bytes(b"not a model")
    manifest = json.loads((broken / "pipeline.json").read_text())
    manifest["Model"]["Sha256"] = hashlib.sha256(b"not a model").hexdigest()
    (broken / "pipeline.json").write_text(json.dumps(manifest))
    ran = add(broken, tmp_path / "target")
    assert ran.returncode == 2
    assert "model.onnx" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
