"""How long 200 rules take over a study of 2,000 instances, beyond reading the tags.

    .venv/bin/python -m bench.routing

The limit is 50 ms a study, held against processor time, since wall-clock time measures the neighbours too.
Each round begins with the facts: their attributes are read and parsed (shown by itself), then every rule is
judged and explained in full, and none is skipped.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from time import process_time
from typing import Any

from plugin.routing.check_rule import conditions_of
from plugin.routing.conditions import comparisons
from plugin.routing.consider import Scene
from plugin.routing.facts import Attribute, SeriesFacts
from plugin.routing.reading import views_of
from plugin.routing.route import route, route_scene
from plugin.routing.rule import Rule
from plugin.routing.validate import check_rules, rules_from_json

RULES = 200
INSTANCES = 2000
LIMIT_MS = 50.0
ROUNDS = 15
RECEIVED = datetime(2026, 11, 22, 12, 0)


def instance(place: int, series: int) -> dict[str, Attribute]:
    return {
        "SOPInstanceUID": f"1.2.{series}.{place}",
        "InstanceNumber": str(place + 1),
        "Modality": "CT",
        "BodyPartExamined": "CHEST",
        "SeriesDescription": f"THORAX {series} AXIAL 1.0 B70f",
        "SeriesNumber": str(series),
        "ImageType": ("ORIGINAL", "PRIMARY", "AXIAL"),
        "SliceThickness": "1.0",
        "KVP": "120",
        "ConvolutionKernel": "B70f",
        "XRayTubeCurrent": str(100 + place % 97),
        "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
        "ImagePositionPatient": f"-250\\-250\\{place * 0.7:.4f}",
        "SliceLocation": f"{place * 0.7:.4f}",
    }


def series(number: int, count: int) -> SeriesFacts:
    instances = tuple(instance(place, number) for place in range(count))
    return SeriesFacts(
        study_instance_uid="1.2",
        series_instance_uid=f"1.2.{number}",
        attributes=instances[0],
        instances=instances,
        number_of_instances=count,
        calling_ae_title="CT1",
        called_ae_title="ORTHOGEN",
        remote_ip="10.1.2.3",
        received=RECEIVED + timedelta(seconds=number),
    )


def usual_rule(number: int) -> dict[str, Any]:
    """Six to eight conditions, as a site writes them; different in every rule."""
    return {
        "Name": f"rule {number}",
        "When": {
            "Modality": {"OneOf": ["CT", "PT"]},
            "CallingAeTitle": {"Equals": f"CT{number % 5}"},
            "Any": [
                {"BodyPartExamined": {"Equals": "CHEST"}},
                {"SeriesDescription": {"Matches": f"(?i)(lung|thorax) {number}"}},
            ],
        },
        "Series": {
            "Orientation": {"Equals": "axial"},
            "SliceThickness": {"Between": [0.5, 1 + number / 50]},
            "SliceSpacingMm": {"AtMost": 1.5},
            "Not": {"ImageType": {"Contains": "LOCALIZER", "Instances": "any"}},
        },
        "Pipeline": "ct-denoise",
    }


def preferring_rule(number: int) -> dict[str, Any]:
    rule = usual_rule(number)
    rule["Series"]["Prefer"] = ["thinnest", "most-slices"]
    return rule


def worst_rule(number: int) -> dict[str, Any]:
    """Asks every instance for a value that each has for itself."""
    rule = usual_rule(number)
    rule["When"]["SliceLocation"] = {"AtLeast": -number, "AtMost": 5000 + number, "Instances": "all"}
    rule["When"]["XRayTubeCurrent"] = {"AtMost": 150 + number, "Instances": "any"}
    return rule


def loaded(build: Callable[[int], dict[str, Any]]) -> tuple[Rule, ...]:
    return rules_from_json([build(number) for number in range(RULES)])


@dataclass(frozen=True)
class Case:
    """One series of a study, or each of them, routed among the others."""

    name: str
    study: Sequence[SeriesFacts]
    rules: Sequence[Rule]
    routed: int | None = None
    """How many of the series; None for all."""

    def read(self) -> list[Scene]:
        """Every attribute that a rule asks for, of every series."""
        views = views_of(self.study)
        asked = {
            leaf.attribute
            for rule in self.rules
            for one in conditions_of(rule)
            for leaf in comparisons(one[1])
        }
        for view in views:
            for attribute in asked:
                view.reading(attribute)
        return [
            Scene(view, tuple(other for other in views if other is not view), RECEIVED)
            for view in views[: self.routed]
        ]

    def route(self, scenes: list[Scene]) -> None:
        for scene in scenes:
            route_scene(scene, self.rules)


def milliseconds(case: Case) -> tuple[float, float]:
    """Medians of the processor time of some rounds, after one to warm up: to read, and to route."""
    case.route(case.read())
    gc.collect()
    gc.freeze()  # the other cases are not this study's to be searched through
    times = []
    for _ in range(ROUNDS):
        begun = process_time()
        scenes = case.read()
        read = process_time()
        case.route(scenes)
        times.append(((read - begun) * 1000, (process_time() - read) * 1000))
    return median(time for time, _ in times), median(time for _, time in times)


def cases() -> list[Case]:
    single, few = [series(1, INSTANCES)], [series(number, INSTANCES // 4) for number in range(4)]
    many = [series(number, INSTANCES // 20) for number in range(20)]
    usual, preferring, worst = loaded(usual_rule), loaded(preferring_rule), loaded(worst_rule)
    return [
        Case("one series of 2,000 slices, usual rules", single, usual),
        Case("one series of 2,000 slices, every value different", single, worst),
        Case("a study of 4 series of 500, each of them routed", few, usual),
        Case("one of 20 series of 100, every rule with a preference", many, preferring, routed=1),
        Case("a study of 20 series of 100, each of them routed: 4,000 verdicts", many, usual),
    ]


def show(case: Case) -> float:
    read, routed = milliseconds(case)
    print(f"  {read:8.2f} ms to read  {routed:8.2f} ms to route   {case.name}")
    return routed


def show_others() -> None:
    """What is kept of a routing, and what a change of rules costs."""
    source = [usual_rule(number) for number in range(RULES)]
    routing = route(series(1, INSTANCES), rules_from_json(source))
    kept, checked = [], []
    for _ in range(ROUNDS):
        begun = process_time()
        routing.as_json()
        explained = process_time()
        check_rules(source, pipelines=("ct-denoise",), destinations=())
        kept.append((explained - begun) * 1000)
        checked.append((process_time() - explained) * 1000)
    print(f"  {median(kept):8.2f} ms   the explanation of one series as JSON")
    print(f"  {median(checked):8.2f} ms   checking {RULES} rules when they are loaded")


def main() -> int:
    """1 where a case takes longer than the limit."""
    print(f"{RULES} rules, {INSTANCES} instances, {ROUNDS} rounds; processor time")
    print(f"limit {LIMIT_MS:g} ms to route")
    slow = [case.name for case in cases() if show(case) > LIMIT_MS]
    print("beside it:")
    show_others()
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
