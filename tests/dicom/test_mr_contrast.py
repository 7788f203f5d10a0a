"""The contrast of an MR series is told by how it was acquired, or not at all."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_templates.mr_contrast import contrast_of
from dicom_templates.source import read_header

DEMO = Path(__file__).parents[2] / "demo"


def header(**values: object) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def spin_echo(repetition_ms: float, echo_ms: float) -> Dataset:
    return header(ScanningSequence="SE", RepetitionTime=repetition_ms, EchoTime=echo_ms)


def inversion(inversion_ms: float, echo_ms: float, sequence: str | list[str] = "IR") -> Dataset:
    return header(
        ScanningSequence=sequence, RepetitionTime=2000, EchoTime=echo_ms, InversionTime=inversion_ms
    )


def gradient_echo(echo_ms: float, flip_angle_degrees: float, **further: object) -> Dataset:
    return header(
        ScanningSequence="GR",
        RepetitionTime=7,
        EchoTime=echo_ms,
        FlipAngle=flip_angle_degrees,
        **further,
    )


@pytest.mark.parametrize(
    ("acquired", "contrast"),
    [
        (spin_echo(600, 12), "T1"),
        (spin_echo(5000, 100), "T2"),
        (spin_echo(2300, 22), "PD"),
        (inversion(2500, 120, ["SE", "IR"]), "FLAIR"),
        (inversion(900, 3, ["GR", "IR"]), "T1"),
        (inversion(800, 20, ["SE", "IR"]), "T1"),
        (gradient_echo(3.1, 8), "T1"),
        (header(AcquisitionContrast="T2", ScanningSequence="SE", RepetitionTime=600, EchoTime=12), "T2"),
        (header(AcquisitionContrast="PROTON_DENSITY"), "PD"),
    ],
)
def test_the_parameters_of_an_acquisition_tell_its_contrast(acquired: Dataset, contrast: str) -> None:
    assert contrast_of(acquired) == contrast


@pytest.mark.parametrize(
    "acquired",
    [
        header(),
        header(SeriesDescription="T1 axial"),
        spin_echo(1400, 12),
        spin_echo(3000, 55),
        spin_echo(600, 60),
        inversion(160, 60),
        gradient_echo(20, 15),
        gradient_echo(3, 4),
        gradient_echo(1.6, 50, SequenceVariant="SS"),
        gradient_echo(3.5, 20, AngioFlag="Y"),
        header(ScanningSequence="EP", RepetitionTime=4000, EchoTime=90),
        header(ScanningSequence=["EP", "SE"], RepetitionTime=4000, EchoTime=90),
        header(AcquisitionContrast="DIFFUSION", ScanningSequence="SE", RepetitionTime=5000, EchoTime=100),
    ],
)
def test_an_acquisition_that_leaves_doubt_has_no_contrast(acquired: Dataset) -> None:
    assert contrast_of(acquired) is None


def test_an_agent_makes_t1_another_contrast_and_leaves_t2_as_it_is() -> None:
    for acquired, contrast in ((spin_echo(600, 12), "T1CE"), (spin_echo(5000, 100), "T2")):
        acquired.ContrastBolusAgent = "Gadobutrol"
        assert contrast_of(acquired) == contrast


def test_the_demo_study_is_proton_density() -> None:
    file = next((DEMO / "mr_brain_pd").glob("*.dcm"))
    assert contrast_of(read_header(file.read_bytes())) == "PD"
