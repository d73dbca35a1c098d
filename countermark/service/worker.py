"""A worker process: one video at a time and a few examinations beside it, until it is told to stop."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from dbos import DBOS, DBOSConfig
from sqlalchemy.exc import SQLAlchemyError

from countermark.core.database import database_url
from countermark.core.settings import Settings, get_settings
from countermark.service.catalogue import Catalogue
from countermark.service.crew import BEAT_SECONDS, Crew
from countermark.service.files import FileStore
from countermark.service.jobs import JobStore
from countermark.service.logs import set_up_logging
from countermark.service.options import ServiceSettings, get_service_settings
from countermark.service.queue import APPLICATION, DELIVERIES, EXAMINATIONS, GENERATIONS, VERSION, JobQueue, quiet
from countermark.service.tables import open_database
from countermark.service.tallies import Tallies
from countermark.service.traces import flush_traces, set_up_traces
from countermark.service.webhooks import WebhookStore
from countermark.service.work import Desk
from countermark.service.workflows import Bench, set_up

log = logging.getLogger("countermark.worker")

_POLL_SECONDS = 0.25
_COPIES_SECONDS = 60.0
"""How often a worker looks for copies of files that this machine need not have any more."""
_GRACE_SECONDS = 20
"""How long a worker that is asked to stop lets its jobs go on; what is unfinished then starts anew elsewhere."""


def run_worker(settings: Settings, options: ServiceSettings, stop: threading.Event) -> None:
    """Work until ``stop`` is set. Raises `ConfigurationError` or `RegistryError` when it cannot start."""
    Catalogue(options.models).check_packages()  # rather than fail on every job
    traced = set_up_traces()
    worker_id = secrets.token_hex(12)
    files = FileStore(options.files_dir(settings), options.store)
    with open_database(settings) as engine:
        jobs, queue, crew = JobStore(engine), JobQueue(engine), Crew(engine)
        desk = Desk(settings, files)
        set_up(Bench(desk, options, jobs, queue, Tallies(engine), WebhookStore(engine)))
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": _plain_url(settings),
            "application_version": VERSION,
            "executor_id": worker_id,
            "log_level": "WARNING",
            "enable_otlp": traced,  # DBOS then makes spans for the provider that is set up
            "otel_attribute_format": "semconv",
        }
        DBOS(config=config)
        quiet()
        crew.join(worker_id)
        DBOS.launch()
        DBOS.register_queue(
            GENERATIONS,
            worker_concurrency=1,
            partition_concurrency=options.tenant_generations,
            polling_interval_sec=_POLL_SECONDS,
            on_conflict="always_update",
        )
        DBOS.register_queue(
            EXAMINATIONS,
            worker_concurrency=options.examinations,
            partition_concurrency=options.tenant_concurrency,
            polling_interval_sec=_POLL_SECONDS,
            on_conflict="always_update",
        )
        DBOS.register_queue(
            DELIVERIES,
            worker_concurrency=16,
            partition_concurrency=8,
            polling_interval_sec=1.0,
            on_conflict="always_update",
        )
        threading.Thread(target=drop_copies, args=(files, jobs, stop), daemon=True).start()
        log.info("worker started", extra={"worker": worker_id})
        try:
            _keep_watch(crew, worker_id, stop)
        finally:
            DBOS.destroy(workflow_completion_timeout_sec=_GRACE_SECONDS)
            # What is unfinished starts anew elsewhere, and has not brought a worker down.
            jobs.excuse(queue.held_by(worker_id))
            crew.leave(worker_id)
            queue.close()
            flush_traces()  # this process ends without Python's own end
            log.info("worker stopped", extra={"worker": worker_id})


def _plain_url(settings: Settings) -> str:
    """The database's URL as DBOS wants it, without a driver's name."""
    url = database_url(settings)
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False)


def _keep_watch(crew: Crew, worker_id: str, stop: threading.Event) -> None:
    """Say that this worker lives, and take over from those that do not."""
    while True:
        try:
            crew.beat(worker_id)
            waiting = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
            executors = {status.executor_id for status in waiting if status.executor_id}
            if dead := executors - crew.living():
                log.warning("taking over", extra={"workers": sorted(dead)})
                # It changes only workflows that these executors still hold, so two that do it at once do it once.
                DBOS._recover_pending_workflows(sorted(dead))
            crew.bury()
        except SQLAlchemyError as error:  # the database may be away for a while
            log.warning("database", extra={"problem": str(error)})
        if stop.wait(BEAT_SECONDS):
            return


def drop_copies(files: FileStore, jobs: JobStore, stop: threading.Event, pause: float = _COPIES_SECONDS) -> None:
    """Remove this machine's copies of what the object store has, until ``stop``; where no server runs nobody else does.

    Not in `_keep_watch`: a slow store must not make a worker seem dead.
    """
    while not stop.wait(pause):
        try:
            files.drop_copies(jobs)
        except Exception as error:  # noqa: BLE001 - whatever a store's driver raises, it may be gone in a minute
            log.warning("copies", extra={"problem": str(error)})


def main() -> NoReturn:
    """Run a worker in this process until SIGTERM, SIGINT, or the end of the server that started it."""
    settings, options = get_settings(), get_service_settings()
    set_up_logging(options.log_level)
    stop = threading.Event()
    stop_on_signals(stop.set)
    if "--attached" in sys.argv[1:]:
        threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
    run_worker(settings, options, stop)
    logging.shutdown()
    os._exit(0)  # threads of unfinished jobs are not waited for


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call ``stop`` on SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def _stop_with_parent(stop: threading.Event) -> None:
    """The server holds the other end of standard input; when it dies, however, this ends."""
    while os.read(0, 64):
        pass
    stop.set()


if __name__ == "__main__":
    main()
