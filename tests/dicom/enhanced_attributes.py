"""What the Enhanced phantoms say of themselves: the attributes and functional groups of CT and MR."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset

from tests.dicom.phantom_series import code

UID_ROOT = "1.2.826.0.1.3680043.8.498.78"


def _absorption_rate() -> Dataset:
    rate = Dataset()
    rate.SpecificAbsorptionRateDefinition, rate.SpecificAbsorptionRateValue = "IEC_WHOLE_BODY", 0.1
    return rate


def _operating_mode() -> Dataset:
    mode = Dataset()
    mode.OperatingModeType, mode.OperatingMode = "STATIC FIELD", "IEC_NORMAL"
    return mode


AS_CLASSIC = (
    *("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PositionReferenceIndicator"),
    *("StudyDate", "StudyTime", "SeriesDate", "ContentDate", "ContentTime", "AccessionNumber", "StudyID"),
    *("StudyDescription", "SeriesDescription", "ReferringPhysicianName", "PatientName", "PatientID"),
    *("PatientBirthDate", "PatientSex", "PatientWeight", "Manufacturer", "ManufacturerModelName"),
    *("DeviceSerialNumber", "SoftwareVersions", "PatientPosition", "SeriesNumber", "Modality"),
    *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored"),
    *("HighBit", "PixelRepresentation", "PixelPaddingValue", "ProtocolName"),
)
FRAME_TYPE: dict[str, Any] = {
    "PixelPresentation": "MONOCHROME",
    "VolumetricProperties": "VOLUME",
    "VolumeBasedCalculationTechnique": "NONE",
}
MR_FRAME_TYPE = {"ComplexImageComponent": "MAGNITUDE", "AcquisitionContrast": "T1"}
INSTANCE: dict[str, Any] = {
    "InstanceNumber": "1",
    "AcquisitionDateTime": "20250102101500",
    "AcquisitionDuration": 5.0,
    "AcquisitionNumber": "1",
    "ContentQualification": "PRODUCT",
    "BurnedInAnnotation": "NO",
    "LossyImageCompression": "00",
    "PresentationLUTShape": "IDENTITY",
    "AcquisitionContextSequence": [],
    **FRAME_TYPE,
}
CT: dict[str, Any] = {}
MR: dict[str, Any] = {
    **MR_FRAME_TYPE,
    "ResonantNucleus": "1H",
    "KSpaceFiltering": "NONE",
    "MagneticFieldStrength": "1.5",
    "ApplicableSafetyStandardAgency": "IEC",
    "ApplicableSafetyStandardDescription": "IEC 60601-2-33",
    "MRAcquisitionType": "2D",
    "PulseSequenceName": "se2d1",
    "EchoPulseSequence": "SPIN",
    "MultipleSpinEcho": "NO",
    "MultiPlanarExcitation": "NO",
    "PhaseContrast": "NO",
    "TimeOfFlightContrast": "NO",
    "SteadyStatePulseSequence": "NONE",
    "EchoPlanarPulseSequence": "NO",
    "SaturationRecovery": "NO",
    "SpectrallySelectedSuppression": "NONE",
    "OversamplingPhase": "NONE",
    "GeometryOfKSpaceTraversal": "RECTILINEAR",
    "SegmentedKSpaceTraversal": "PARTIAL",
    "RectilinearPhaseEncodeReordering": "LINEAR",
    "NumberOfKSpaceTrajectories": 1,
    "CardiacSynchronizationTechnique": "NONE",
    "RespiratoryMotionCompensationTechnique": "NONE",
}
CT_GROUPS: dict[str, Any] = {
    "IrradiationEventIdentificationSequence": {"IrradiationEventUID": f"{UID_ROOT}.5"},
    "CTAcquisitionTypeSequence": {
        "AcquisitionType": "SPIRAL",
        "ConstantVolumeFlag": "NO",
        "FluoroscopyFlag": "NO",
    },
    "CTAcquisitionDetailsSequence": {
        "RotationDirection": "CW",
        "RevolutionTime": 0.5,
        "SingleCollimationWidth": 0.6,
        "TotalCollimationWidth": 38.4,
        "TableHeight": "150",
        "GantryDetectorTilt": "0",
        "DataCollectionDiameter": "500",
    },
    "CTTableDynamicsSequence": {"TableSpeed": 46.0, "TableFeedPerRotation": 23.0, "SpiralPitchFactor": 0.6},
    "CTGeometrySequence": {"DistanceSourceToDetector": "1085", "DistanceSourceToDataCollectionCenter": 595.0},
    "CTReconstructionSequence": {
        "ReconstructionAlgorithm": "FILTER_BACK_PROJ",
        "ConvolutionKernel": "B30f",
        "ConvolutionKernelGroup": "BRAIN",
        "ReconstructionDiameter": "48",
        "ReconstructionPixelSpacing": [0.75, 0.75],
        "ReconstructionAngle": 360.0,
        "ImageFilter": "NONE",
    },
    "CTExposureSequence": {
        "ExposureTimeInms": 500.0,
        "XRayTubeCurrentInmA": 200.4,
        "ExposureInmAs": 100.2,
        "ExposureModulationType": "NONE",
        "CTDIvol": 7.5,
        "CTDIPhantomTypeCodeSequence": [code("113691", "DCM", "IEC Body Dosimetry Phantom")],
    },
    "CTXRayDetailsSequence": {
        "KVP": "120",
        "FocalSpots": "1.2",
        "FilterType": "WEDGE",
        "FilterMaterial": "ALUMINUM",
    },
    "CTPositionSequence": {
        "TablePosition": 100.0,
        "DataCollectionCenterPatient": [0.0, 0.0, 0.0],
        "ReconstructionTargetCenterPatient": [0.0, 0.0, 0.0],
    },
}
MR_GROUPS: dict[str, Any] = {
    "MRTimingAndRelatedParametersSequence": {
        "RepetitionTime": "500",
        "FlipAngle": "90",
        "EchoTrainLength": "1",
        "RFEchoTrainLength": 1,
        "GradientEchoTrainLength": 0,
        "SpecificAbsorptionRateSequence": [_absorption_rate()],
        "GradientOutputType": "DB_DT",
        "GradientOutput": 1.0,
        "OperatingModeSequence": [_operating_mode()],
    },
    "MRFOVGeometrySequence": {
        "InPlanePhaseEncodingDirection": "COLUMN",
        "MRAcquisitionFrequencyEncodingSteps": 64,
        "MRAcquisitionPhaseEncodingStepsInPlane": 48,
        "PercentSampling": "100",
        "PercentPhaseFieldOfView": "100",
    },
    "MREchoSequence": {"EffectiveEchoTime": 12.5},
    "MRModifierSequence": {
        "InversionRecovery": "NO",
        "FlowCompensation": "NONE",
        "Spoiling": "RF",
        "T2Preparation": "NO",
        "SpectrallySelectedExcitation": "NONE",
        "SpatialPresaturation": "NONE",
        "PartialFourier": "NO",
        "ParallelAcquisition": "NO",
    },
    "MRImagingModifierSequence": {
        "MagnetizationTransfer": "NONE",
        "BloodSignalNulling": "NO",
        "Tagging": "NONE",
        "TransmitterFrequency": 63.87,
        "PixelBandwidth": "200",
    },
    "MRReceiveCoilSequence": {
        "ReceiveCoilName": "Head",
        "ReceiveCoilManufacturerName": "",
        "ReceiveCoilType": "SURFACE",
        "QuadratureReceiveCoil": "NO",
    },
    "MRTransmitCoilSequence": {
        "TransmitCoilName": "Body",
        "TransmitCoilManufacturerName": "",
        "TransmitCoilType": "BODY",
    },
    "MRAveragesSequence": {"NumberOfAverages": "1"},
}
