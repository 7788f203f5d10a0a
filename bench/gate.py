"""What the gate costs beside the inference, in processor time of one thread.

    python -m bench.gate

Accept: at most 15 % of the inference, or 30 ms a slice, whichever is more. Slices are those of the bundled
studies, and one CT slice enlarged to 1024 x 1024.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bench.fault_kinds import Slices
from bench.fault_pipelines import Judge, judges
from bench.fault_studies import dicom_slices
from pipelines.gate import Gate
from pipelines.manifest import Manifest
from pipelines.volume import SliceResult, SliceValues
from plugin.settings import REPOSITORY

ALLOWED_SHARE, ALLOWED_MS = 0.15, 30.0
ROUNDS = 3


def main() -> int:
    """Command line; 1 where the gate costs more than it may."""
    found = judges(mr_denoise=True)
    chest, brain = (dicom_slices(REPOSITORY / "demo" / name)[:8] for name in ("ct_lidc_0314", "mr_brain_pd"))
    large = [np.repeat(np.repeat(values, 2, 0), 2, 1) for values in chest[:3]]
    missed = False
    for title, modality, slices in (
        ("chest CT", "CT", chest),
        ("brain MR", "MR", brain),
        ("CT", "CT", large),
    ):
        rows, columns = slices[0].shape
        said, kept = compared(f"{title} {rows}x{columns}", found[modality], slices)
        print(said)
        missed |= not kept
    return int(missed)


def compared(title: str, judge: Judge, slices: Slices) -> tuple[str, bool]:
    """In words, and whether the gate kept to what it may cost."""
    results = judge.denoise(slices)
    inference_ms = milliseconds(lambda: judge.denoise(slices)) / len(slices)
    gate_ms = milliseconds(lambda: watched(judge.manifest, slices, results)) / len(slices)
    allowed = max(ALLOWED_SHARE * inference_ms, ALLOWED_MS)
    said = f"gate {gate_ms:.1f} ms a slice, inference {inference_ms:.0f} ms ({judge.manifest.name})"
    kept = gate_ms <= allowed
    return f"{title}: {said}; allowed {allowed:.0f} ms: {'kept' if kept else 'MISSED'}", kept


def watched(manifest: Manifest, slices: Slices, results: Slices) -> None:
    gate = Gate(manifest)
    for index, (source, result) in enumerate(zip(slices, results, strict=True)):
        gate.observe(SliceResult(SliceValues(index, source), result))
    gate.verdict()


def milliseconds(work: Callable[[], object]) -> float:
    """The least of a few rounds."""
    work()
    return 1000 * min(_seconds(work) for _ in range(ROUNDS))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    raise SystemExit(main())
