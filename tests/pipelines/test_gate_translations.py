"""The gate on results that have no value in common with their source."""

import numpy as np
import pytest

from tests.pipelines.gate_phantom import (
    NOISY,
    RESULTS,
    SHARP,
    SOURCES,
    disc,
    judged,
    mr_manifest,
)


def test_a_translation_is_not_asked_to_keep_the_sources_values() -> None:
    changes = mr_manifest(Task="translate", Preprocessing=[])
    verdict = judged(NOISY, [3000 - result for result in SHARP], **changes)
    assert [finding.level for finding in verdict.findings] == ["WARN"]


@pytest.mark.parametrize("lesion", [0, 70])
def test_a_translation_is_never_more_than_a_warning_that_it_was_not_acquired(lesion: float) -> None:
    changes = mr_manifest(Task="translate", Preprocessing=[])
    results = [3000 - result + lesion * disc(140, 96, 7) for result in SHARP]
    (reason,) = judged(NOISY, results, **changes).reasons
    assert "was not acquired" in reason
    assert "lesions" in reason


def test_a_translation_that_is_its_source_is_held() -> None:
    changes = mr_manifest(Task="translate", Preprocessing=[])
    verdict = judged(NOISY, NOISY, **changes)
    assert verdict.level == "HOLD"
    assert any("identical to the source" in reason for reason in verdict.reasons)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_translation_with_a_value_that_is_no_number_is_held(value: float) -> None:
    broken = 3000 - SHARP[1]
    broken[5, 5] = value
    changes = mr_manifest(Task="translate", Preprocessing=[])
    assert judged(NOISY[:2], [3000 - SHARP[0], broken], **changes).level == "HOLD"


def test_in_a_translation_a_mirror_image_is_found_by_its_edges() -> None:
    changes = mr_manifest(Task="translate", Preprocessing=[])
    translated = [1500 - result for result in RESULTS]
    assert judged(SOURCES, translated, **changes).level == "WARN"
    verdict = judged(SOURCES, [translated[0][:, ::-1], *translated[1:]], **changes)
    assert verdict.level == "HOLD"
