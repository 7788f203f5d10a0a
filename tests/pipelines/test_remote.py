"""Inference elsewhere: a small server of the KServe v2 protocol always, a real Triton where there is one."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.catalog import CatalogEntry
from pipelines.errors import JobInterrupted, PassingTrouble, PipelineBroken
from pipelines.execution import Execution
from pipelines.pipeline import open_pipeline
from pipelines.remote import RemoteModel, remote_name
from tests.pipelines.tiny_models import as_slices, axial_grid, mean_of_slices, tiny_entry

TRITON_PYTHON = os.environ.get("ORTHOGEN_TRITON_PYTHON")
DESCRIPTION = {
    "inputs": [{"name": "slices", "datatype": "FP32", "shape": [-1, 3, -1, -1]}],
    "outputs": [{"name": "denoised", "datatype": "FP32", "shape": [-1, 1, -1, -1]}],
}


class MeanServer(ThreadingHTTPServer):
    """The mean over channels, by the protocol's own words; `fault` makes it answer otherwise."""

    def __init__(self, model: str) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.model = model
        self.description: dict[str, Any] = DESCRIPTION
        self.fault: str = ""
        self.batches: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: MeanServer

    def do_GET(self) -> None:
        if self.path == "/v2":
            self._json(200, {"name": "mean", "version": "1.0"})
        elif self.path == f"/v2/models/{self.server.model}":
            self._json(200, self.server.description)
        else:
            self._json(404, {"error": "unknown model"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = int(self.headers["Inference-Header-Content-Length"])
        (tensor,) = json.loads(body[:head])["inputs"]
        assert tensor["parameters"]["binary_data_size"] == len(body) - head
        values = np.frombuffer(body[head:], np.float32).reshape(tensor["shape"])
        self.server.batches.append(len(values))
        self._answer(values.mean(axis=1, keepdims=True, dtype=np.float32))

    def _answer(self, mean: NDArray[np.float32]) -> None:
        if self.server.fault == "down":
            return self._json(503, {"error": "overloaded"})
        name = "other" if self.server.fault == "other tensor" else "denoised"
        raw = mean.tobytes()[: 8 if self.server.fault == "short" else None]
        sizes = {"binary_data_size": len(raw)}
        tensor = {"name": name, "datatype": "FP32", "shape": mean.shape, "parameters": sizes}
        head = json.dumps({"model_name": self.server.model, "outputs": [tensor]}).encode()
        return self._send(200, head + raw, {"Inference-Header-Content-Length": str(len(head))})

    def _json(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def entry(tmp_path: Path) -> CatalogEntry:
    return tiny_entry(tmp_path, mean_of_slices(3))


@pytest.fixture
def server(entry: CatalogEntry) -> Iterator[MeanServer]:
    with MeanServer(remote_name("tiny", entry.manifest.model)) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def volume() -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(0, 100, (7, 10, 12)).astype(np.float32)


def run(entry: CatalogEntry, execution: Execution) -> NDArray[np.float32]:
    values = volume()
    stream = open_pipeline(entry, execution).stream(as_slices(values), axial_grid(*values.shape), seed=0)
    return np.stack([result.values for result in stream])


def test_a_pipeline_on_a_server_gives_what_it_gives_here(entry: CatalogEntry, server: MeanServer) -> None:
    there = Execution(server=server.url, parallel_slices=2, batch_slices=3)
    np.testing.assert_allclose(run(entry, there), run(entry, Execution()), rtol=1e-5, atol=1e-4)
    assert sorted(server.batches) == [1, 3, 3]
    assert open_pipeline(entry, there).execution_provider == "KServe v2: mean 1.0"


def test_the_servers_model_is_named_by_the_registered_digest(entry: CatalogEntry, server: MeanServer) -> None:
    assert server.model == f"tiny-{entry.model_sha256[:12]}"
    server.model = "tiny-000000000000"
    with pytest.raises(
        PipelineBroken, match=f"load the registered model there under the name tiny-{entry.model_sha256[:12]}"
    ):
        run(entry, Execution(server=server.url))


def test_a_model_of_single_images_is_asked_one_at_a_time(entry: CatalogEntry, server: MeanServer) -> None:
    inputs = [{"name": "slices", "datatype": "FP32", "shape": [1, 3, -1, -1]}]
    server.description = DESCRIPTION | {"inputs": inputs}
    run(entry, Execution(server=server.url, batch_slices=4))
    assert set(server.batches) == {1}


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("down", PassingTrouble, "answers 503"),
        ("short", PassingTrouble, "sent 8 bytes"),
        ("other tensor", PipelineBroken, "other"),
    ],
)
def test_a_server_that_fails_is_told_from_one_that_serves_the_wrong_model(
    entry: CatalogEntry, server: MeanServer, fault: str, error: type[Exception], words: str
) -> None:
    server.fault = fault
    with pytest.raises(error, match=words):
        run(entry, Execution(server=server.url))


def test_a_server_that_is_not_there_is_a_passing_trouble(entry: CatalogEntry) -> None:
    with pytest.raises(PassingTrouble, match="cannot be reached"):
        open_pipeline(entry, Execution(server=f"http://127.0.0.1:{free_port()}"))


def test_other_tensor_names_on_the_server_are_refused(entry: CatalogEntry, server: MeanServer) -> None:
    server.description = DESCRIPTION | {"outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}]}
    with pytest.raises(PipelineBroken, match="the manifest names"):
        open_pipeline(entry, Execution(server=server.url))


def test_an_interrupted_model_asks_nothing_more(server: MeanServer) -> None:
    interruption = threading.Event()
    model = RemoteModel(server.url, server.model, interruption)
    interruption.set()
    with pytest.raises(JobInterrupted):
        model.run("denoised", {"slices": np.zeros((1, 3, 4, 4), np.float32)})
    assert server.batches == []


@pytest.mark.skipif(TRITON_PYTHON is None, reason="ORTHOGEN_TRITON_PYTHON is not set")
def test_a_real_triton_gives_what_the_model_gives_here(entry: CatalogEntry) -> None:
    port, name = free_port(), remote_name("tiny", entry.manifest.model)
    script = Path(__file__).with_name("triton_server.py")
    with subprocess.Popen([str(TRITON_PYTHON), str(script), str(port), name]) as triton:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}/v2/models/{name}/ready")
            there = Execution(server=f"http://127.0.0.1:{port}", parallel_slices=2, batch_slices=3)
            np.testing.assert_allclose(run(entry, there), run(entry, Execution()), rtol=1e-5, atol=1e-4)
            assert open_pipeline(entry, there).execution_provider.startswith("KServe v2: triton 2.")
        finally:
            triton.terminate()


def wait_until_ready(url: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"{url} was not ready within a minute")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
