"""Commands that ask a running node over its HTTP interface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3

from pipelines.errors import ConfigurationError, OrthogenError, PassingTrouble
from plugin.settings import SECTION, read_configuration


class NodeApi:
    """The interface under /orthogen/api of one node."""

    def __init__(self, url: str, user: str | None) -> None:
        self._base = f"{url.rstrip('/')}/orthogen/api"
        credentials = urllib3.make_headers(basic_auth=user) if user else {}
        self._headers = {**credentials, "X-Orthogen": "1", "Content-Type": "application/json"}

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        try:
            answer = urllib3.request(
                method, self._base + path, body=body, headers=self._headers, retries=False, timeout=60
            )
        except urllib3.exceptions.HTTPError as error:
            raise PassingTrouble(
                f"no node answers at {self._base} ({type(error).__name__})", remedy="name it with --url"
            ) from error
        if answer.status == 401:
            raise OrthogenError("Orthanc wants a user", remedy="give --user NAME:PASSWORD")
        found = json.loads(answer.data)
        if answer.status >= 400:
            raise OrthogenError(str(found["detail"]), remedy=str(found["remedy"]))
        return found


def rules_in(file: Path) -> Any:
    """The rules of a file that is a list of rules, or a whole configuration.

    Raises:
        ConfigurationError: the file is neither.
    """
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ConfigurationError(f"{file}: not valid JSON ({error})", remedy="mend the syntax") from error
    configuration = read_configuration(file)
    section = configuration.get(SECTION, configuration)
    if "Rules" not in section:
        raise ConfigurationError(f"{file}: holds no Rules", remedy="a list of rules, or a configuration")
    return section["Rules"]


def explanation(found: Mapping[str, Any]) -> str:
    """The fate of a study in words: each series, each rule, each condition with the value it saw."""
    lines = [f"study {found['study_instance_uid']}"]
    if not found["series"] and not found["open"]:
        lines.append("  nothing of it has been received, or it is not complete yet")
    for series in found["series"]:
        lines += ["", f"series {series['series_instance_uid']}, {series['at']}", f"  {series['summary']}"]
        for decision in series["routing"]["decisions"]:
            lines.append(f"  rule {decision['rule']!r}: {decision['reason']}")
            lines += [f"    {condition_line(condition)}" for condition in decision["conditions"]]
    for waiting in found["open"]:
        lines += ["", f"{waiting['stage']}: {waiting['reason']}; looked at again at {waiting['look_again']}"]
    for job in found["jobs"]:
        reasons = f": {'; '.join(job['reasons'])}" if job["reasons"] else ""
        verdict = f", {job['verdict']}" if job["verdict"] else ""
        lines += [
            "",
            f"job {job['id']}: {job['pipeline']} by {job['rule']!r}, {job['state']}{verdict}{reasons}",
        ]
        lines += [f"  {job['decision']} by {job['decided_by']}, {job['decided']}"] if job["decision"] else []
    return "\n".join(lines)


def condition_line(condition: Mapping[str, Any]) -> str:
    holds = "holds" if condition["holds"] else "fails"
    return (
        f"{holds}: {condition['attribute']} {condition['operator']} {condition['expected']}, "
        f"saw {condition['seen']}"
    )
