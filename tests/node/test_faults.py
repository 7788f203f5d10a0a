"""A broken installation, model or configuration: said in one line, and never a reason for Orthanc to stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from plugin.preflight import find_orthanc, plugin_folder
from tests.node.a_node import CT_RULE, ORTHOGEN, ROOT, free_port, until


def write_configuration(folder: Path, section: dict[str, Any]) -> Path:
    path = folder / "orthanc.json"
    path.write_text(json.dumps({"Orthogen": section}), encoding="utf-8")
    return path


def copied_pipeline(folder: Path) -> Path:
    target = folder / "pipelines" / "ct-denoise"
    shutil.copytree(ROOT / "pipelines" / "ct-denoise", target)
    return target


def up(configuration: Path, storage: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    ports = ["--http-port", str(free_port()), "--dicom-port", str(free_port())]
    command = [ORTHOGEN, "up", "--config", configuration, "--storage", storage, *ports]
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
        check=False,
    )


def assert_one_line(ran: subprocess.CompletedProcess[str], *words: str) -> None:
    assert ran.returncode != 0
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    for word in words:
        assert word in ran.stderr


def test_up_with_a_wrong_setting_says_so(tmp_path: Path) -> None:
    ran = up(write_configuration(tmp_path, {"QuietSecond": 1}), tmp_path / "storage")
    assert_one_line(ran, "Orthogen.QuietSecond", "did you mean 'QuietSeconds'?")


def test_up_with_a_missing_file_says_so(tmp_path: Path) -> None:
    assert_one_line(up(tmp_path / "none.json", tmp_path / "storage"), "none.json", "cannot be read")


def test_up_with_a_missing_model_says_so(tmp_path: Path) -> None:
    (copied_pipeline(tmp_path) / "model.onnx").unlink()
    section = {"PipelineFolders": [str(tmp_path / "pipelines")], "Rules": [CT_RULE]}
    assert_one_line(up(write_configuration(tmp_path, section), tmp_path / "storage"), "model.onnx")


def test_up_with_a_changed_model_names_both_digests(tmp_path: Path) -> None:
    with (copied_pipeline(tmp_path) / "model.onnx").open("ab") as file:
        file.write(b"x")
    section = {"PipelineFolders": [str(tmp_path / "pipelines")], "Rules": [CT_RULE]}
    assert_one_line(up(write_configuration(tmp_path, section), tmp_path / "storage"), "SHA-256")


def test_up_in_a_broken_environment_says_so(tmp_path: Path) -> None:
    """A package that cannot be imported stands for any broken installation."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "onnxruntime.py").write_text("raise ImportError('libfoo.so is missing')")
    configuration = write_configuration(tmp_path, {"Rules": []})
    ran = up(configuration, tmp_path / "storage", PYTHONPATH=str(tmp_path / "broken"))
    assert_one_line(ran, "libfoo.so is missing", "make setup")


def test_up_on_a_port_in_use_says_so(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        configuration = write_configuration(tmp_path, {})
        command = [
            ORTHOGEN,
            "up",
            "--config",
            configuration,
            "--storage",
            tmp_path / "s",
            "--http-port",
            port,
        ]
        ran = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False
        )
    assert_one_line(ran, port, "in use")


@contextmanager
def plain_orthanc(folder: Path, section: dict[str, Any]) -> Iterator[str]:
    """Orthanc with the door, started the way a site does it, past every check of `orthogen up`."""
    http_port, plugins = free_port(), plugin_folder()
    configuration = {
        "StorageDirectory": "storage",
        "IndexDirectory": "storage",
        "HttpPort": http_port,
        "DicomPort": free_port(),
        "Plugins": [f"{plugins}/libOrthancPython.so"],
        "PythonScript": str(ROOT / "plugin" / "door" / "main.py"),
        "Orthogen": section,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [find_orthanc(), folder / "orthanc.json"], stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield f"http://127.0.0.1:{http_port}"
        assert process.poll() is None, "Orthanc has ended"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def get(url: str) -> tuple[int, dict[str, Any]]:
    try:
        answer = urllib3.request("GET", url, retries=False, timeout=5)
    except urllib3.exceptions.HTTPError:
        return 0, {}
    return answer.status, answer.json()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("venv", "no-such-python"),
        ("setting", "QuietSecond"),
        ("rules", "there is no pipeline"),
        ("model", "model.onnx"),
    ],
)
def test_inside_orthanc_a_fault_leaves_orthanc_serving_and_health_names_it(
    tmp_path: Path, fault: str, words: str
) -> None:
    section: dict[str, Any] = {"Python": sys.executable, "Rules": []}
    if fault == "venv":
        section["Python"] = str(tmp_path / "no-such-python")
    if fault == "setting":
        section["QuietSecond"] = 1
    if fault == "rules":
        section["Rules"] = [{"Name": "x", "When": {}, "Pipeline": "nothing"}]
    if fault == "model":
        (copied_pipeline(tmp_path) / "model.onnx").unlink()
        section["PipelineFolders"] = [str(tmp_path / "pipelines")]
    with plain_orthanc(tmp_path, section) as url:

        def reason() -> dict[str, Any] | None:
            status, body = get(f"{url}/orthogen/api/health")
            return body if status == 503 and words in body["detail"] else None

        body = until(reason, f"a 503 that says {words}")
        assert {"error", "detail", "remedy"} <= set(body)
        assert get(f"{url}/system")[0] == 200


def test_a_node_that_is_mended_comes_up_by_itself(tmp_path: Path) -> None:
    folder = copied_pipeline(tmp_path)
    hidden = folder / "hidden.onnx"
    (folder / "model.onnx").rename(hidden)
    section = {"Python": sys.executable, "PipelineFolders": [str(tmp_path / "pipelines")]}
    with plain_orthanc(tmp_path, section) as url:
        until(lambda: get(f"{url}/orthogen/api/health")[0] == 503, "a 503")
        hidden.rename(folder / "model.onnx")
        until(lambda: get(f"{url}/orthogen/api/health")[0] == 200, "a healthy node", 45)
