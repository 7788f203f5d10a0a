"""A well-formed rule that still cannot work, or not as its author thinks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from plugin.routing.attributes import attribute_named, attribute_names
from plugin.routing.comparison import Comparison
from plugin.routing.conditions import AllOf, Condition, comparisons
from plugin.routing.modalities import MODALITIES, selected_modalities, taken_modalities
from plugin.routing.problems import Problem, did_you_mean, either
from plugin.routing.rule import Rule


def check_rule(
    rule: Rule, *, pipelines: Mapping[str, object] | Collection[str] | None, destinations: Collection[str]
) -> Iterator[Problem]:
    """Problems of one rule, with paths relative to it."""
    if pipelines is not None:
        yield from _check_pipeline(rule, pipelines)
    yield from _check_destinations(rule, destinations)
    yield from _check_switches(rule)
    yield from _check_waiting(rule)
    yield from _check_expected_count(rule)
    for place, condition in conditions_of(rule):
        for leaf in comparisons(condition):
            yield from (problem.under(place) for problem in _check_terms(leaf))


def conditions_of(rule: Rule) -> Iterator[tuple[str, Condition]]:
    """Every condition of a rule, with the key it stands under."""
    yield "When", rule.when
    if rule.series:
        yield "Series", rule.series.condition
        for name, choice in rule.series.inputs.items():
            yield f"Series.Inputs.{name}", choice.condition
    for name, condition in (rule.wait_for.series if rule.wait_for else {}).items():
        yield f"WaitFor.Series.{name}", condition
    for name, condition in (rule.completeness.required_series if rule.completeness else {}).items():
        yield f"Completeness.RequiredSeries.{name}", condition


def _check_pipeline(rule: Rule, pipelines: Mapping[str, object] | Collection[str]) -> Iterator[Problem]:
    if rule.pipeline not in pipelines:
        near = did_you_mean(rule.pipeline, pipelines)
        allowed = f"{near} installed: {either(sorted(pipelines))}".strip()
        yield Problem("Pipeline", f"there is no pipeline {rule.pipeline!r}", allowed)
    elif isinstance(pipelines, Mapping):
        takes = taken_modalities(pipelines[rule.pipeline])
        if takes:
            yield from _check_inputs(rule, takes)


def _check_inputs(rule: Rule, takes: Mapping[str, str | None]) -> Iterator[Problem]:
    """What the pipeline takes against what the rule selects for it."""
    named = rule.series.inputs if rule.series else {}
    if len(takes) > 1 or named:
        if set(named) != set(takes):
            given = f"the rule fills {either(sorted(named))}, the pipeline has {either(sorted(takes))}"
            yield Problem("Series.Inputs", given, f"one condition for each of {', '.join(sorted(takes))}")
            return
        for name, choice in named.items():
            selects = AllOf((*_selects(rule).parts, choice.condition))
            yield from _check_modality(f"Series.Inputs.{name}", rule.pipeline, selects, takes[name])
        return
    yield from _check_modality("Pipeline", rule.pipeline, _selects(rule), next(iter(takes.values())))


def _selects(rule: Rule) -> AllOf:
    return AllOf((rule.when, rule.series.condition) if rule.series else (rule.when,))


def _check_modality(path: str, pipeline: str, selects: Condition, takes: str | None) -> Iterator[Problem]:
    selected = selected_modalities(selects)
    if takes is None:
        return
    remedy = f'select {{"Modality": {{"Equals": "{takes}"}}}}, or choose another pipeline'
    if selected is None:
        what = f"the rule lets every modality through, {pipeline!r} takes {takes} only and refuses the others"
        yield Problem(path, what, remedy, severity="warning")
    elif takes not in selected:
        what = f"{pipeline!r} takes {takes}, the rule selects {either(sorted(selected))}"
        yield Problem(path, what, remedy)
    elif selected - {takes}:
        others = either(sorted(selected - {takes}))
        yield Problem(path, f"{pipeline!r} takes {takes} and refuses {others}", remedy, severity="warning")


def _check_destinations(rule: Rule, destinations: Collection[str]) -> Iterator[Problem]:
    for place, name in enumerate(rule.send_to):
        if name not in destinations:
            near = did_you_mean(name, destinations)
            allowed = f"{near} in Destinations: {either(sorted(destinations))}".strip()
            yield Problem(f"SendTo[{place}]", f"there is no destination {name!r}", allowed)
    if rule.send_to and rule.mode == "shadow":
        what = "a rule in shadow mode sends nothing"
        yield Problem("SendTo", what, 'leave it out, or set "Mode": "live"', severity="warning")


def _check_switches(rule: Rule) -> Iterator[Problem]:
    if rule.stop and rule.mode == "shadow":
        what = "a rule in shadow mode never stops others"
        yield Problem("Stop", what, 'leave it out, or set "Mode": "live"', severity="warning")
    if rule.when == AllOf(()) and (rule.series is None or rule.series.condition == AllOf(())):
        inputs = rule.series is not None and bool(rule.series.inputs)
        if not inputs and not rule.fallback:
            what = "the rule is for every series the node receives"
            yield Problem("When", what, "name a condition, unless this is meant", severity="warning")


def _check_waiting(rule: Rule) -> Iterator[Problem]:
    has_inputs = rule.series is not None and bool(rule.series.inputs)
    if rule.wait_for and not rule.wait_for.series and not has_inputs:
        yield Problem("WaitFor.Series", "names no series to wait for", "name to condition, at least one")
    if rule.wait_for and rule.wait_for.then == "run" and has_inputs:
        what = "the pipeline cannot run without one of its inputs"
        yield Problem("WaitFor.Then", what, '"skip", in a rule with Inputs')
    if rule.series and rule.series.settle_seconds and not (rule.series.prefer or has_inputs):
        what = "nothing is chosen after the study has settled"
        yield Problem("Series.SettleSeconds", what, "leave it out, or add Prefer", severity="warning")


def _check_expected_count(rule: Rule) -> Iterator[Problem]:
    keyword = rule.completeness.expected_count if rule.completeness else None
    if keyword is None:
        return
    attribute = attribute_named(keyword)
    if attribute is None or attribute.kind != "number" or attribute.from_node:
        near = did_you_mean(keyword, attribute_names())
        what = f"{keyword!r} is no attribute that counts instances"
        allowed = near or "the keyword of a number, as ImagesInAcquisition or NumberOfSeriesRelatedInstances"
        yield Problem("Completeness.ExpectedCount", what, allowed)


def _check_terms(leaf: Comparison) -> Iterator[Problem]:
    """Values that a conformant sender never writes."""
    if leaf.operator not in ("Equals", "OneOf", "Contains") or leaf.attribute.kind != "text":
        return
    expected = leaf.expected if isinstance(leaf.expected, tuple) else (leaf.expected,)
    for text in (str(one) for one in expected):
        if leaf.attribute.vr == "CS" and text != text.upper():
            what = f"{text!r} never matches: DICOM writes {leaf.attribute.name} in upper case"
            yield Problem(leaf.path, what, f"did you mean {text.upper()!r}?", severity="warning")
        elif leaf.attribute.name == "Modality" and leaf.operator != "Contains" and text not in MODALITIES:
            near = did_you_mean(text, MODALITIES) or "did you mean 'MR'?" * (text == "MRI")
            allowed = near or "a defined term of PS3.3 C.7.3.1.1.1, as CT or MR"
            yield Problem(leaf.path, f"{text!r} is no modality DICOM defines", allowed, severity="warning")
        elif (
            leaf.attribute.name == "Orientation" and leaf.operator != "Contains" and text not in ORIENTATIONS
        ):
            near = did_you_mean(text, ORIENTATIONS)
            allowed = f"{near} allowed: {either(ORIENTATIONS)}".strip()
            yield Problem(leaf.path, f"{text!r} is no orientation", allowed)


ORIENTATIONS = ("axial", "sagittal", "coronal", "oblique", "mixed")
