"""A worker process: takes jobs from the queue, one at a time, and runs the path.

Started by the node, or by `orthogen worker`, with its life line on standard input. Ending it at any moment is
safe: a job's step is run again from its start and writes the same objects.
"""

from __future__ import annotations

import logging

from dbos import DBOS

from pipelines.catalog import Catalog
from pipelines.warm import WarmPipelines
from plugin.delivery.dispatch import Dispatch
from plugin.durable import Executor
from plugin.folders import Folders
from plugin.hand_over import HandOver, end_now
from plugin.orthanc_rest import OrthancRest
from plugin.perform import TAKEN_OVER, Performer
from plugin.run_child import run_child
from plugin.settings import Settings, pipeline_folders
from plugin.space import once_there_is_room
from plugin.submit import INFERENCE_QUEUE, WORKFLOW, Queue

log = logging.getLogger(__name__)


def serve(hand_over: HandOver, settings: Settings, executor: Executor) -> None:
    beyond = settings.orthanc if not hand_over.is_at_node else None
    context = beyond.context() if beyond else None
    performer = Performer(
        name=executor.name,
        orthanc=OrthancRest(hand_over.address, context=context),
        ledger=executor.ledger,
        queue=Queue(executor.ledger),
        dispatch=Dispatch(executor.ledger),
        catalog=Catalog.load(pipeline_folders(settings)),
        settings=settings,
        folders=Folders(hand_over.state),
        is_at_node=hand_over.is_at_node,
        space=settings.space(hand_over.written_folders),
        pipelines=WarmPipelines(settings.execution),
    )
    performer.warm()
    register(performer, executor)
    executor.launch().take_from({INFERENCE_QUEUE: 1})


def register(performer: Performer, executor: Executor) -> None:
    """The durable workflow: one step, because the path is one stream."""

    @DBOS.step(name="perform")
    def perform(job_id: str, attempt: int) -> str:
        state = once_there_is_room(lambda: performer.perform(job_id, attempt), performer.space)
        if state == TAKEN_OVER:  # what DBOS would write now belongs to whoever has the job
            log.error(
                "job %s was given to another process, because this one counted as dead: it ends", job_id
            )
            end_now(3)
        executor.bell.ring()  # the slot is free
        return state

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)  # crashes are counted in plugin.holding
    def run(job_id: str, attempt: int) -> str:
        return perform(job_id, attempt)


def main() -> None:
    run_child("worker", INFERENCE_QUEUE, serve)


if __name__ == "__main__":
    main()
