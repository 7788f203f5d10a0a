"""Something that is looked at again and again while other work goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def meanwhile(look: Callable[[], object], *, every_s: float, name: str) -> Iterator[None]:
    """Calls `look` in a thread every so often until the context ends. What it raises is logged, and it is
    called again: a database that is away for a moment must not end the watch.
    """
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every_s):
            try:
                look()
            except Exception as error:  # noqa: BLE001 - see above
                log.warning("%s: %s", name, type(error).__name__)

    watcher = threading.Thread(target=watch, name=name, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
