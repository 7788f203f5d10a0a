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

PENDING = sa.Table(
    "orthogen_pending_series",
    METADATA,
    sa.Column("series_orthanc_id", sa.Text, primary_key=True),
    sa.Column("last_instance_at", sa.Float, nullable=False),
)
"""Series that have received an instance and have not been judged complete since."""

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
    sa.Column("study_instance_uid", sa.Text, nullable=False, index=True),
    sa.Column("source_series_uid", sa.Text, nullable=False, index=True),
    sa.Column("series_orthanc_id", sa.Text, nullable=False),
    sa.Column("instances", sa.JSON, nullable=False),
    sa.Column("result_series_uids", sa.JSON, nullable=False),
    sa.Column("verdict", sa.Text),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("figures", sa.JSON, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
)
"""One row per job; `instances` is the snapshot of the series the job works on: [[SOP Instance UID, Orthanc
id]].
"""

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
