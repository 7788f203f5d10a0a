"""Generated series, conditions and rule sets: few values, so that they often meet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from plugin.routing.facts import SeriesFacts
from plugin.routing.parse_condition import parse_condition
from plugin.routing.rule import Rule
from plugin.routing.validate import rules_from_json
from tests.routing.routing_builders import AXIAL, CORONAL, RECEIVED, SAGITTAL, a_stack

TEXTS = st.sampled_from(["CT", "MR", "AXIAL", "Ax", "T1", "T2 tse", "", "ct"])
NUMBERS = st.sampled_from(["1", "2", "2.5", "5", "abc", "", "-1"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Modality": TEXTS,
    "SeriesDescription": TEXTS,
    "ImageType": st.lists(TEXTS, max_size=3).map(tuple),
    "SliceThickness": NUMBERS,
    "PixelSpacing": st.lists(NUMBERS, max_size=2).map(tuple),
    "StudyDate": st.sampled_from(["20260101", "20261231", "1.1.2026", ""]),
    "PatientAge": st.sampled_from(["018Y", "006M", "x"]),
}

TEXT_TESTS = st.one_of(
    st.fixed_dictionaries({"Equals": TEXTS.filter(bool)}),
    st.fixed_dictionaries({"OneOf": st.lists(TEXTS.filter(bool), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"Contains": st.sampled_from(["T", "A", "x"])}),
    st.fixed_dictionaries({"Matches": st.sampled_from(["^T", "(?i)ct", "."])}),
    st.fixed_dictionaries({"Exists": st.booleans()}),
    st.fixed_dictionaries({"Absent": st.booleans()}),
)
LIMITS = st.integers(0, 5)
NUMBER_TESTS = st.one_of(
    st.fixed_dictionaries({"Equals": LIMITS}),
    st.fixed_dictionaries({"AtLeast": LIMITS}),
    st.fixed_dictionaries({"AtMost": LIMITS}),
    st.lists(LIMITS, min_size=2, max_size=2).map(lambda two: {"Between": sorted(two)}),
    st.fixed_dictionaries({"OneOf": st.lists(LIMITS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"Exists": st.booleans()}),
)


def with_instances(tests: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    quantifier = st.sampled_from([{}, {}, {"Instances": "any"}, {"Instances": "all"}])
    return st.tuples(tests, quantifier).map(lambda pair: pair[0] | pair[1])


def on(name: str, tests: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: tests})


LEAVES = st.one_of(
    *(on(name, with_instances(TEXT_TESTS)) for name in ("Modality", "SeriesDescription", "ImageType")),
    *(on(name, with_instances(NUMBER_TESTS)) for name in ("SliceThickness", "PixelSpacing")),
    on("SliceSpacingMm", NUMBER_TESTS),
    on("Orientation", st.sampled_from(["axial", "sagittal", "mixed"]).map(lambda plane: {"Equals": plane})),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"All": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"Any": parts}),
        inner.map(lambda part: {"Not": part}),
    ),
    max_leaves=6,
)
PARSED = CONDITIONS.map(parse_condition)


@st.composite
def facts(draw: st.DrawFn, uid: str = "1.1") -> SeriesFacts:
    attributes = draw(st.fixed_dictionaries({}, optional=VALUES))
    plane = draw(st.sampled_from([AXIAL, SAGITTAL, CORONAL, ""]))
    stack = a_stack(draw(st.integers(0, 3)), spacing_mm=draw(st.sampled_from([1.0, 2.5])), orientation=plane)
    varied = [dict(one) | draw(st.fixed_dictionaries({}, optional=VALUES)) for one in stack]
    return SeriesFacts(
        study_instance_uid="1",
        series_instance_uid=uid,
        attributes=attributes,
        instances=tuple(varied),
        number_of_instances=len(varied) + draw(st.integers(0, 2)),
        calling_ae_title="A",
        called_ae_title="B",
        remote_ip=draw(st.sampled_from(["10.0.0.1", "::1", "", "unknown"])),
        received=RECEIVED + timedelta(seconds=draw(st.integers(0, 100))),
    )


@st.composite
def studies(draw: st.DrawFn) -> list[SeriesFacts]:
    return [draw(facts(uid=f"1.{number}")) for number in range(draw(st.integers(1, 4)))]


WAITS = st.fixed_dictionaries(
    {
        "Series": st.fixed_dictionaries({"wanted": LEAVES}),
        "AtMostSeconds": st.just(60),
        "Then": st.sampled_from(["run", "skip"]),
    }
)
CHOICES = st.one_of(
    LEAVES,
    st.tuples(LEAVES, st.sampled_from(["thinnest", "most-slices", "first"]), st.sampled_from([0, 50])).map(
        lambda parts: {**parts[0], "Prefer": parts[1], "SettleSeconds": parts[2]}
    ),
    st.tuples(LEAVES, LEAVES).map(lambda pair: {"Inputs": {"a": pair[0], "b": pair[1]}}),
)
RULES = st.fixed_dictionaries(
    {"Pipeline": st.sampled_from(["p", "q"])},
    optional={
        "When": CONDITIONS,
        "Series": CHOICES,
        "Mode": st.sampled_from(["live", "shadow"]),
        "Enabled": st.booleans(),
        "Stop": st.booleans(),
        "Fallback": st.booleans(),
        "WaitFor": WAITS,
        "Schedule": st.just({"From": "19:00", "To": "06:00"}),
    },
)


def named(rules: list[dict[str, Any]]) -> tuple[Rule, ...]:
    return rules_from_json([{"Name": f"r{place}", **rule} for place, rule in enumerate(rules)])


RULE_SETS = st.lists(RULES, max_size=5).map(named)
