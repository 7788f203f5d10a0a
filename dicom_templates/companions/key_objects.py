"""Held or flagged results as a Key Object Selection, titled "Quality Issue" (PS3.16 CID 7010)."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom import ko, sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicom_templates.companions.run import CompanionRun, finished
from dicom_templates.identity import PRODUCT_PUBLISHER
from dicom_templates.to_series import WrittenInstance
from dicom_templates.uids import device_uid


def key_objects(run: CompanionRun, flagged: Sequence[Dataset], reasons: Sequence[str]) -> WrittenInstance:
    """`flagged` are the result instances a reader should look at first, `reasons` why."""
    naming = run.naming("key_objects")
    observer = sr.ObserverContext(
        codes.DCM.Device,
        sr.DeviceObserverIdentifyingAttributes(
            uid=device_uid(run.identity.model_sha256),
            manufacturer_name=run.identity.publisher,
            model_name=run.identity.pipeline_name,
        ),
    )
    content = ko.KeyObjectSelection(
        document_title=codes.DCM.QualityIssue,
        referenced_objects=list(flagged),
        observer_device_context=observer,
        description="; ".join(reasons) or None,
    )
    built = ko.KeyObjectSelectionDocument(
        evidence=list(flagged),
        content=content,
        series_instance_uid=naming.series_instance_uid,
        series_number=naming.series_number,
        sop_instance_uid=naming.sop_instance_uid,
        instance_number=1,
        manufacturer=PRODUCT_PUBLISHER,
    )
    return finished(built, run, naming)
