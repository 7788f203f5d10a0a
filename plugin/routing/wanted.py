"""What has to be read of a series before it can be judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plugin.routing.check_rule import conditions_of
from plugin.routing.conditions import comparisons
from plugin.routing.rule import Rule, SeriesChoice

GEOMETRY = ("ImageOrientationPatient", "ImagePositionPatient")


def wanted_attributes(rules: Sequence[Rule]) -> frozenset[str]:
    """Keywords of all DICOM attributes that the rules look at, beside the node's own knowledge.

    Reading these from every instance, and no others, makes the answers exact: an attribute that is read from
    one instance only is taken to be the same in all.
    """
    return frozenset(keyword for rule in rules for keyword in _wanted(rule))


def _wanted(rule: Rule) -> Iterator[str]:
    for _, condition in conditions_of(rule):
        for leaf in comparisons(condition):
            if not leaf.attribute.from_node:
                yield leaf.attribute.name
            elif leaf.attribute.name in ("Orientation", "SliceSpacingMm"):
                yield from GEOMETRY
    if rule.completeness and rule.completeness.expected_count:
        yield rule.completeness.expected_count
    if rule.series:
        yield from _wanted_for_preference(rule.series)


def _wanted_for_preference(choice: SeriesChoice) -> Iterator[str]:
    if choice.prefer or choice.inputs:
        yield "SeriesNumber"
    if "thinnest" in choice.prefer:
        yield from ("SliceThickness", *GEOMETRY)
    for one in choice.inputs.values():
        yield from _wanted_for_preference(one)
