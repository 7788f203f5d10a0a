"""How long 200 rules take over a study of 2,000 instances, beyond reading the tags.

    .venv/bin/python bench/routing.py

Issue 4 asks for less than 50 ms a study. Each case reads its series anew from the facts; every rule is judged
and explained in full, none is skipped. The limit is held against processor time, since wall-clock time
measures the neighbours too; both are shown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import median
from time import perf_counter, process_time
from typing import Any

from plugin.routing.facts import Attribute, SeriesFacts
from plugin.routing.route import route, route_study
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


def milliseconds(action: Callable[[], object]) -> tuple[float, float]:
    """Medians of processor and wall-clock time of some rounds, after one to warm up."""
    action()
    times = []
    for _ in range(ROUNDS):
        processor, wall = process_time(), perf_counter()
        action()
        times.append(((process_time() - processor) * 1000, (perf_counter() - wall) * 1000))
    return median(time for time, _ in times), median(time for _, time in times)


Cases = dict[str, Callable[[], object]]


def judged_cases() -> Cases:
    """What the limit is for: everything the arrival of one series asks for, and a study in a few series."""
    single, few = series(1, INSTANCES), [series(number, INSTANCES // 4) for number in range(4)]
    many = [series(number, INSTANCES // 20) for number in range(20)]
    usual, preferring, worst = loaded(usual_rule), loaded(preferring_rule), loaded(worst_rule)
    return {
        "one series of 2,000 slices, usual rules": lambda: route(single, usual),
        "one series of 2,000 slices, every value different": lambda: route(single, worst),
        "a study of 4 series of 500, each of them routed": lambda: route_study(few, usual),
        "one of 20 series of 100, every rule with a preference": lambda: route(many[0], preferring, many),
    }


def other_cases() -> Cases:
    """Shown beside them: 4,000 verdicts instead of 200, what is kept, and what a change of rules costs."""
    many = [series(number, INSTANCES // 20) for number in range(20)]
    usual = loaded(usual_rule)
    routing = route(series(1, INSTANCES), usual)
    source = [usual_rule(number) for number in range(RULES)]
    return {
        "a study of 20 series of 100, each of them routed": lambda: route_study(many, usual),
        "the explanation of one series as JSON": routing.as_json,
        f"checking {RULES} rules when they are loaded": lambda: check_rules(
            source, pipelines=("ct-denoise",), destinations=()
        ),
    }


def show(name: str, action: Callable[[], object]) -> float:
    processor, wall = milliseconds(action)
    print(f"  {processor:8.2f} ms processor  {wall:8.2f} ms wall   {name}")
    return processor


def main() -> int:
    """1 where a judged case takes longer than the limit."""
    print(f"{RULES} rules, {INSTANCES} instances, {ROUNDS} rounds; limit {LIMIT_MS:g} ms of processor time")
    slow = [name for name, action in judged_cases().items() if show(name, action) > LIMIT_MS]
    print("not judged by the limit:")
    for name, action in other_cases().items():
        show(name, action)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
