"""A worker process: takes jobs from the queue, one at a time, and runs the path.

Started by the node, or by `orthogen worker`, with its life line on standard input. Ending it at any moment is
safe: a job's step is run again from its start and writes the same objects.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from dbos import DBOS

from pipelines.catalog import Catalog
from pipelines.warm import WarmPipelines
from plugin.database import NoAnswer
from plugin.delivery.dispatch import Dispatch
from plugin.durable import Executor
from plugin.folders import Folders
from plugin.hand_over import HandOver, end_now
from plugin.holding import lay_down
from plugin.orthanc_rest import OrthancRest
from plugin.own_results import OwnResults
from plugin.perform import TAKEN_OVER, Performer
from plugin.run_child import run_child
from plugin.settings import Settings, pipeline_folders
from plugin.space import NoSpaceHere, await_room, once_there_is_room
from plugin.submit import INFERENCE_QUEUE, WORKFLOW, Queue

log = logging.getLogger(__name__)


def serve(hand_over: HandOver, settings: Settings, executor: Executor) -> None:
    beyond = settings.orthanc if not hand_over.is_at_node else None
    context = beyond.context() if beyond else None
    performer = Performer(
        name=executor.name,
        results=OwnResults(OrthancRest(hand_over.address, context=context), executor.ledger, executor.signs),
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
    executor.launch().take_from({INFERENCE_QUEUE: 1}, first=lambda: await_room(performer.space))


def register(performer: Performer, executor: Executor) -> None:
    """The durable workflow: one step, because the path is one stream."""

    @DBOS.step(name="perform")
    def perform(job_id: str, attempt: int) -> str:
        if performer.is_at_node:
            state = once_there_is_room(lambda: performer.perform(job_id, attempt), performer.space)
        else:
            state = once_there_is_room(lambda: here_or_elsewhere(performer, executor, job_id, attempt))
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


def here_or_elsewhere(performer: Performer, executor: Executor, job_id: str, attempt: int) -> str:
    """On a machine of its own: while its disk is full, the job is for others. As at every other end of a
    process, they find it laid down; this one, started anew, takes none before there is room.
    """
    try:
        performer.space.require()
        return performer.perform(job_id, attempt)
    except NoSpaceHere as full:
        log.error("job %s goes to another worker: %s", job_id, full)
        with suppress(NoAnswer):
            lay_down(executor.ledger, executor.name)
        end_now(5)
        raise


def main() -> None:
    run_child("worker", INFERENCE_QUEUE, serve)


if __name__ == "__main__":
    main()
