"""JSON to a condition, with every mistake found, named and put right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pipelines.errors import ConfigurationError
from plugin.routing.attributes import RuleAttribute, attribute_named, attribute_names
from plugin.routing.comparison import Comparison, Quantifier
from plugin.routing.condition_trace import Expected
from plugin.routing.conditions import AllOf, AnyOf, Condition, NotOf
from plugin.routing.operators import OPERATORS_OF_KIND, OperandError, Operator, compile_operator
from plugin.routing.problems import Problem, did_you_mean, either, join_path

BRANCHES = ("All", "Any", "Not")
OPERATORS: tuple[Operator, ...] = get_args(Operator)
QUANTIFIERS: tuple[Quantifier, ...] = get_args(Quantifier)
MOST_NESTED = 20


class ConditionError(ConfigurationError):
    """A condition with mistakes; `problems` has them all, with paths relative to the condition."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def parse_condition(source: Any, beside: tuple[str, ...] = ()) -> Condition:
    """The condition that `source`, as read from JSON, describes. Raises ConditionError.

    `beside`: other keys that may stand where this condition does, to suggest for a misspelt one.
    """
    parser = _Parser(beside)
    condition = parser.parse(source, "", depth=0)
    if parser.problems:
        raise ConditionError(parser.problems)
    return condition


class _Parser:
    """Goes on after a mistake, so that all are told at once."""

    def __init__(self, beside: tuple[str, ...]) -> None:
        self.problems: list[Problem] = []
        self.beside = beside

    def wrong(self, path: str, what: str, allowed: str) -> None:
        self.problems.append(Problem(path, what, allowed))

    def parse(self, source: Any, path: str, depth: int) -> Condition:
        if not isinstance(source, Mapping):
            self.wrong(
                path,
                f"{source!r} is no condition",
                'a condition is an object, as {"Modality": {"Equals": "CT"}}',
            )
            return AllOf(())
        if depth > MOST_NESTED:
            self.wrong(path, f"conditions nest deeper than {MOST_NESTED}", "write the condition flatter")
            return AllOf(())
        if not source and depth:
            self.wrong(path, "an empty condition inside another", "leave it out, or name an attribute")
        parts = [
            part
            for key, value in source.items()
            for part in self.key(key, value, join_path(path, key), depth)
        ]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def key(self, key: str, value: Any, path: str, depth: int) -> Iterator[Condition]:
        match key:
            case "Not":
                yield NotOf(self.parse(value, path, depth + 1))
            case "All":
                yield from self.all_of(value, path, depth)
            case "Any":
                yield AnyOf(self.listed(value, path, depth))
            case _:
                yield from self.attribute(key, value, path)

    def all_of(self, value: Any, path: str, depth: int) -> Iterator[Condition]:
        parts = self.listed(value, path, depth)
        yield parts[0] if len(parts) == 1 else AllOf(parts)

    def listed(self, value: Any, path: str, depth: int) -> tuple[Condition, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            self.wrong(path, f"{value!r} is no list of conditions", "a list with at least one condition")
            return ()
        return tuple(self.parse(part, f"{path}[{place}]", depth + 1) for place, part in enumerate(value))

    def attribute(self, name: str, tests: Any, path: str) -> Iterator[Condition]:
        attribute = attribute_named(name)
        if attribute is None:
            near = did_you_mean(name, (*attribute_names(), *BRANCHES, *self.beside))
            self.wrong(
                path,
                f"there is no attribute {name!r}",
                near or "a DICOM keyword, as in PS3.6, without spaces",
            )
            return
        if not isinstance(tests, Mapping) or not tests.keys() - {"Instances"}:
            shown = either(OPERATORS_OF_KIND[attribute.kind])
            self.wrong(path, f"{tests!r} says nothing about {name}", f"an object with {shown}")
            return
        instances = self.quantifier(attribute, tests, path)
        for operator, operand in tests.items():
            if operator != "Instances":
                yield from self.comparison(attribute, operator, operand, instances, join_path(path, operator))

    def quantifier(self, attribute: RuleAttribute, tests: Mapping[str, Any], path: str) -> Quantifier | None:
        asked = tests.get("Instances")
        if "Instances" not in tests:
            return None
        if asked not in QUANTIFIERS:
            self.wrong(f"{path}.Instances", f"{asked!r} is no choice of instances", f"{either(QUANTIFIERS)}")
        elif attribute.from_node:
            self.wrong(
                f"{path}.Instances",
                f"{attribute.name} is one value for the whole series",
                "leave Instances out",
            )
        return asked if asked in QUANTIFIERS else None

    def comparison(
        self, attribute: RuleAttribute, operator: str, operand: Any, instances: Quantifier | None, path: str
    ) -> Iterator[Condition]:
        possible = OPERATORS_OF_KIND[attribute.kind]
        name: Operator | None = next((known for known in OPERATORS if known == operator), None)
        if name is None or name not in possible:
            what = "is no operator" if name is None else f"does not suit {attribute.name} ({attribute.kind})"
            hint = did_you_mean(operator, possible) if name is None else ""
            self.wrong(path, f"{operator!r} {what}", f"{hint} allowed: {either(possible)}".strip())
            return
        try:
            accepts = compile_operator(attribute, name, operand)
        except OperandError as bad:
            self.wrong(path, bad.what, bad.remedy)
            return
        yield Comparison(attribute, name, _frozen(operand), instances, path, accepts)


def _frozen(operand: Any) -> Expected:
    return tuple(operand) if isinstance(operand, list) else operand
