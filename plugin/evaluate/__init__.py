"""`orthogen evaluate`: a pipeline on folders of DICOM series, measured against references."""
