"""The description of the interface is valid, names every route, and each route answers as it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from plugin.interface import API_ROUTES, make_app
from plugin.openapi import description
from tests.node.a_destination import Peer
from tests.node.a_node import CT_RULE, ROOT, ANode, storescu
from tests.node.test_companions import strict_pipeline

CHANGES = {"X-Orthogen": "1"}
ROUTES = {f"{route.method} {route.address}" for route in API_ROUTES}


def test_the_description_is_valid_openapi_3_1() -> None:
    document = description(API_ROUTES)
    assert document["openapi"].startswith("3.1")
    validate(json.loads(json.dumps(document)))
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["summary"] for operation in operations)


def test_the_default_of_a_condition_is_shown_as_one_would_write_it() -> None:
    rule = description(API_ROUTES)["components"]["schemas"]["Rule"]
    assert rule["properties"]["When"]["default"] == {}


def test_no_route_is_missing_from_the_description_or_from_the_documentation() -> None:
    app = make_app(None)  # type: ignore[arg-type]
    served = {f"{method} {route.path}" for route in app.routes for method in route.methods - {"HEAD"}}  # type: ignore[attr-defined]
    paths = description(API_ROUTES)["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == served
    page = (ROOT / "docs" / "api.md").read_text()
    for route in API_ROUTES:
        written = route.address.removeprefix("/orthogen/api")
        assert re.search(rf"`{route.method} {re.escape(written)}[?`]", page), f"{route.method} {written}"


@dataclass
class Described:
    """A node, called only in ways that its own description foresees."""

    node: ANode
    document: dict[str, Any]
    called: set[str] = field(default_factory=set)

    def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **path_values: str) -> Any:
        """`path` as in the description, with a query behind it; returns the answer, checked against both."""
        template, _, query = path.partition("?")
        operation = self.document["paths"][template][method.lower()]
        self.check_query(operation, query)
        if body is not None:
            self.check(operation["requestBody"]["content"]["application/json"]["schema"], body)
        address = template.format(**path_values) + (f"?{query}" if query else "")
        headers = CHANGES if method != "GET" else {}
        answer = self.node.request(method, address, body, **headers)
        assert answer.status == status, (method, path, answer.data[:500])
        self.called.add(f"{method} {template}")
        return self.checked(operation, answer)

    def check_query(self, operation: dict[str, Any], query: str) -> None:
        known = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
        assert {pair.partition("=")[0] for pair in query.split("&") if pair} <= known

    def checked(self, operation: dict[str, Any], answer: urllib3.BaseHTTPResponse) -> Any:
        responses = operation["responses"]
        content = responses.get(str(answer.status), responses["default"])["content"]
        media_type = answer.headers["Content-Type"].partition(";")[0]
        assert media_type in content
        if media_type != "application/json":
            return answer.data
        value = json.loads(answer.data)
        self.check(content[media_type]["schema"], value)
        return value

    def check(self, schema: dict[str, Any], value: Any) -> None:
        whole = {**schema, "components": self.document["components"]}
        errors = [
            f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)
        ]
        assert errors == []


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, ct_files: list[Path]) -> Iterator[Described]:
    """One job that is held, and one destination that answers."""
    folder = tmp_path_factory.mktemp("described")
    peer = Peer()
    section = {
        "PipelineFolders": [str(strict_pipeline(folder))],
        "Destinations": {"PACS": peer.section()},
        "Rules": [{**CT_RULE, "SendTo": ["PACS"]}],
    }
    with peer, ANode(folder / "storage", section) as node:
        storescu(ct_files[:2], node.dicom_port)
        node.ended_jobs(1)
        yield Described(node, node.get("/orthogen/api/openapi.json"))


API = "/orthogen/api"


def test_each_route_answers_as_described(described: Described) -> None:
    (job,) = described.call("GET", f"{API}/jobs?state=held&limit=5")
    call_jobs(described, job)
    call_destinations(described)
    call_rules(described, job)
    described.call("GET", f"{API}/health")
    described.call("GET", f"{API}/pipelines")
    assert described.call("GET", f"{API}/openapi.json") == described.document
    assert described.call("GET", "/orthogen/metrics")
    assert described.called == ROUTES


def test_a_wrong_method_is_answered_with_those_that_are_allowed(described: Described) -> None:
    """Orthanc cuts the connection where 405 is sent as any other status."""
    for path, allowed in (
        (f"{API}/health", "GET"),
        (f"{API}/rules/dry-run", "POST"),
        ("/orthogen/ui/", "GET"),
    ):
        answer = described.node.request("DELETE", path)
        assert answer.status == 405
        assert allowed in answer.headers["Allow"].replace(" ", "").split(",")


def call_jobs(described: Described, job: dict[str, Any]) -> None:
    described.call("GET", f"{API}/jobs/{{id}}", id=job["id"])
    described.call("GET", f"{API}/jobs/{{id}}", id="none", status=404)
    described.call("POST", f"{API}/jobs/{{id}}/retry", id=job["id"], status=409)
    described.call("POST", f"{API}/jobs/{{id}}/cancel", id=job["id"], status=409)
    described.call("POST", f"{API}/jobs/{{id}}/release", id=job["id"])
    described.call("POST", f"{API}/jobs/{{id}}/reject", id=job["id"], status=409)
    wanted = {"series_instance_uid": job["source_series_uid"], "pipeline": "ct-denoise"}
    again = described.call("POST", f"{API}/jobs", wanted, status=409)
    assert again["job"]["id"] == job["id"]
    new = described.call("POST", f"{API}/jobs", {**wanted, "force": True}, status=201)
    described.call("POST", f"{API}/jobs/{{id}}/cancel", id=new["id"])
    described.call("POST", f"{API}/jobs/{{id}}/retry", id=new["id"])
    described.node.ended_jobs(2)
    described.call("POST", f"{API}/jobs/{{id}}/reject", id=new["id"])
    found = described.call("GET", f"{API}/explain?study={job['study_instance_uid']}")
    assert found["series"]
    assert len(found["jobs"]) == 2
    assert found["jobs"][1]["deliveries"]


def call_destinations(described: Described) -> None:
    (pacs,) = described.call("GET", f"{API}/destinations")
    described.call("POST", f"{API}/destinations/{{name}}/echo", name="PACS")
    described.call("POST", f"{API}/destinations/{{name}}/echo", name="NONE", status=404)
    another = {**pacs["configuration"], "Port": 1}
    changed = described.call("PUT", f"{API}/destinations/{{name}}?comment=test", another, name="OTHER")
    assert changed["changed"]
    refused = described.call("PUT", f"{API}/destinations/{{name}}", another | {"Port": 1}, name="OTHER")
    assert not refused["changed"]
    described.call("DELETE", f"{API}/destinations/{{name}}", name="OTHER")
    described.call("DELETE", f"{API}/destinations/{{name}}", name="PACS", status=409)
    versions = described.call("GET", f"{API}/destinations/versions")
    described.call("POST", f"{API}/destinations/rollback", {"version": versions[-1]["version"]})


def call_rules(described: Described, job: dict[str, Any]) -> None:
    in_force = described.call("GET", f"{API}/rules")
    other = [{**in_force["rules"][0], "Priority": "stat"}]
    assert described.call("PUT", f"{API}/rules", other)["changed"]
    assert not described.call("PUT", f"{API}/rules", {"rules": other, "comment": "again"})["changed"]
    wrong = [{**other[0], "Pipeline": "none"}]
    assert described.call("PUT", f"{API}/rules", wrong, status=422)["problems"]
    versions = described.call("GET", f"{API}/rules/versions")
    described.call("POST", f"{API}/rules/rollback", {"version": versions[-1]["version"]})
    for tried in ({"values": {"Modality": "CT"}}, {"study_instance_uid": job["study_instance_uid"]}):
        assert described.call("POST", f"{API}/rules/dry-run", tried)["series"]
    assert described.call("POST", f"{API}/rules/replay", {"rules": other, "since": None})["series"] == 1
