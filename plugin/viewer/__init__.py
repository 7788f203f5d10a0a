"""The viewer OHIF under /orthogen/ohif/, with original, result and difference side by side."""
