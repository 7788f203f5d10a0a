"""Damaged Enhanced instances are refused by name; nothing else may come out of reading them."""

from __future__ import annotations

import contextlib
import random

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless

from dicom_templates.enhanced_source import described_header
from pipelines.errors import Refused
from tests.dicom.enhanced_phantom import EnhancedPhantom
from tests.dicom.test_enhanced_source import planned


@pytest.mark.parametrize("left", [0.3, 0.6, 0.9])
def test_a_damaged_file_is_refused_and_never_crashes(left: float) -> None:
    file = EnhancedPhantom(transfer_syntax=JPEGLSLossless).instance()
    with pytest.raises(Refused):
        planned(file[: int(len(file) * left)])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless])
def test_damaged_bytes_are_read_or_refused_and_never_crash(syntax: str) -> None:
    file = EnhancedPhantom("MR", frames=2, rows=16, columns=16, transfer_syntax=syntax).instance()
    for seed in range(40):
        damage = random.Random(seed)
        damaged = bytearray(file)
        for _ in range(damage.choice([1, 3, 10])):
            damaged[damage.randrange(132, len(file))] = damage.randrange(256)
        with contextlib.suppress(Refused):
            described_header(bytes(damaged))
        with contextlib.suppress(Refused):
            planned(bytes(damaged))
