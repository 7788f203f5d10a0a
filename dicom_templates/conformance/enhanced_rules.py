"""Rules on an Enhanced result beside the Enhanced instance it was made from, and the gate for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from dicom_templates.conformance.comparison import Comparison, Finding, Rule, code_of, has_value, values
from dicom_templates.conformance.dciodvfy import dciodvfy
from dicom_templates.conformance.rules import RULES
from dicom_templates.conformance.series_gate import GateReport, NotConforming
from dicom_templates.enhanced_source import EnhancedInstance, all_samples
from dicom_templates.functional_groups import FRAME_TYPES, NOT_REPEATED, public_items
from dicom_templates.part10 import scan
from dicom_templates.stored_values import Stored
from dicom_templates.to_series import WrittenInstance

_SHARED, _PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
_FRAME_TYPE_TAGS = frozenset(tag_for_keyword(keyword) or 0 for keyword in FRAME_TYPES)
_STALE = NOT_REPEATED - {tag_for_keyword("DerivationImageSequence") or 0}
_HOLD_FOR_ENHANCED = frozenset(
    (
        *("G01", "G02", "G03", "G04", "G10", "G11", "G12", "G13", "G14", "G15", "G16", "G17", "G18", "G19"),
        *("G20", "G22", "G24", "G25", "G27", "G28", "G30", "G31"),
    )
)
"""Rules on single images that hold for a multi-frame one as they are."""


def _groups_repeated(c: Comparison) -> Iterator[str]:
    ours, theirs = _all_groups(c.result), _all_groups(c.source)
    if len(ours) != len(theirs):
        yield f"{len(ours)} items of functional groups where the source has {len(theirs)}"
        return
    for mine, source in zip(ours, theirs, strict=True):
        for macro in source:
            if macro.tag.is_private or macro.tag in NOT_REPEATED or macro.tag in _FRAME_TYPE_TAGS:
                continue
            if macro.tag not in mine or mine[macro.tag].value != public_items(macro.value):
                yield f"functional group {macro.keyword} is not the source's"


def _frame_types(c: Comparison) -> Iterator[str]:
    found = [values(c.result, "ImageType")]
    for groups in _all_groups(c.result):
        present = [keyword for keyword in FRAME_TYPES if keyword in groups]
        found += [values(groups[keyword].value[0], "FrameType") for keyword in present]
    if len(found) < 2 or any([str(term) for term in terms[:1]] != ["DERIVED"] for terms in found):
        yield "Image Type or Frame Type does not begin with DERIVED"


def _derivations(c: Comparison) -> Iterator[str]:
    for number, groups in enumerate(c.result.get(_PER_FRAME) or (), start=1):
        items = groups.get("DerivationImageSequence") or ()
        if not items or code_of(items[0], "DerivationCodeSequence") != ("123110", "DCM"):
            yield f"frame {number} has no derivation (123110, DCM, Artificial Intelligence)"
            continue
        if not has_value(items[0], "DerivationDescription"):
            yield f"the derivation of frame {number} has no description"
        sources = items[0].get("SourceImageSequence") or [Dataset()]
        named = (sources[0].get("ReferencedSOPInstanceUID"), sources[0].get("ReferencedFrameNumber"))
        if named != (c.source.get("SOPInstanceUID"), number):
            yield f"the first source of frame {number} is not that frame of the source"
        if any(code_of(each, "PurposeOfReferenceCodeSequence") != ("121322", "DCM") for each in sources):
            yield f"a source image of frame {number} without purpose (121322, DCM)"


def _nothing_stale_in_groups(c: Comparison) -> Iterator[str]:
    for groups in _all_groups(c.result):
        for macro in groups:
            if macro.tag in _STALE:
                yield f"functional group {macro.keyword} describes the source"
            elif macro.tag.is_private or any(_has_private(each) for each in macro.value):
                yield "a private element in a functional group"


def _has_private(dataset: Dataset) -> bool:
    nested = chain.from_iterable(each.value for each in dataset if each.VR == "SQ")
    return any(tag.is_private for tag in list(dataset.keys())) or any(map(_has_private, nested))


def _pixels(c: Comparison) -> Iterator[str]:
    for keyword in ("SOPClassUID", "NumberOfFrames", "Rows", "Columns", "PhotometricInterpretation"):
        if c.differs(keyword):
            yield f"{keyword} is not the source's"
    if c.result.get("BitsAllocated") != 16 or c.result.get("HighBit") != c.result.get("BitsStored", 0) - 1:
        yield "not 16 bits allocated with High Bit one below Bits Stored"
    if c.result_samples.size != c.source_samples.size:
        yield "Pixel Data is not as long as frames x rows x columns x 2"


def _padded_areas(c: Comparison) -> Iterator[str]:
    value = c.source.get("PixelPaddingValue")
    if value is None:
        return
    if c.differs("PixelPaddingValue") or c.differs("PixelPaddingRangeLimit"):
        yield "Pixel Padding Value or its range is not the source's"
    limit = c.source.get("PixelPaddingRangeLimit", value)
    low, high = min(value, limit), max(value, limit)
    ours, theirs = c.result_samples, c.source_samples
    if ours.size == theirs.size and not np.array_equal(
        (ours >= low) & (ours <= high), (theirs >= low) & (theirs <= high)
    ):
        yield "the padded areas are not the source's"


def _listed(c: Comparison) -> Iterator[str]:
    wanted = {
        str(image.get("ReferencedSOPInstanceUID"))
        for groups in c.result.get(_PER_FRAME) or ()
        for derivation in groups.get("DerivationImageSequence") or ()
        for image in derivation.get("SourceImageSequence") or ()
    }
    listed = [
        str(instance.get("ReferencedSOPInstanceUID"))
        for series in c.result.get("ReferencedSeriesSequence") or ()
        for instance in series.get("ReferencedInstanceSequence") or ()
    ]
    if sorted(wanted) != sorted(listed):
        yield "Referenced Series Sequence does not list exactly the referenced instances"


ENHANCED_RULES = (
    Rule("E01", _groups_repeated),
    Rule("E02", _frame_types),
    Rule("E03", _derivations),
    Rule("E04", _nothing_stale_in_groups),
    Rule("E05", _pixels),
    Rule("E06", _padded_areas),
    Rule("E07", _listed),
)


def check_enhanced(result: Dataset, source: Dataset, samples: tuple[Stored, Stored]) -> list[Finding]:
    """Every broken rule. Both datasets come with file meta; `samples` are (frames, rows, columns), stored."""
    comparison = Comparison(result, source, "denoise", samples)
    on_single_images = (rule for rule in RULES if rule.id in _HOLD_FOR_ENHANCED)
    return [
        Finding(rule.id, message)
        for rule in (*on_single_images, *ENHANCED_RULES)
        if rule.applies(comparison)
        for message in rule.check(comparison)
    ]


def require_enhanced(instance: WrittenInstance, source: EnhancedInstance) -> WrittenInstance:
    """The instance, if it breaks no rule and no new one of dciodvfy. Raises NotConforming."""
    result = scan(instance.data)
    samples = (all_samples(instance.data), all_samples(source.file))
    findings = check_enhanced(result.header, source.part10.header, samples)
    ours, theirs = dciodvfy(instance.data), dciodvfy(source.file)
    report = GateReport(tuple(findings), ours.own_errors(theirs), ours.unexpected_warnings(theirs))
    if not report.passed:
        raise NotConforming(report)
    return instance


def _all_groups(dataset: Dataset) -> list[Dataset]:
    return [*(dataset.get(_SHARED) or ()), *(dataset.get(_PER_FRAME) or ())]
