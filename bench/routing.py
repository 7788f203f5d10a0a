"""How long 200 rules take over a study of 2,000 instances, beyond reading the tags.

    .venv/bin/python bench/routing.py

Three studies: one series of 2,000 slices, 20 series of 100 slices that compete in rules with a preference,
and one series whose rules look at values that differ in every instance. Issue 4 asks for less than 50 ms.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import median
from time import perf_counter
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
    """Median and worst of some rounds after one to warm up."""
    action()
    times = []
    for _ in range(ROUNDS):
        started = perf_counter()
        action()
        times.append((perf_counter() - started) * 1000)
    return median(times), max(times)


def main() -> int:
    single = series(1, INSTANCES)
    study = [series(number, INSTANCES // 20) for number in range(20)]
    usual, preferring, worst = loaded(usual_rule), loaded(preferring_rule), loaded(worst_rule)
    source = [usual_rule(number) for number in range(RULES)]
    cases: dict[str, Callable[[], object]] = {
        "one series of 2,000 slices, usual rules": lambda: route(single, usual),
        "one series of 2,000 slices, every value different": lambda: route(single, worst),
        "one of 20 series, usual rules": lambda: route(study[0], usual, study),
        "one of 20 series, every rule with a preference": lambda: route(study[0], preferring, study),
        "all 20 series of the study, usual rules": lambda: route_study(study, usual),
        "the explanation as JSON": (lambda routing: lambda: routing.as_json())(route(single, usual)),
    }
    slow = 0
    print(f"{RULES} rules, {INSTANCES} instances, {ROUNDS} rounds; limit {LIMIT_MS:g} ms per study")
    for name, action in cases.items():
        middle, most = milliseconds(action)
        slow += middle > LIMIT_MS
        print(f"  {middle:8.2f} ms median  {most:8.2f} ms worst   {name}")
    middle, most = milliseconds(lambda: check_rules(source, pipelines=("ct-denoise",), destinations=()))
    print(f"  {middle:8.2f} ms median  {most:8.2f} ms worst   checking {RULES} rules when they are loaded")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
