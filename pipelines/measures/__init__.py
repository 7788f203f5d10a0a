"""Measures of images, by the literature: numpy arrays in, numbers out. No DICOM, no pipeline."""
