"""Templates: which attributes a result carries, as data that can be reviewed without reading Python.

A template names, for every attribute, an action, the reason and (by its module) the section of the
standard. Anything not named is dropped; `remove` only documents why.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator
from pydicom.datadict import dictionary_VR, tag_for_keyword

from pipelines.errors import ConfigurationError

Kind = Literal["denoise", "translate", "mr2ct", "resample", "difference", "uncertainty", "companion"]

TEMPLATE_NAMES = (
    "derived_ct",
    "derived_mr",
    "translated_mr",
    "synthetic_ct",
    "derived_enhanced_ct",
    "derived_enhanced_mr",
    "resampled_ct",
    "resampled_mr",
    "difference_ct",
    "difference_mr",
    "uncertainty_ct",
    "uncertainty_mr",
    "parametric_map",
    "quality_report",
    "key_objects",
    "banner",
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LiteralText(_Frozen):
    """A text to write where the source has none."""

    literal: str


class Condition(_Frozen):
    """True where an attribute of the source has one of the values."""

    keyword: str
    has: tuple[str, ...]


class Attribute(_Frozen):
    """What happens to one attribute."""

    keyword: str
    action: Literal["copy", "set", "empty", "remove"]
    reason: str
    otherwise: Literal["empty"] | LiteralText | None = None
    """For `copy`: what to write where the source has no such attribute."""
    unless_present: tuple[str, ...] = ()
    """For `copy`: `otherwise` applies only while none of these has a value in the source."""
    otherwise_where: Condition | None = None
    """For `copy`: `otherwise` applies only where this holds."""
    value: str | None = None
    """For `set`: a name of the vocabulary (`series_values`, `slice_values`)."""
    literal: str | tuple[str, ...] | None = None
    """For `set`: the value itself."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Attribute:
        if tag_for_keyword(self.keyword) is None:
            raise ValueError(f"{self.keyword} is no keyword of the data dictionary")
        if (self.action == "set") != ((self.value is None) != (self.literal is None)):
            raise ValueError(f"{self.keyword}: `set`, and only `set`, has either a value or a literal")
        if self.action != "copy" and (self.otherwise or self.unless_present or self.otherwise_where):
            raise ValueError(f"{self.keyword}: only `copy` can have `otherwise`")
        return self

    @property
    def tag(self) -> int:
        return tag_for_keyword(self.keyword) or 0

    @property
    def vr(self) -> str:
        return dictionary_VR(self.tag)


class Module(_Frozen):
    """Attributes of one module of the standard."""

    module: str
    section: str
    attributes: tuple[Attribute, ...]


class Part(_Frozen):
    """Modules that several templates share."""

    title: str
    modules: tuple[Module, ...]


class Template(_Frozen):
    """All that a kind of result carries."""

    name: str
    title: str
    kind: Kind
    tasks: tuple[str, ...]
    """What pipelines call what they do, where this is the template for it."""
    source_modality: str
    target_modality: str
    sop_class_uid: str
    stored_values: Literal[
        "as_source",
        "signal",
        "synthetic_signal",
        "hounsfield_units",
        "signed_difference",
        "hounsfield_deviation",
    ]
    """How result values become stored ones; see `pixel_module`."""
    default_window: tuple[float, float] | None
    """Centre and width where no window of the source holds; by percentiles of the slice when None."""
    parts: tuple[str, ...]
    modules: tuple[Module, ...]

    def attributes(self) -> tuple[Attribute, ...]:
        """Every attribute that is written, in tag order."""
        written = [each for each in self.all_attributes() if each.action != "remove"]
        return tuple(sorted(written, key=lambda attribute: attribute.tag))

    def all_attributes(self) -> list[Attribute]:
        """Every attribute the template names, in the order of its modules."""
        return [attribute for module in self.modules for attribute in module.attributes]


@cache
def load_template(name: str) -> Template:
    """A template of this package with its parts joined in. Raises ConfigurationError."""
    if name not in TEMPLATE_NAMES:
        raise ConfigurationError(f"no template {name!r}", remedy=f"one of {', '.join(TEMPLATE_NAMES)}")
    template = Template.model_validate_json(_text(f"{name}.json"))
    parts = [load_part(part) for part in template.parts]
    modules = tuple(module for part in parts for module in part.modules) + template.modules
    joined = template.model_copy(update={"modules": modules})
    named = [attribute.keyword for attribute in joined.all_attributes()]
    twice = {keyword for keyword in named if named.count(keyword) > 1}
    if twice:
        raise ConfigurationError(f"template {name} names {', '.join(sorted(twice))} more than once")
    return joined


@cache
def load_part(name: str) -> Part:
    """A part that templates name in `parts`."""
    return Part.model_validate_json(_text(f"parts/{name}.json"))


def template_for(task: str, source_modality: str, target_modality: str | None = None) -> Template:
    """The template of a task; the target's modality is the source's unless said.

    Raises ConfigurationError.
    """
    modalities = (source_modality, target_modality or source_modality)
    for template in map(load_template, TEMPLATE_NAMES):
        same_modalities = (template.source_modality, template.target_modality) == modalities
        if task in template.tasks and same_modalities:
            return template
    raise ConfigurationError(f"no template for {task} from {modalities[0]} to {modalities[1]}")


def _text(file: str) -> str:
    return files(__package__).joinpath("templates", file).read_text("utf-8")
