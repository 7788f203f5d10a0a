"""The node process: its parts, put together once.

Started by the door with its life line on standard input. Two threads do the work: this one serves HTTP on the
Unix socket that only the door may open, the receiver follows Orthanc's changes. Inference is in the workers.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from pipelines.catalog import Catalog
from pipelines.errors import ConfigurationError, OrthogenError, PassingTrouble
from plugin.configuration_file import Books, ConfigurationFile, section_in_file
from plugin.database import database_url, open_engine, prepare_database
from plugin.delivery.association import quiet_pynetdicom
from plugin.delivery.destination_book import DestinationBook
from plugin.delivery.dispatch import Dispatch
from plugin.door.supervise import Child, ignore
from plugin.folders import Folders
from plugin.follow import take_in_changes
from plugin.hand_over import HandOver, end_now, follow_life_line, read_hand_over, say_ready
from plugin.housekeeping import Housekeeping
from plugin.interface import make_app
from plugin.ledger import Ledger
from plugin.logs import log_to_stderr
from plugin.orthanc_rest import OrthancRest
from plugin.own_results import OwnResults
from plugin.pages.routes import page_routes
from plugin.parts import Parts
from plugin.preflight import configuration_problems
from plugin.receive import Reception
from plugin.rule_book import RuleBook
from plugin.server_line import life_signs
from plugin.settings import REPOSITORY, pipeline_folders, read_settings, viewer_folder
from plugin.space import Alarm, NoSpace
from plugin.submit import INFERENCE_QUEUE, Queue
from plugin.tidy import forget_deleted, set_aside_held, tidy_up
from plugin.viewer.serve import viewer_routes
from plugin.watch import Watched, all_watched, due, put_off

LOOK_EVERY_S = 5.0
"""Without a wake-up, /changes is read this often all the same."""
GATHER_S = 0.25
"""From one reading to the next at least: what comes meanwhile, as the results of a running job do one by one,
is taken in at once, for the price of one."""
TROUBLE_PAUSE_S = 1.0
FORGET_EVERY_S = 600.0
UNJUDGED_PAUSE_S = 60.0
"""A series that cannot be judged must not keep the others waiting."""

log = logging.getLogger(__name__)


class Node:
    """What runs in this process."""

    def __init__(self, parts: Parts, hand_over: HandOver) -> None:
        self.parts = parts
        self.socket_path = hand_over.socket
        books = Books(parts.reception.rule_book, parts.destinations)
        self.configuration_file = ConfigurationFile(hand_over.configuration_path, books)
        self.wake = threading.Event()
        self.sends = False
        self.forgot_at = float("-inf")
        self.housekeeping = Housekeeping(parts)

    @classmethod
    def assemble(cls, hand_over: HandOver) -> Node:
        """Raises OrthogenError when the configuration, a model or the database cannot be used."""
        settings = read_settings(hand_over.section)
        catalog = Catalog.load(pipeline_folders(settings))
        refuse_errors(hand_over, catalog)
        hand_over.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        url = database_url(settings.database, hand_over.state)
        prepare_database(url)
        sender = make_child("plugin.delivery.sender", hand_over)
        workers = make_workers(hand_over, settings.workers, sender)
        ledger = Ledger(open_engine(url), waking(workers, sender))
        queue = Queue(ledger)
        destinations = DestinationBook(ledger.engine)
        rule_book = RuleBook(ledger.engine, catalog, destinations)
        Books(rule_book, destinations).take_in(*section_at_start(hand_over))
        orthanc, folders = OrthancRest(hand_over.address), Folders(hand_over.state)
        reception = Reception(orthanc, ledger, queue, catalog, settings, rule_book)
        parts = Parts(
            folders=folders,
            settings=settings,
            catalog=catalog,
            ledger=ledger,
            queue=queue,
            reception=reception,
            results=OwnResults(orthanc, ledger, life_signs(ledger.engine, folders)),
            workers=workers,
            dispatch=Dispatch(ledger),
            destinations=destinations,
            sender=sender,
            called_ae_title=hand_over.called_ae_title,
            space=settings.space(hand_over.written_folders),
            alarm=Alarm(),
        )
        return cls(parts, hand_over)

    @property
    def children(self) -> list[Child]:
        return [*self.parts.workers, self.parts.sender]

    def run(self) -> None:
        """Serves until the life line ends."""
        self.parts.queue.resume()
        self.parts.dispatch.resume(self.parts.destinations.destinations())
        for worker in self.parts.workers:
            worker.start()
        self._start_sender()
        threading.Thread(target=self._receive, name="receiver", daemon=True).start()
        say_ready()
        viewer = viewer_routes(viewer_folder(self.parts.settings))
        app = make_app(self.parts, [*page_routes(self.parts), *viewer])
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        uvicorn.Server(config).run(sockets=[private_socket(self.socket_path)])
        self.stop()

    def stop(self) -> None:
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.stop()
        end_now()

    def _start_sender(self) -> None:
        """Once there is where to send: until then the process would only cost memory."""
        if not self.sends and self.parts.destinations.destinations():
            self.parts.sender.start()
            self.sends = True

    def _receive(self) -> None:
        pause_s = 0.0
        while True:
            self.wake.wait(pause_s)
            self.wake.clear()
            pause_s = self._receive_once()
            time.sleep(min(pause_s, GATHER_S))

    def _receive_once(self) -> float:
        """Takes in what came, judges what is complete; returns the seconds until there may be more."""
        try:
            self.housekeeping.clean()
            self.housekeeping.require_room()
            self._mend()
            reception = self.parts.reception
            take_in_changes(reception.orthanc, self.parts.ledger, reception.first_look_s())
            self.configuration_file.look()
            ready, next_in_s = due(all_watched(self.parts.ledger.engine), time.time())
            for watched in ready:
                self._look(watched)
                next_in_s = 0.0
            self.parts.alarm.off()
            return min(next_in_s, LOOK_EVERY_S)
        except NoSpace as full:
            self.parts.alarm.on(full)
        except PassingTrouble as trouble:
            log.warning("%s", trouble)
        except Exception:
            log.exception("the receiver met an error; it goes on")
        return TROUBLE_PAUSE_S

    def _mend(self) -> None:
        """What a crash has left between two states goes on, whatever else is wrong."""
        try:
            self.parts.queue.mend()
            tidy_up(self.parts.results)
            set_aside_held(self.parts.results, self.parts.folders)
            if time.monotonic() - self.forgot_at > FORGET_EVERY_S:
                forget_deleted(self.parts.reception.orthanc, self.parts.ledger)
                self.forgot_at = time.monotonic()
            self._start_sender()
            self.parts.dispatch.mend(self.parts.destinations.destinations())
        except PassingTrouble as trouble:
            log.warning("%s", trouble)
        except Exception:
            log.exception("mending met an error; it is tried again")

    def _look(self, watched: Watched) -> None:
        try:
            for job in self.parts.reception.look(watched):
                log.info("job %s: %s by rule %r", job.id, job.pipeline, job.rule)
        except NoSpace:
            raise
        except Exception as error:
            log.exception("series %s could not be judged", watched.series_orthanc_id)
            pause_s = TROUBLE_PAUSE_S * 5 if isinstance(error, PassingTrouble) else UNJUDGED_PAUSE_S
            until = time.time() + pause_s
            put_off(
                self.parts.ledger.engine, watched, until=until, reason="it could not be judged: see the log"
            )


def private_socket(path: str) -> socket.socket:
    """A listening Unix socket that this user alone may open."""
    Path(path).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    Path(path).chmod(0o600)
    return listening


def make_child(module: str, hand_over: HandOver, on_call: Callable[[str], None] = ignore) -> Child:
    line = replace(hand_over, socket="").line()
    return Child([sys.executable, "-m", module], str(REPOSITORY), line, pass_on, on_call)


def make_workers(hand_over: HandOver, count: int, sender: Child) -> tuple[Child, ...]:
    """What a worker has finished is the sender's to deliver."""
    return tuple(make_child("plugin.worker", hand_over, lambda _: sender.wake()) for _ in range(count))


def waking(workers: Sequence[Child], sender: Child) -> Callable[[str], None]:
    """What to do when there is work in a queue."""

    def wake(calls: str) -> None:
        for child in workers if calls == INFERENCE_QUEUE else (sender,):
            child.wake()

    return wake


def pass_on(line: str) -> None:
    sys.stderr.write(line + "\n")


def section_at_start(hand_over: HandOver) -> tuple[Mapping[str, Any], str]:
    """The section as the file is now; as Orthanc read it where there is no one file.

    The hand-over is as old as Orthanc's start: after a restart of this process alone it would put back what
    has been changed in the file since.
    """
    path = Path(hand_over.configuration_path or ".")
    if path.is_file():
        with suppress(ConfigurationError):
            return section_in_file(path), path.name
    return hand_over.section, "at start"


def refuse_errors(hand_over: HandOver, catalog: Catalog) -> None:
    """Rules that name what does not exist are found before anything starts."""
    errors = [
        problem
        for problem in configuration_problems(hand_over.section, catalog)
        if problem.severity == "error"
    ]
    if errors:
        raise ConfigurationError(f"{errors[0].path}: {errors[0].what}", remedy=errors[0].allowed)


def main() -> None:
    log_to_stderr("node")
    quiet_pynetdicom()
    # Inherited by the workers: BLAS threads would spin against the inference threads.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    hand_over = read_hand_over()
    try:
        node = Node.assemble(hand_over)
    except OrthogenError as error:
        log.error("%s", error)
        end_now(2)
        return
    follow_life_line(on_line=node.wake.set, on_end=node.stop)
    node.run()


if __name__ == "__main__":
    main()
