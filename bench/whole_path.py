"""The whole path against its floor: a job in a real node, and nothing but inference on the same slices.

Floor: `session.run` over the same prepared slices, by as many threads as the node uses, in this process. The
job's wall time is the worker's own, from its start to its end in the ledger; in it are fetching from Orthanc,
decoding, preparing, checking, writing and storing. Wall times want a quiet machine; processor time, of
Orthanc and of our processes from the job's start to its end, less so: `python -m bench.whole_path [slices]`.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from pydicom import dcmread
from pydicom.uid import generate_uid

from bench.processor_time import used_s
from pipelines.catalog import Catalog, CatalogEntry
from plugin.demo.client import Visitor
from plugin.demo.send import Receiver, send_folder
from plugin.demo.show import free_port
from plugin.launch import Running, Wishes, effective_configuration
from plugin.preflight import find_orthanc
from plugin.settings import REPOSITORY

DEMO = REPOSITORY / "demo" / "ct_lidc_0314"


def main(slices: int) -> None:
    entry = Catalog.load([REPOSITORY / "pipelines"])["ct-denoise"]
    with tempfile.TemporaryDirectory() as scratch:
        series = Path(scratch) / "series"
        study_uid = long_series(series, slices)
        floor_s, floor_cpu_s = map(min, zip(*(inference_only(entry, slices) for _ in range(2)), strict=True))
        job, received_s, samples = in_a_node(Path(scratch), series, study_uid)
    wall_s = seconds(job["finished"]) - seconds(job["started"])
    print(f"slices                         {slices} of 512 x 512, {os.cpu_count()} cores")
    print(f"floor, inference only          {floor_s:8.2f} s   {1000 * floor_s / slices:6.1f} ms a slice")
    print(f"job, in the node               {wall_s:8.2f} s   ratio to the floor {wall_s / floor_s:.3f}")
    print_processor_time(between(samples, job), slices, floor_cpu_s)
    print(f"first C-STORE to last result   {received_s:8.2f} s   (quiet time of the rules included)")


def long_series(folder: Path, slices: int) -> str:
    """A series of any length from the demonstration's slices, over and over along z, uncompressed."""
    folder.mkdir()
    templates = [dcmread(path) for path in sorted(DEMO.glob("*.dcm"))]
    study_uid, series_uid, frame_uid = generate_uid(), generate_uid(), generate_uid()
    for number in range(slices):
        dataset = templates[number % len(templates)]
        dataset.decompress() if dataset.file_meta.TransferSyntaxUID.is_compressed else None
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, series_uid
        dataset.FrameOfReferenceUID = frame_uid
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.ImagePositionPatient = [-200, -60, float(number)]
        dataset.InstanceNumber = number + 1
        dataset.save_as(folder / f"{number:05d}.dcm")
    return str(study_uid)


def inference_only(entry: CatalogEntry, slices: int) -> tuple[float, float]:
    """Seconds, and processor seconds, for nothing but `session.run`, by one thread per core: as often a slice
    as the pipeline asks its network.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(entry.read_model(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    channels = session.get_inputs()[0].shape[1]
    values = np.random.default_rng(0).normal(0, 0.05, (1, channels, 512, 512)).astype(np.float32)
    session.run(None, {name: values})
    answers = slices * entry.manifest.repeats.samples
    started, used = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        list(threads.map(lambda _: session.run(None, {name: values}), range(answers)))
    return time.perf_counter() - started, time.process_time() - used


def in_a_node(
    scratch: Path, series: Path, study_uid: str
) -> tuple[dict[str, Any], float, list[tuple[float, dict[str, float]]]]:
    """The job, the seconds from the first C-STORE, and the processor time used so far at many moments."""
    samples = []
    wishes = Wishes(REPOSITORY / "orthanc.json", scratch / "storage", free_port(), free_port())
    configuration = effective_configuration(wishes)
    with Running.start(find_orthanc(), configuration, wishes.configuration) as running:
        running.await_ready()
        started = time.perf_counter()
        send_folder(series, Receiver("127.0.0.1", configuration["DicomPort"], "ORTHOGEN"))
        sent_s = time.perf_counter() - started
        orthanc_pid = running.process.pid
        fate = Visitor(running.url).await_fate(
            study_uid, within_s=1800, tick=lambda _: samples.append((time.time(), used_s(orthanc_pid)))
        )
        samples.append((time.time(), used_s(orthanc_pid)))
        rate = len(list(series.iterdir())) / sent_s
        print(f"C-STORE in                     {sent_s:8.2f} s   {rate:6.1f} instances/s")
        return fate["jobs"][0], time.perf_counter() - started, samples


def between(samples: list[tuple[float, dict[str, float]]], job: dict[str, Any]) -> dict[str, float]:
    """Processor seconds by process from the last sample before the job to the first after it.

    The first and the last sample there is, where the job began before or ended after all of them.
    """
    started, finished = seconds(job["started"]), seconds(job["finished"])
    before = [samples[0][1], *(used for moment, used in samples if moment <= started)][-1]
    after = next((used for moment, used in samples if moment >= finished), samples[-1][1])
    return {name: used - before.get(name, 0.0) for name, used in after.items()}


def print_processor_time(used: dict[str, float], slices: int, floor_cpu_s: float) -> None:
    parts = ", ".join(f"{name} {1000 * s / slices:.1f}" for name, s in sorted(used.items()))
    print(f"processor time, floor          {1000 * floor_cpu_s / slices:8.1f} ms a slice")
    total_s = sum(used.values())
    print(
        f"processor time, job            {1000 * total_s / slices:8.1f} ms a slice ({parts}): "
        f"ratio to the floor {total_s / floor_cpu_s:.3f}"
    )


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process    {peak_mb:8.0f} MB")
