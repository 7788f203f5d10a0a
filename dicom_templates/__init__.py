"""DICOM at the edges: source instances in, derived instances out, by templates that are data."""
