"""A presentation state that writes what the image is across its top (PS3.3 A.33.1); pixels stay untouched."""

from __future__ import annotations

from highdicom import pr

from dicom_templates.companions.run import CompanionRun, finished
from dicom_templates.identity import PRODUCT_NAME, PRODUCT_PUBLISHER
from dicom_templates.to_series import WrittenInstance

_TOP_LEFT, _BOTTOM_RIGHT = (0.01, 0.01), (0.99, 0.06)
"""Corners of the text in fractions of the displayed area."""


def banner(run: CompanionRun, text: str) -> WrittenInstance:
    """`text` over every image of the result series."""
    naming = run.naming("banner")
    layer = pr.GraphicLayer("BANNER", order=1, description="What the image is")
    annotation = pr.GraphicAnnotation(
        referenced_images=list(run.results),
        graphic_layer=layer,
        text_objects=[
            pr.TextObject(
                text_value=text,
                units=pr.AnnotationUnitsValues.DISPLAY,
                bounding_box=(*_TOP_LEFT, *_BOTTOM_RIGHT),
            )
        ],
    )
    built = pr.GrayscaleSoftcopyPresentationState(
        referenced_images=list(run.results),
        series_instance_uid=naming.series_instance_uid,
        series_number=naming.series_number,
        sop_instance_uid=naming.sop_instance_uid,
        instance_number=1,
        content_label="AI BANNER",
        content_description="Says that a model made the image",
        graphic_layers=[layer],
        graphic_annotations=[annotation],
        manufacturer=PRODUCT_PUBLISHER,
        manufacturer_model_name=PRODUCT_NAME,
        software_versions=run.identity.node_version,
        device_serial_number=run.identity.node_serial,
    )
    return finished(built, run, naming)
