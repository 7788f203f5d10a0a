"""The node: what runs beside Orthanc, and the door that runs inside it."""
