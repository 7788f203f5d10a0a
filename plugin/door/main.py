"""The door: the few lines that run inside Orthanc. Orthanc loads this file (`PythonScript`).

Standard library only, Python 3.11 to 3.14, and nothing that can fail at import: an exception here would end
Orthanc. A broken virtual environment, a missing model or a wrong setting ends the node, never Orthanc; the
door then answers 503 with the reason. It is the one module that imports `orthanc`.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
# Orthanc put this folder there, where our file names could hide the standard library's.
sys.path[0] = str(REPOSITORY)

import orthanc  # noqa: E402

from plugin.door.forward import Answer, NodeStillBusy, NodeUnreachable, forward  # noqa: E402
from plugin.door.supervise import Child  # noqa: E402

WAKING = (
    orthanc.ChangeType.NEW_INSTANCE,
    orthanc.ChangeType.STABLE_SERIES,
    orthanc.ChangeType.DELETED,
)
EXPLORER = Path(__file__).with_name("explorer.js")


def configuration_folder() -> Path:
    """Orthanc reads relative paths from the folder of its configuration."""
    path = Path(orthanc.GetConfigurationPath()).resolve()
    return path if path.is_dir() else path.parent


def storage_folder(configuration: dict[str, Any]) -> Path:
    return configuration_folder() / str(configuration.get("StorageDirectory", "OrthancStorage"))


def index_folder(configuration: dict[str, Any]) -> Path:
    """By default the index lies in the storage folder."""
    named = configuration.get("IndexDirectory")
    return configuration_folder() / str(named) if named else storage_folder(configuration)


def own_url(configuration: dict[str, Any]) -> str:
    scheme = "https" if configuration.get("SslEnabled") else "http"
    return f"{scheme}://127.0.0.1:{configuration.get('HttpPort', 8042)}"


def venv_python(section: dict[str, Any]) -> str:
    wanted = section.get("Python")
    return str(REPOSITORY / (wanted if isinstance(wanted, str) and wanted else ".venv/bin/python"))


class Doorway:
    """The node and the socket it answers on; without a node, the reason why."""

    def __init__(self) -> None:
        self.reason = ""
        self.socket = ""
        self.node: Child | None = None
        try:
            self.socket = str(Path(tempfile.mkdtemp(prefix="orthogen-")) / "node.sock")  # at most 107 bytes
            self.node = make_node(self.socket)
        except Exception as error:  # noqa: BLE001 - an exception at load would end Orthanc
            self.reason = f"the node cannot be started: {error}"
            orthanc.LogError(f"orthogen: {self.reason}")

    def why(self) -> str:
        return self.node.reason if self.node is not None else self.reason

    def close(self) -> None:
        if self.node is not None:
            self.node.stop()
        if self.socket:
            shutil.rmtree(Path(self.socket).parent, ignore_errors=True)


def make_node(socket_path: str) -> Child:
    configuration = json.loads(orthanc.GetConfiguration())
    section = configuration.get("Orthogen", {})
    section = section if isinstance(section, dict) else {}
    hand_over = {
        "orthanc_url": own_url(configuration),
        "token": orthanc.GenerateRestApiAuthorizationToken(),
        "state_folder": str(storage_folder(configuration) / "orthogen"),
        "index_folder": str(index_folder(configuration)),
        "called_ae_title": configuration.get("DicomAet", "ORTHANC"),
        "section": section,
        "configuration_path": os.environ.get("ORTHOGEN_CONFIGURATION") or orthanc.GetConfigurationPath(),
        "socket": socket_path,
    }
    command = [venv_python(section), "-m", "plugin.node"]
    line = json.dumps(hand_over).encode("ascii") + b"\n"
    return Child(command, str(REPOSITORY), line, lambda text: orthanc.LogWarning("orthogen: " + text))


DOORWAY = Doorway()


def on_change(change: int, _level: int, _resource: str) -> None:
    if change == orthanc.ChangeType.ORTHANC_STOPPED:
        DOORWAY.close()
    elif DOORWAY.node is None:
        return
    elif change in WAKING:
        DOORWAY.node.wake()
    elif change == orthanc.ChangeType.ORTHANC_STARTED:
        DOORWAY.node.start()


def user_of(headers: dict[str, str]) -> str | None:
    """The user name of Orthanc's own (already checked) Basic authentication."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials).decode("utf-8").partition(":")[0]
    except ValueError:
        return None


def target_of(uri: str, parameters: dict[str, str]) -> str:
    query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
    return urllib.parse.quote(uri) + query


def answer_request(output: orthanc.RestOutput, uri: str, **request: Any) -> None:
    headers = request.get("headers", {})
    target = target_of(uri, request.get("get", {}))
    try:
        answer = forward(
            DOORWAY.socket, request["method"], target, headers, request.get("body"), user_of(headers)
        )
    except NodeUnreachable:
        remedy = "see Orthanc's log; the node is restarted by itself"
        answer = Answer.json(503, "the node is not running", DOORWAY.why(), remedy)
    except NodeStillBusy:
        remedy = "look at the jobs before asking again"
        answer = Answer.json(504, "the node is still at work on this", "no answer yet", remedy)
    except ValueError as error:
        answer = Answer.json(400, "bad request", str(error), "send plain header values")
    if not send_by_its_method(output, answer):
        send(output, answer)


def send_by_its_method(output: orthanc.RestOutput, answer: Answer) -> bool:
    """Whether the answer is one that Orthanc gives only by a method of its own, without our body: sent as a
    plain status it would end the connection without any answer.
    """
    if answer.status == 301:
        output.Redirect(answer.headers.get("Location", "/"))
    elif answer.status == 401:
        output.SendUnauthorized("Orthogen")
    elif answer.status == 405:
        output.SendMethodNotAllowed(answer.headers.get("Allow", ""))
    else:
        return False
    return True


def send(output: orthanc.RestOutput, answer: Answer) -> None:
    for name, value in answer.headers.items():
        if name.lower() != "content-type" or answer.status != 200:
            output.SetHttpHeader(name, value)
    if answer.status == 200:
        output.AnswerBuffer(answer.body, answer.headers.get("Content-Type", "application/octet-stream"))
    else:
        send_status(output, answer)


def send_status(output: orthanc.RestOutput, answer: Answer) -> None:
    try:
        output.SendHttpStatus(answer.status, answer.body)
    except TypeError:  # plugin before 4.2: (code, text, length)
        text = answer.body.decode("utf-8", "replace")
        output.SendHttpStatus(answer.status, text, len(text.encode("utf-8")))


def show_in_explorer() -> None:
    """A way to the admin pages from Orthanc's own; without it everything else works all the same."""
    try:
        orthanc.SetDescription("Orthogen: AI pipelines on what arrives, results as DICOM series")
        orthanc.SetRootUri("../orthogen/ui/")
        orthanc.ExtendOrthancExplorer(EXPLORER.read_text(encoding="utf-8"))
    except (OSError, AttributeError, TypeError, orthanc.OrthancException) as error:
        orthanc.LogWarning(f"orthogen: Orthanc Explorer shows no link to the pages ({error})")


show_in_explorer()
orthanc.RegisterOnChangeCallback(on_change)
orthanc.RegisterRestCallback("/orthogen(/.*)?", answer_request)
