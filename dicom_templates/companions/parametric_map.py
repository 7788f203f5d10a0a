"""The uncertainty of a result as a Parametric Map (PS3.3 A.75): one standard deviation a voxel."""

from __future__ import annotations

from typing import Literal

import numpy as np
from highdicom import pm
from highdicom.content import VOILUTTransformation
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from dicom_templates.companions.run import CompanionRun, finished
from dicom_templates.identity import PRODUCT_NAME, PRODUCT_PUBLISHER
from dicom_templates.to_series import WrittenInstance
from dicom_templates.uids import result_instance_uid
from pipelines.errors import OrthogenError

_ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
_STANDARD_DEVIATION = Code("386136009", "SCT", "Standard Deviation")
_LARGEST_STORED = 65535


def parametric_map(
    run: CompanionRun, deviation: NDArray[np.float32], samples: Literal["uint16", "float32"] = "uint16"
) -> WrittenInstance:
    """`deviation` is (slices, rows, columns) in the order and on the grid of `run.results`, in Hounsfield
    units or units of signal, never negative.

    As uint16 a real world value slope of peak/65535 keeps 16 bits of it, and every viewer can render it;
    float32 keeps all, and few can. Raises OrthogenError for another shape or negative values.
    """
    if deviation.shape[0] != len(run.results) or not deviation.min(initial=0) >= 0:
        raise OrthogenError("an uncertainty map is one non-negative slice for every result instance")
    naming = run.naming("parametric_map")
    peak = float(deviation.max(initial=0)) or 1.0
    slope = peak / _LARGEST_STORED if samples == "uint16" else 1.0
    stored = np.rint(deviation / slope).astype(np.uint16) if samples == "uint16" else deviation
    built = pm.ParametricMap(
        source_images=list(run.results),
        pixel_array=stored,
        series_instance_uid=naming.series_instance_uid,
        series_number=naming.series_number,
        sop_instance_uid=naming.sop_instance_uid,
        instance_number=1,
        contains_recognizable_visual_features=_recognizable(run),
        real_world_value_mappings=[_mapping(run, slope, peak, samples)],
        voi_lut_transformations=[_window(float(stored.max()))],
        content_label="UNCERTAINTY",
        content_description="One standard deviation of the AI result",
        content_qualification=run.identity.content_qualification,
        derivation=_ARTIFICIAL_INTELLIGENCE,
        further_source_images=list(run.sources),
        manufacturer=PRODUCT_PUBLISHER,
        manufacturer_model_name=PRODUCT_NAME,
        software_versions=run.identity.node_version,
        device_serial_number=run.identity.node_serial,
    )
    _name_dimensions(built, result_instance_uid(naming.series_instance_uid, "dimensions"))
    return finished(built, run, naming)


def _window(highest: float) -> VOILUTTransformation:
    return VOILUTTransformation(window_center=highest / 2 or 0.5, window_width=max(highest, 1.0))


def _name_dimensions(built: Dataset, uid: str) -> None:
    """A derived UID for the dimension organization, where highdicom draws a random one."""
    for sequence in (built.DimensionOrganizationSequence, built.DimensionIndexSequence):
        for item in sequence:
            item.DimensionOrganizationUID = uid


def _mapping(
    run: CompanionRun, slope: float, peak: float, samples: Literal["uint16", "float32"]
) -> pm.RealWorldValueMapping:
    in_hounsfield_units = run.results[0].Modality == "CT"
    return pm.RealWorldValueMapping(
        lut_label="STANDARD DEV",
        lut_explanation="One standard deviation",
        unit=codes.UCUM.HounsfieldUnit if in_hounsfield_units else codes.UCUM.ArbitraryUnit,
        value_range=(0, _LARGEST_STORED) if samples == "uint16" else (0.0, peak),
        slope=slope,
        intercept=0,
        quantity_definition=_STANDARD_DEVIATION,
    )


def _recognizable(run: CompanionRun) -> bool:
    return bool(run.sources[0].get("RecognizableVisualFeatures") == "YES")
