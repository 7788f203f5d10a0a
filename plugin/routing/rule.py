"""A routing rule as data: which series, which pipeline, and what happens with the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_pascal
from pydantic_core import PydanticCustomError

from pipelines.gate_thresholds import GateThresholds
from plugin.routing.comparison import Comparison
from plugin.routing.conditions import ALWAYS, AllOf, AnyOf, Condition, NotOf, condition_as_json
from plugin.routing.judging import Question
from plugin.routing.parse_condition import ConditionError, parse_condition
from plugin.routing.schedule import Schedule

Mode = Literal["live", "shadow"]
OnHold = Literal["keep", "release", "drop"]
Priority = Literal["stat", "high", "routine"]
Preference = Literal["thinnest", "most-slices", "first"]
OutputForm = Literal["classic", "enhanced"]
Companion = Literal["difference", "uncertainty", "parametric-map", "quality-report", "key-objects", "banner"]


CHOICES = ("Prefer", "SettleSeconds", "Inputs")
"""What may stand beside the conditions of a `Series`."""


def _read_condition(source: Any, beside: tuple[str, ...] = ()) -> Condition:
    if isinstance(source, Comparison | AllOf | AnyOf | NotOf):
        return source
    try:
        return parse_condition(source, beside)
    except ConditionError as refused:
        raise PydanticCustomError(
            "condition", "{text}", {"text": str(refused), "problems": refused.problems}
        ) from None


def _read_choice(source: Any) -> Condition:
    return _read_condition(source, CHOICES)


def _one_or_several(source: Any) -> Any:
    return (source,) if isinstance(source, str) else source


_AS_JSON = PlainSerializer(condition_as_json)
_SCHEMA = WithJsonSchema({"type": "object", "description": "a condition; see docs/rules.md"})
ConditionField = Annotated[Condition, BeforeValidator(_read_condition), _AS_JSON, _SCHEMA]
ChoiceField = Annotated[Condition, BeforeValidator(_read_choice), _AS_JSON, _SCHEMA]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[^\\\x00-\x1f]*$")
]
"""Goes into results as a Long String (LO, PS3.5 section 6.2): no backslash, no control characters."""


class RuleModel(BaseModel):
    """Frozen, PascalCase in JSON, and an unknown key is a mistake."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_pascal,
        validate_by_name=True,
        validate_by_alias=True,
        arbitrary_types_allowed=True,
        strict=False,
    )

    def as_json(self) -> dict[str, Any]:
        """What was written, and no defaults: the JSON of the configuration in force."""
        return self.model_dump(by_alias=True, exclude_unset=True, mode="json")


def _condition_beside(schema: dict[str, Any]) -> None:
    del schema["properties"]["Condition"]
    schema["additionalProperties"] = {"description": "an attribute, All, Any or Not; see docs/rules.md"}


class SeriesChoice(RuleModel):
    """Which series of a study: a condition, and among several the preferred one.

    In JSON the condition's keys stand beside `Prefer`, `SettleSeconds` and `Inputs`.
    """

    model_config = ConfigDict(json_schema_extra=_condition_beside)

    condition: ChoiceField = ALWAYS
    prefer: Annotated[tuple[Preference, ...], BeforeValidator(_one_or_several)] = ()
    """Compared in order; the next decides where the one before sees no difference."""
    settle_seconds: float = Field(default=0, ge=0, le=86_400)
    """How long the study must bring no further series before the preferred one is chosen."""
    inputs: Mapping[str, SeriesChoice] = Field(default_factory=dict)
    """For a pipeline with several inputs: input's name to the series of the study it takes."""

    @model_validator(mode="before")
    @classmethod
    def _condition_beside_choices(cls, source: Any) -> Any:
        if not isinstance(source, Mapping) or isinstance(source.get("condition"), Condition):
            return source
        condition = {key: value for key, value in source.items() if key not in CHOICES}
        kept = {key: value for key, value in source.items() if key in CHOICES}
        return kept | ({"Condition": condition} if condition else {})

    @model_validator(mode="after")
    def _inputs_are_not_preferred(self) -> SeriesChoice:
        if self.inputs and (self.prefer or any(choice.inputs for choice in self.inputs.values())):
            raise PydanticCustomError(
                "inputs",
                "Inputs beside Prefer, or inside an input",
                {"allowed": "put Prefer into each input"},
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialize: Any) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        condition = written.pop("Condition", written.pop("condition", {}))
        if isinstance(written.get("Prefer"), Sequence) and len(written["Prefer"]) == 1:
            written["Prefer"] = written["Prefer"][0]
        return {**condition, **written}


class WaitFor(RuleModel):
    """Other series of the study that must be there before a rule fires."""

    series: Mapping[str, ConditionField] = Field(default_factory=dict)
    """Name, as used in explanations, to the condition that a complete series of the study satisfies."""
    at_most_seconds: float = Field(gt=0, le=604_800)
    """Counted from the time the series that the rule is about was complete."""
    then: Literal["run", "skip"]
    """What happens when the time is over and a series is still missing."""


class Completeness(RuleModel):
    """When a series counts as complete; a late slice starts the waiting again."""

    quiet_seconds: float = Field(default=2.0, gt=0, le=86_400)
    """No new instance for this long."""
    expected_count: str | None = None
    """Keyword of an attribute that says how many instances the series has; reaching it ends the wait."""
    at_most_seconds: float = Field(default=600.0, gt=0, le=86_400)
    """How long after the last instance an expected count or a required series is waited for."""
    required_series: Mapping[str, ConditionField] = Field(default_factory=dict)
    """Series of the study without which none of its series counts as complete."""


class Rule(RuleModel):
    """Every rule that matches runs, in the order they are written, unless one before it says Stop."""

    name: Name
    when: ConditionField = Field(default=ALWAYS, json_schema_extra={"default": condition_as_json(ALWAYS)})
    series: SeriesChoice | None = None
    pipeline: Name
    mode: Mode = "live"
    """shadow: runs everything, sends nothing, and changes nothing about the other rules."""
    on_hold: OnHold = "keep"
    priority: Priority = "routine"
    send_to: tuple[str, ...] = ()
    companions: tuple[Companion, ...] = ()
    """What is made beside the result; `uncertainty` and `parametric-map` need a pipeline that repeats."""
    gate: GateThresholds | None = None
    """Limits of the quality gate in the place of the pipeline's own; those not named stay as they are."""
    output: OutputForm = "classic"
    """enhanced: of an Enhanced source, one Enhanced instance instead of a series of classic ones."""
    enabled: bool = True
    stop: bool = False
    """Where this rule matches, the rules after it are not considered for that series."""
    fallback: bool = False
    """Considered only for a series that no other live rule matches, wherever it stands in the list."""
    schedule: Schedule | None = None
    """When its jobs may start; the match itself does not depend on the time."""
    wait_for: WaitFor | None = None
    completeness: Completeness | None = None
    comment: str = ""

    @cached_property
    def asks(self) -> Questions:
        """Its conditions, ready to be asked of many series."""
        choice = self.series or SeriesChoice()
        inputs = {
            name: Question({f"Series.Inputs.{name}": one.condition}) for name, one in choice.inputs.items()
        }
        return Questions(Question({"When": self.when, "Series": choice.condition}), inputs)


class Questions(NamedTuple):
    """What a rule asks of a series."""

    selects: Question
    """When, and Series."""
    inputs: Mapping[str, Question]
