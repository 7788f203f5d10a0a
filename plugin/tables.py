"""The ledger's tables. Times are seconds since 1970 (UTC); JSON columns hold plain lists and objects."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

CURSOR = sa.Table(
    "orthogen_cursor",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)
"""The last entry of Orthanc's /changes that has been taken in."""

WATCHED = sa.Table(
    "orthogen_watched_series",
    METADATA,
    sa.Column("series_orthanc_id", sa.Text, primary_key=True),
    sa.Column("last_instance_at", sa.Float, nullable=False),
    sa.Column("look_at", sa.Float, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("study_instance_uid", sa.Text, index=True),
    sa.Column("reason", sa.Text, nullable=False),
)
"""Series whose fate is open: `arriving` until complete, then `waiting` while a rule still waits for
something.
`look_at` is when to look again, `reason` what is waited for."""

TRAFFIC = sa.Table(
    "orthogen_traffic",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("study_instance_uid", sa.Text, nullable=False, index=True),
    sa.Column("series_instance_uid", sa.Text, nullable=False),
    sa.Column("series_orthanc_id", sa.Text, nullable=False, index=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("facts", sa.LargeBinary, nullable=False),
)
"""What the rules saw of each complete series: for other rules of the same study, for replay, for rate limits.
It may point at a person, and goes when the series is deleted from Orthanc."""

RULE_SETS = sa.Table(
    "orthogen_rule_sets",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("rules_text", sa.Text, nullable=False),
)
"""Every rule set that was in force; the highest number is. Nothing here is ever changed or deleted."""

DESTINATION_SETS = sa.Table(
    "orthogen_destination_sets",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("destinations_text", sa.Text, nullable=False),
)
"""Every set of destinations that was in force, as written in the configuration, with the passwords that stand
there; the highest number is. Nothing here is ever changed or deleted."""

FILE_RULES = sa.Table(
    "orthogen_file_rules",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
)
"""The rules (`file`) and destinations (`destinations`) of the configuration file as last taken in, so that a
restart does not undo a change by the API."""

HOUSEKEEPING = sa.Table(
    "orthogen_housekeeping",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
)
"""When each chore was done last: `room`, a write to see whether the database still takes any; `retention`."""

JOBS = sa.Table(
    "orthogen_jobs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("pipeline_version", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("on_hold", sa.Text, nullable=False),
    sa.Column("priority", sa.Text, nullable=False),
    sa.Column("send_to", sa.JSON, nullable=False),
    sa.Column("companions", sa.JSON, nullable=False),
    sa.Column("output", sa.Text, nullable=False, server_default="classic"),
    sa.Column("gate", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("study_instance_uid", sa.Text, nullable=False, index=True),
    sa.Column("source_series_uid", sa.Text, nullable=False, index=True),
    sa.Column("series_orthanc_id", sa.Text, nullable=False),
    sa.Column("instances", sa.JSON, nullable=False),
    sa.Column("further", sa.JSON, nullable=False),
    sa.Column("result_series_uids", sa.JSON, nullable=False),
    sa.Column("verdict", sa.Text),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("figures", sa.JSON, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("decision", sa.Text),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided", sa.Float),
    sa.Column("results_deleted", sa.Float),
    sa.Index(
        "orthogen_jobs_in_short",
        *("state", "pipeline", "pipeline_version", "verdict", "mode", "priority", "decision", "id"),
        *("created", "started", "finished"),
    ),
)
"""One row per job. `instances` is the snapshot of the series that it works on, [[SOP Instance UID, Orthanc
id]];
`further` holds the series of the pipeline's further inputs, each with its snapshot. `holder` is the process
that runs it, `crashes` how often one died doing so (plugin.holding). `decision`, `decided_by` and `decided`
say what a person did last; `results_deleted` when retention took the results."""

GATE_REPORTS = sa.Table(
    "orthogen_gate_reports",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("made", sa.Float, nullable=False),
    sa.Column("html_gzip", sa.LargeBinary, nullable=False),
)
"""The page with pictures on how the gate came to a job's verdict, one a job."""

GATE_FIGURES = sa.Table(
    "orthogen_gate_figures",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("pipeline", sa.Text, nullable=False),
    sa.Column("pipeline_version", sa.Text, nullable=False),
    sa.Column("model_sha256", sa.Text, nullable=False),
    sa.Column("scanner", sa.Text, nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("figures", sa.JSON, nullable=False),
)
"""What the gate measured on each study, for control charts; names no patient and no study, so it outlives the
job."""

RESULT_SERIES = sa.Table(
    "orthogen_result_series",
    METADATA,
    sa.Column("series_instance_uid", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
)
"""Every series this node has written or begun to write: our own results are never input."""

EXPLANATIONS = sa.Table(
    "orthogen_explanations",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("study_instance_uid", sa.Text, nullable=False, index=True),
    sa.Column("series_instance_uid", sa.Text, nullable=False, index=True),
    sa.Column("content_sha256", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("routing", sa.JSON, nullable=False),
)
"""Why each series was, or was not, processed, each time it was complete."""

DELIVERIES = sa.Table(
    "orthogen_deliveries",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("destination", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("turn", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("last_error", sa.Text),
    sa.Column("next_attempt", sa.Float),
    sa.Column("waits_for", sa.Text),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
)
"""One row per job and destination. `turn` counts how often it was queued, `attempts` how often the
destination was called: of two processes with one delivery only the one with the present ones may write.
`waits_for` says what an open delivery waits for until `next_attempt`."""

DELIVERY_IMAGES = sa.Table(
    "orthogen_delivery_images",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("destination", sa.Text, primary_key=True),
    sa.Column("sop_instance_uid", sa.Text, primary_key=True),
    sa.Column("sop_class_uid", sa.Text, nullable=False),
    sa.Column("transfer_syntax_uid", sa.Text, nullable=False),
    sa.Column("instance_orthanc_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("commitment_failures", sa.Integer, nullable=False),
    sa.Column("md5", sa.Text),
)
"""What a delivery consists of, and the fate of each image: pending, stored, committed, refused or kept, with
the DIMSE status the destination gave. `md5` tells whether an image differs from what the destination got for
an earlier job."""

TALLIES = sa.Table(
    "orthogen_tallies",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("labels", sa.Text, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)
"""What deleted jobs and deliveries have added to each counter; `labels` is a JSON list."""

COMMITMENTS = sa.Table(
    "orthogen_commitments",
    METADATA,
    sa.Column("transaction_uid", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, nullable=False),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("asked", sa.Float, nullable=False),
)
"""Every request for storage commitment: its report may come hours later."""

CONTACTS = sa.Table(
    "orthogen_contacts",
    METADATA,
    sa.Column("destination", sa.Text, primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("failing_since", sa.Float),
    sa.Column("rest_until", sa.Float, nullable=False),
    sa.Column("last_error", sa.Text),
    sa.Column("last_error_at", sa.Float),
    sa.Column("last_success", sa.Float),
)
"""How it goes with each destination. `failures` counts in a row; until `rest_until` it is left alone."""

EXECUTORS = sa.Table(
    "orthogen_executors",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("calls", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
    sa.Column("shortage", sa.Text, nullable=False, server_default=""),
)
"""The processes of all machines that take work (PostgreSQL only): `calls` is what they take, `seen` their
last heartbeat by the database's clock, `shortage` which of their disks are full (empty: none)."""
