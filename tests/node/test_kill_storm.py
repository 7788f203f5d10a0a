"""Sixty studies, each submitted three times and more, under kill -9 of every process: nothing is lost, and
nothing is done or delivered twice."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.node.a_counting_pacs import CountingPacs, counting_pacs
from tests.node.a_destination import CHANGES
from tests.node.a_node import ANode, free_port, until
from tests.node.a_postgres import APostgres
from tests.node.a_storm import Storm, jobs_or_none
from tests.node.small_studies import PIPELINE, SmallStudy, small_pipeline, small_studies

STUDIES, SLICES = 60, 2
SEED = int(os.environ.get("STORM_SEED", "20261122"))
KILLS = Counter(orthanc=6, node=6, worker=8, sender=4)


def stormy_node(folder: Path, pacs: CountingPacs, commitment_port: int, **section: Any) -> ANode:
    """Complete is what Images in Acquisition says: a kill in the midst of a study must not make two of it."""
    rule = {"Name": "all", "When": {"Modality": {"Equals": "CT"}}, "Pipeline": PIPELINE, "SendTo": ["PACS"]}
    by_count = {"QuietSeconds": 300, "ExpectedCount": "ImagesInAcquisition"}
    return ANode(
        folder / "storage",
        {
            "PipelineFolders": [str(small_pipeline(folder))],
            "Rules": [rule],
            "Completeness": {"Default": by_count},
            "Destinations": {"PACS": pacs.section()},
            "CommitmentPort": commitment_port,
            "RetrySeconds": 0.3,
            "MaximumAttempts": 20,
            **section,
        },
    )


def all_done(node: ANode) -> list[dict[str, Any]]:
    """The jobs, once every study has one and none is open."""

    def ended() -> list[dict[str, Any]] | None:
        jobs = jobs_or_none(node)
        studies = {job["study_instance_uid"] for job in jobs}
        closed = all(job["state"] in ("done", "failed", "held") for job in jobs)
        return jobs if len(studies) == STUDIES and closed else None

    return until(ended, "the end of all jobs", within_s=180)


def require_once_each(node: ANode, studies: list[SmallStudy]) -> list[str]:
    """One job and one whole result for each study; the SOP Instance UIDs of all results, sorted."""
    jobs = all_done(node)
    unfinished = [(job["state"], job["reasons"], job["deliveries"]) for job in jobs if job["state"] != "done"]
    assert not unfinished
    assert sorted(job["study_instance_uid"] for job in jobs) == sorted(s.study_instance_uid for s in studies)
    series = node.result_series()
    assert len({each["ParentStudy"] for each in series}) == len(series) == STUDIES
    assert {len(each["Instances"]) for each in series} == {SLICES}
    of_results = {instance for each in series for instance in each["Instances"]}
    return sorted(
        each["MainDicomTags"]["SOPInstanceUID"]
        for each in node.get("/instances?expand")
        if each["ID"] in of_results
    )


def require_delivered_once(node: ANode, pacs: CountingPacs, results: list[str], kills: list[str]) -> None:
    """The PACS holds the results and nothing else, has committed to each, and accepted none twice, but for
    what a sender that was killed had not yet noted as sent."""
    assert pacs.holds() == results
    deliveries = [one for job in node.jobs() for one in job["deliveries"]]
    assert [(one["state"], one["committed"]) for one in deliveries] == [("delivered", SLICES)] * STUDIES
    accepted = pacs.accepted()
    assert set(accepted) == set(results)
    kills_of_the_sender = sum(kind != "worker" for kind in kills)
    repeated = accepted.total() - STUDIES * SLICES
    sys.stdout.write(f"{repeated} images repeated\n")
    assert repeated <= kills_of_the_sender * SLICES


def require_known(node: ANode, studies: list[SmallStudy]) -> None:
    """Asked for once more by hand, each is known to have been done."""
    for study in studies:
        wanted = {"series_instance_uid": study.series_instance_uid, "pipeline": PIPELINE}
        assert node.request("POST", "/orthogen/api/jobs", wanted, **CHANGES).status == 409


def rage(
    folder: Path,
    ct_files: list[Path],
    plan: Counter[str] = KILLS,
    crashes: Mapping[str, Callable[[], None]] | None = None,
    **section: Any,
) -> None:
    """The whole storm; what it did is on standard output, which pytest shows for a test that fails."""
    sys.stdout.write(f"seed {SEED}; another one: STORM_SEED=N\n")
    studies = small_studies(ct_files, folder / "studies", count=STUDIES, slices=SLICES)
    commitment_port = free_port()
    with (
        counting_pacs(folder / "pacs", commitment_port) as pacs,
        stormy_node(folder, pacs, commitment_port, **section) as node,
    ):
        storm = Storm(node, SEED, crashes or {})
        storm.rage(studies, plan)
        sys.stdout.write(f"killed, {storm.amid_work} of {len(storm.kills)} amid work: {storm.kills}\n")
        results = require_once_each(node, studies)
        require_delivered_once(node, pacs, results, storm.kills)
        require_known(node, studies)
    assert storm.amid_work >= len(storm.kills) // 3, "the kills fell on idle processes and prove little"


def test_a_kill_storm_on_sqlite_loses_nothing_and_doubles_nothing(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    rage(tmp_path, ct_files)


def test_a_kill_storm_on_postgresql_in_which_the_database_crashes_too(
    tmp_path: Path, ct_files: list[Path], postgres: APostgres
) -> None:
    def crash() -> None:
        postgres.stop("immediate")
        postgres.start()

    plan = KILLS + Counter(database=2)
    rage(tmp_path, ct_files, plan, {"database": crash}, Database=postgres.fresh_database())
