"""The metrics of a real node, read as Prometheus reads them."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from pydicom import dcmread

from tests.node.a_destination import Peer
from tests.node.a_node import CT_RULE, ANode, free_port, storescu, until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(node: ANode) -> Samples:
    answer = node.request("GET", "/orthogen/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(answer.data.decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[(name, tuple(sorted(labels.items())))]


def test_metrics_count_what_was_done_and_go_on_counting_after_a_restart(
    tmp_path: Path, ct_files: list[Path]
) -> None:
    peer = Peer()
    section = {
        "Destinations": {"PACS": peer.section(), "DOWN": {**peer.section(), "Port": free_port()}},
        "Rules": [{**CT_RULE, "SendTo": ["PACS"]}],
    }
    with peer, ANode(tmp_path / "storage", section) as node:
        storescu(ct_files[:3], node.dicom_port)
        (job,) = node.ended_jobs(1)
        samples = scraped(node)
        of_it = {"pipeline": "ct-denoise", "pipeline_version": job["pipeline_version"]}
        assert value(samples, "orthogen_build_info", version=job["node_version"]) == 1
        assert value(samples, "orthogen_healthy") == 1
        assert value(samples, "orthogen_jobs", state="done", **of_it) == 1
        assert value(samples, "orthogen_jobs", state="failed", **of_it) == 0
        assert value(samples, "orthogen_jobs_created_total", **of_it) == 1
        assert value(samples, "orthogen_verdicts", verdict=job["verdict"], **of_it) == 1
        assert value(samples, "orthogen_queue_jobs", priority="stat") == 0
        assert value(samples, "orthogen_queue_oldest_age_seconds") == 0
        assert value(samples, "orthogen_deliveries", destination="PACS", state="delivered") == 1
        assert value(samples, "orthogen_deliveries", destination="DOWN", state="waiting") == 0
        assert value(samples, "orthogen_breaker_open", destination="PACS") == 0
        assert value(samples, "orthogen_worker_up", slot="0") == 1
        assert value(samples, "orthogen_disk_free_bytes", folder=str(tmp_path / "storage" / "orthogen")) > 0
        name, figure = next(iter(job["figures"].items()))
        assert value(samples, "orthogen_gate_figure_mean", figure=name, **of_it) == figure
        for histogram in ("orthogen_job_wait_seconds", "orthogen_job_process_seconds"):
            assert value(samples, f"{histogram}_gcount", pipeline="ct-denoise") == 1
            assert value(samples, f"{histogram}_bucket", pipeline="ct-denoise", le="+Inf") == 1
            assert value(samples, f"{histogram}_gsum", pipeline="ct-denoise") > 0
        assert value(samples, "orthogen_delivery_seconds_count", destination="PACS") == 1
        assert_well_named(node)
        assert_says_nothing_of_a_person(node, ct_files[0])
        node.stop()
        node.start()
        until(lambda: node.request("GET", "/orthogen/metrics").status == 200, "metrics after the restart")
        after = scraped(node)
        assert value(after, "orthogen_jobs_created_total", **of_it) == 1
        assert value(after, "orthogen_delivery_seconds_count", destination="PACS") == 1


def assert_well_named(node: ANode) -> None:
    """Snake case, base units, `_total` on counters only, and a help for each (prometheus.io, naming)."""
    text = node.request("GET", "/orthogen/metrics").data.decode()
    families = [each for each in parse_text(text) if each.name.startswith("orthogen_")]
    assert len(families) >= 15
    for family in families:
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", family.name), family.name
        assert family.documentation, family.name
        assert family.type != "unknown", family.name
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
        assert not re.search(r"(millis|minutes|_ms|megabytes|_mb)", family.name), family.name
    openmetrics = node.request("GET", "/orthogen/metrics", Accept="application/openmetrics-text")
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    stricter = parse_openmetrics(openmetrics.data.decode())  # type: ignore[no-untyped-call]
    assert list(stricter)


def assert_says_nothing_of_a_person(node: ANode, file: Path) -> None:
    text = node.request("GET", "/orthogen/metrics").data.decode()
    dataset = dcmread(file, stop_before_pixels=True)
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "AccessionNumber"):
        found = str(dataset.get(keyword, ""))
        assert not found or found not in text, keyword
