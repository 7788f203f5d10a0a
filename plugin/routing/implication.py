"""Does one condition hold wherever another does? Sound, not complete: a yes is certain, a no is not.

Numbers that are equal within the tolerance of the operators count as one.
"""

from __future__ import annotations

from plugin.routing.comparison import Comparison
from plugin.routing.conditions import AllOf, AnyOf, Condition, NotOf
from plugin.routing.operators import Operator
from plugin.routing.reading import Occurrence, occurrence_of

VALUED: tuple[Operator, ...] = ("Equals", "OneOf", "Matches", "Contains", "AtLeast", "AtMost", "Between")


def implies(narrow: Condition, wide: Condition) -> bool:
    """True only if every series that satisfies `narrow` satisfies `wide`."""
    if isinstance(wide, AllOf):
        return all(implies(narrow, part) for part in wide.parts)
    if isinstance(narrow, AnyOf):
        return all(implies(part, wide) for part in narrow.parts)
    if narrow == wide:
        return True
    if isinstance(narrow, AllOf) and any(implies(part, wide) for part in narrow.parts):
        return True
    if isinstance(wide, AnyOf):
        return any(implies(narrow, part) for part in wide.parts)
    if isinstance(narrow, NotOf) and isinstance(wide, NotOf):
        return implies(wide.part, narrow.part)
    return isinstance(narrow, Comparison) and isinstance(wide, Comparison) and _comparison(narrow, wide)


def _comparison(narrow: Comparison, wide: Comparison) -> bool:
    if (narrow.attribute, narrow.instances) != (wide.attribute, wide.instances):
        return False
    if wide.operator == "Exists":
        return wide.expected is True and narrow.operator in VALUED
    if narrow.operator in ("Equals", "OneOf"):
        values = _listed(narrow)
        return bool(values) and all(wide.accepts(value) for value in values)
    if narrow.attribute.kind == "number" and narrow.operator in BOUNDED and wide.operator in BOUNDED:
        (low, high), (least, most) = _bounds(narrow), _bounds(wide)
        return least <= low and high <= most
    return False


BOUNDED: tuple[Operator, ...] = ("AtLeast", "AtMost", "Between")


def _listed(narrow: Comparison) -> list[Occurrence]:
    """The values a comparison lets through, where it names them; networks and whole lists are not values."""
    if narrow.attribute.kind == "address" or (
        narrow.operator == "Equals" and isinstance(narrow.expected, tuple)
    ):
        return []
    expected = narrow.expected if isinstance(narrow.expected, tuple) else (narrow.expected,)
    if any("\\" in str(value) for value in expected):
        return []
    return [occurrence_of((str(value),), narrow.attribute) for value in expected]


def _bounds(comparison: Comparison) -> tuple[float, float]:
    expected = comparison.expected if isinstance(comparison.expected, tuple) else (comparison.expected,)
    numbers = [float(value) for value in expected]
    match comparison.operator:
        case "AtLeast":
            return numbers[0], float("inf")
        case "AtMost":
            return float("-inf"), numbers[0]
        case _:
            return numbers[0], numbers[1]
