"""The acceptance envelope: which series a pipeline may be given."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipelines.contrast import Contrast
from pipelines.errors import Refused
from pipelines.manifest import InputSpec, Manifest
from pipelines.manifest_part import Bounds
from pipelines.volume import SliceGrid

NO_ATTRIBUTES: Mapping[str, object] = MappingProxyType({})


def accept(
    manifest: Manifest,
    *,
    modality: str,
    grid: SliceGrid,
    quantity: str,
    input_name: str | None = None,
    attributes: Mapping[str, object] = NO_ATTRIBUTES,
    contrast: Contrast | None = None,
) -> None:
    """Raise `Refused` if the series lies outside what the pipeline's input declares.

    `input_name` chooses among several inputs; without it the first is meant. `attributes` holds the values,
    by DICOM keyword, of BodyPartExamined and of whatever the input's Attributes limit; `contrast` is None
    where the header leaves doubt. `Refused.reason` is one of modality_differs, quantity_differs,
    body_part_differs, contrast_unknown, contrast_differs, too_few_slices, too_many_slices,
    rows_out_of_range, columns_out_of_range, pixel_spacing_out_of_range, slice_thickness_unknown,
    slice_thickness_out_of_range, slice_spacing_out_of_range, attribute_unknown, attribute_out_of_range.
    """
    expected = manifest.input(input_name)
    _same("modality", modality, expected.modality, manifest)
    _same("quantity", quantity, expected.quantity, manifest)
    _check_body_part(attributes.get("BodyPartExamined"), expected, manifest)
    _check_contrast(contrast, expected, manifest)
    _check_slice_count(grid, expected, manifest)
    _within("rows", "", grid.rows, expected.rows_columns, manifest)
    _within("columns", "", grid.columns, expected.rows_columns, manifest)
    for spacing in grid.pixel_spacing_mm:
        _within("pixel_spacing", " mm", spacing, expected.pixel_spacing_mm, manifest)
    _check_thickness(grid, expected, manifest)
    if grid.slice_spacing_mm is not None:
        _within("slice_spacing", " mm", abs(grid.slice_spacing_mm), expected.slice_spacing_mm, manifest)
    for keyword, bounds in expected.attributes.items():
        _check_attribute(keyword, attributes.get(keyword), bounds, manifest)


def _same(term: str, found: str, expected: str, manifest: Manifest) -> None:
    if found != expected:
        raise _refused(f"{term}_differs", f"{term} is {found}, {manifest.name} takes {expected}", term)


def _within(term: str, unit: str, found: float, allowed: Bounds | None, manifest: Manifest) -> None:
    if allowed is None or allowed[0] <= found <= allowed[1]:
        return
    words = term.replace("_", " ")
    limits = f"{allowed[0]:g} to {allowed[1]:g}{unit}"
    raise _refused(
        f"{term}_out_of_range", f"{words} is {found:g}{unit}, {manifest.name} takes {limits}", words
    )


def _check_slice_count(grid: SliceGrid, expected: InputSpec, manifest: Manifest) -> None:
    least, most = expected.minimum_slices, expected.maximum_slices
    if grid.slices < least:
        what = f"the series has {grid.slices} slices, {manifest.name} needs at least {least}"
        raise _refused("too_few_slices", what, "number of slices")
    if most is not None and grid.slices > most:
        what = f"the series has {grid.slices} slices, {manifest.name} takes at most {most}"
        raise _refused("too_many_slices", what, "number of slices")


def _check_thickness(grid: SliceGrid, expected: InputSpec, manifest: Manifest) -> None:
    if expected.slice_thickness_mm is None:
        return
    if grid.slice_thickness_mm is None:
        what = f"the series gives no slice thickness, which {manifest.name} limits"
        raise _refused("slice_thickness_unknown", what, "slice thickness")
    _within("slice_thickness", " mm", grid.slice_thickness_mm, expected.slice_thickness_mm, manifest)


def _check_body_part(found: object, expected: InputSpec, manifest: Manifest) -> None:
    """A body part that is not stated, as is common, is not held against a series."""
    if expected.body_parts is None or found in (None, "") or str(found).upper() in expected.body_parts:
        return
    what = f"body part is {found}, {manifest.name} takes {', '.join(expected.body_parts)}"
    raise _refused("body_part_differs", what, "body part")


def _check_contrast(found: Contrast | None, expected: InputSpec, manifest: Manifest) -> None:
    if expected.contrasts is None or found in expected.contrasts:
        return
    takes = f"{manifest.name} takes {', '.join(expected.contrasts)}"
    if found is None:
        raise _refused(
            "contrast_unknown", f"the acquisition leaves its contrast in doubt, {takes}", "contrast"
        )
    raise _refused("contrast_differs", f"contrast is {found}, {takes}", "contrast")


def _check_attribute(keyword: str, found: object, bounds: Bounds, manifest: Manifest) -> None:
    if not isinstance(found, (int, float)):
        what = f"the series gives no number for {keyword}, which {manifest.name} limits"
        raise _refused("attribute_unknown", what, keyword)
    if not bounds[0] <= found <= bounds[1]:
        what = f"{keyword} is {found:g}, {manifest.name} takes {bounds[0]:g} to {bounds[1]:g}"
        raise _refused("attribute_out_of_range", what, keyword)


def _refused(reason: str, what: str, words: str) -> Refused:
    return Refused(reason, what, remedy=f"route to it only series whose {words} it takes")
