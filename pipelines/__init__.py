"""Generative image pipelines on plain numpy volumes: neither DICOM nor Orthanc is known here."""
