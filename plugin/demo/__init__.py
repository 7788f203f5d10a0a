"""The demonstration: the main job on real studies, with pictures."""
