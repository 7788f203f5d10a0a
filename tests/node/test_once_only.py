"""The same study twice, a late slice, and our own results: what makes a job and what does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import UID

from tests.node.a_node import ANode, storescu


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ANode]:
    with ANode(tmp_path / "storage") as node:
        yield node


def test_twice_sent_is_once_done_and_a_late_slice_is_new_work(node: ANode, ct_files: list[Path]) -> None:
    storescu(ct_files[:4], node.dicom_port)
    (first,) = node.ended_jobs(1)
    storescu(ct_files[:4], node.dicom_port)
    time.sleep(2)
    node.settled()
    assert [job["id"] for job in node.jobs()] == [first["id"]]
    assert [len(series["Instances"]) for series in node.result_series()] == [4]

    storescu(ct_files[4:5], node.dicom_port)
    second, _ = node.ended_jobs(2)
    assert second["state"] == "done"
    assert second["result_series_uids"] != first["result_series_uids"]
    assert sorted(len(series["Instances"]) for series in node.result_series()) == [4, 5]
    instances = [uid for series in node.result_series() for uid in series["Instances"]]
    assert len(set(instances)) == 9


def test_our_own_result_sent_back_in_is_recognised_by_evidence(
    node: ANode, ct_files: list[Path], tmp_path: Path
) -> None:
    """As if it came from the PACS again, with the description changed and the node's memory of it gone."""
    storescu(ct_files[:2], node.dicom_port)
    node.ended_jobs(1)
    (series,) = node.result_series()
    files = []
    for number, data in enumerate(node.files_of(series)):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(data)
        dataset = dcmread(path)
        dataset.SeriesDescription = "thorax 1 mm"
        dataset.SeriesInstanceUID = series["MainDicomTags"]["SeriesInstanceUID"] + ".1"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}")
        dataset.save_as(path)
        files.append(path)
    study = str(dataset.StudyInstanceUID)
    seen = len(node.explained(study))
    storescu(files, node.dicom_port)
    judgements = node.explained(study, seen + 1)
    assert "a result of this node is never input" in judgements[-1]["summary"]
    assert len(node.jobs()) == 1


def test_two_series_sent_interleaved_are_each_processed(
    node: ANode, ct_files: list[Path], mr_files: list[Path]
) -> None:
    mixed = [path for pair in zip(ct_files[:4], mr_files[:4], strict=True) for path in pair]
    storescu(mixed, node.dicom_port)
    (job,) = node.ended_jobs(1)
    assert job["source_instances"] == 4
    assert node.explained(str(dcmread(mr_files[0]).StudyInstanceUID))
