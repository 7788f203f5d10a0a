"""Models on an inference server (Triton and others), by the KServe v2 protocol with binary tensors.

Open Inference Protocol v2 (kserve/open-inference-protocol) and its binary tensor data extension. The server
must hold each model under the name `remote_name` gives it: the name carries the digest of the registered
file, so that a changed model has another name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from threading import Event
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from pipelines.binding import Resident, length, part
from pipelines.errors import JobInterrupted, PassingTrouble, PipelineBroken
from pipelines.model_file import EncoderFile, ModelFile
from pipelines.tensor_spec import TensorSpec

HEADER_LENGTH = "Inference-Header-Content-Length"
SECONDS = 600.0
"""For one inference, which may wait in the server's queue."""


def remote_name(pipeline: str, file: ModelFile | EncoderFile) -> str:
    """For instance ct-denoise-7808a14aeaa5."""
    return f"{pipeline}-{file.sha256[:12]}"


class RemoteModel:
    """What `pipelines.session.OpenModel` is, but elsewhere."""

    def __init__(self, url: str, name: str, interruption: Event) -> None:
        self.name = name
        self.warnings: tuple[str, ...] = ()
        self._interruption = interruption
        self._client = httpx.Client(base_url=url, timeout=httpx.Timeout(SECONDS, connect=10.0))
        server = self._json("/v2")
        described = self._json(f"/v2/models/{name}")
        self.provider = f"KServe v2: {server['name']} {server['version']}"
        self.inputs = {tensor["name"]: _spec(tensor) for tensor in described["inputs"]}
        self.outputs = {tensor["name"]: _spec(tensor) for tensor in described["outputs"]}
        self._most = 1 if any(tensor.shape[:1] == (1,) for tensor in self.inputs.values()) else None

    def run(self, output: str, inputs: Mapping[str, Resident]) -> NDArray[np.float32]:
        """One inference; `PassingTrouble` while the server cannot be reached or fails."""
        if self._interruption.is_set():
            raise JobInterrupted(f"{self.name}: the inference was interrupted")
        size = length(next(iter(inputs.values())))
        if self._most is None or size <= self._most:
            return self._infer(output, {name: part(values, 0, size) for name, values in inputs.items()})
        singles = (
            {name: part(values, item, item + 1) for name, values in inputs.items()} for item in range(size)
        )
        return np.concatenate([self._infer(output, single) for single in singles])

    def resident(self, values: NDArray[np.float32]) -> Resident:
        """Nothing stays on the server between calls."""
        return values

    def _infer(self, output: str, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        specs = self.inputs
        arrays = {name: np.ascontiguousarray(values, specs[name].dtype) for name, values in inputs.items()}
        described = [_described(name, values, specs[name].type) for name, values in arrays.items()]
        wanted = [{"name": output, "parameters": {"binary_data": True}}]
        head = json.dumps({"inputs": described, "outputs": wanted}).encode()
        body = b"".join([head, *(values.tobytes() for values in arrays.values())])
        headers = {HEADER_LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
        response = self._asked("POST", f"/v2/models/{self.name}/infer", content=body, headers=headers)
        return _answer(self.name, output, response)

    def _json(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._asked("GET", path).json()
        return found

    def _asked(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **content)
        except httpx.TransportError as error:
            what = f"{self.name}: the inference server {self._client.base_url} cannot be reached ({error})"
            raise PassingTrouble(what, remedy="start it, or correct its address") from error
        if response.is_success:
            return response
        what = f"{self.name}: the inference server answers {response.status_code}: {response.text[:200]}"
        if response.status_code >= 500 or response.status_code == 429:
            raise PassingTrouble(what, remedy="see the server's log")
        raise PipelineBroken(what, remedy=f"load the registered model there under the name {self.name}")


def _spec(tensor: dict[str, Any]) -> TensorSpec:
    return TensorSpec(tensor["datatype"], tuple(None if axis < 0 else axis for axis in tensor["shape"]))


def _described(name: str, values: NDArray[Any], datatype: str) -> dict[str, Any]:
    size = {"binary_data_size": values.nbytes}
    return {"name": name, "shape": values.shape, "datatype": datatype, "parameters": size}


def _answer(model: str, output: str, response: httpx.Response) -> NDArray[np.float32]:
    """The one tensor asked for, checked against what the server says of it."""
    head = int(response.headers.get(HEADER_LENGTH, len(response.content)))
    tensors: Sequence[dict[str, Any]] = json.loads(response.content[:head])["outputs"]
    raw = response.content[head:]
    if [tensor["name"] for tensor in tensors] != [output] or tensors[0]["datatype"] != "FP32":
        what = f"{model}: the server gave {[(tensor['name'], tensor['datatype']) for tensor in tensors]}"
        raise PipelineBroken(what, remedy=f"serve a model that gives {output!r} in FP32")
    shape = tuple(tensors[0]["shape"])
    if len(raw) != 4 * int(np.prod(shape)):
        what = f"{model}: the server sent {len(raw)} bytes for a tensor of shape {shape}"
        raise PassingTrouble(what, remedy="see the server's log; it must send binary tensors")
    return np.frombuffer(raw, np.float32).reshape(shape).copy()
