"""Intervals over patients, tests of pairs, and how rows become figures."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluation.figures import FigureTable, Quantity
from pipelines.evaluation.paired import cost, signed_ranks
from pipelines.measures.intervals import bootstrap_mean, holm, wilcoxon

RMSE = Quantity(1, "rmse", "HU", "result", "body", better="lower")


def test_bootstrap_gives_the_same_digits_twice_and_holds_the_mean() -> None:
    values = list(np.random.default_rng(0).normal(10, 2, 15))
    first, second = bootstrap_mean(values), bootstrap_mean(values)
    assert first == second
    assert first.low95 is not None
    assert first.high95 is not None
    assert first.low95 < first.mean < first.high95
    assert first.high95 - first.low95 == pytest.approx(2 * 1.96 * 2 / 15**0.5, rel=0.4)


def test_a_single_patient_has_no_interval() -> None:
    found = bootstrap_mean([4.0])
    assert (found.mean, found.low95, found.high95, found.count) == (4.0, None, None, 1)
    with pytest.raises(ValueError, match="no values"):
        bootstrap_mean([])


def test_holm_adjusts_as_in_the_paper() -> None:
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03})
    assert adjusted == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"only": 0.8, "other": 0.7})["only"] == 1.0


def test_wilcoxon_of_six_patients_that_all_gain_is_the_exact_value() -> None:
    found = wilcoxon([1, 2, 3, 4, 5, 6], [2, 4, 6, 8, 10, 12])
    assert found.p == pytest.approx(2 / 2**6)
    assert found.median_difference == -3.5
    assert wilcoxon([1.0], [2.0]).p is None
    assert wilcoxon([1.0, 2.0], [1.0, 2.0]).p is None


def test_a_bias_of_either_sign_costs_the_same() -> None:
    assert cost("near zero", -3.0) == cost("near zero", 3.0)
    assert cost("near one", 0.8) == pytest.approx(cost("near one", 1.2))
    assert cost("higher", 2.0) < cost("higher", 1.0)
    found = signed_ranks("near zero", {"a": -1.0, "b": 1.0}, {"a": 1.0, "b": -1.0})
    assert found.p is None


def test_patients_weigh_alike_however_many_series_they_have() -> None:
    table = FigureTable()
    for patient, value in (("a", 1.0), ("a", 3.0), ("b", 8.0)):
        table.add(patient, {RMSE: value})
    assert table.by_patient()[RMSE] == {"a": 2.0, "b": 8.0}
    assert table.intervals()[RMSE].mean == 5.0


def test_a_key_says_what_where_and_in_which_group() -> None:
    assert RMSE.key == "rmse HU | result | body"
    grouped = Quantity(1, "psnr", "dB", "input", "body", "lung").within("sharp-0.25")
    assert grouped.key == "psnr dB | input | body | lung | group sharp-0.25"
