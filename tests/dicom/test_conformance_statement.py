"""The conformance statement says what the software does."""

from __future__ import annotations

import re
from pathlib import Path

import dicom_templates
from dicom_templates.attribute_tables import page_with_tables, rule_ids

PAGE = Path(__file__).resolve().parents[2] / "docs" / "dicom_conformance.md"
PACKAGE = Path(dicom_templates.__file__).parent


def test_the_attribute_tables_are_those_of_the_templates() -> None:
    page = PAGE.read_text("utf-8")
    assert page_with_tables(page) == page


def test_every_rule_of_the_gate_is_listed() -> None:
    listed = set(re.findall(r"\b[BCEGKMPSTX]\d\db?\b", PAGE.read_text("utf-8").partition("### 8.7")[2]))
    assert set(rule_ids()) == listed


def test_every_reason_for_refusal_is_listed() -> None:
    code = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    raised = set(re.findall(r'Refused\(\s*"([a-z0-9-]+)"', code)) - {"quantity"}
    listed = set(re.findall(r"`([a-z-]+)`", PAGE.read_text("utf-8").partition("### 8.8")[2]))
    assert raised == listed
