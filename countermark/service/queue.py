"""The durable queue, seen from the server: a job goes in with the transaction that records it.

DBOS keeps the queue in the service's own database. Nothing is run here; workers do (`countermark.service.worker`).
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime

from dbos import DBOS, DBOSClient, EnqueueOptions, WorkflowStatus
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from countermark.service.jobs import GENERATED, Job
from countermark.service.traces import trace_context

APPLICATION = "countermark"
WORKFLOW = "countermark.job"
DELIVERY = "countermark.delivery"
VERSION = "1"
"""Of the workflow's shape. Workers of another version leave these jobs alone, so it changes only with that shape."""
_PAUSE, _LONGEST_PAUSE = 60.0, 24 * 3600.0
_BROKEN = ["ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
GENERATIONS, EXAMINATIONS, DELIVERIES = "generations", "examinations", "deliveries"


class JobQueue:
    """Puts jobs into the queue."""

    def __init__(self, engine: Engine) -> None:
        quiet()
        DBOS.migrate(engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False))
        self._engine = engine
        self._client = DBOSClient(system_database_engine=engine, application_name=APPLICATION)

    def submit(self, connection: Connection, job: Job, *, again: bool = False) -> None:
        """Enqueue a job in the caller's transaction; ``again`` after it had ended once already."""
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": GENERATIONS if job.kind in GENERATED else EXAMINATIONS,
            "workflow_id": f"{job.id}-{secrets.token_hex(4)}" if again else job.id,
            "queue_partition_key": job.tenant,
            "priority": job.priority,
            "app_version": VERSION,
        }
        self._enqueue(connection, options, job.id)

    def deliver(
        self, connection: Connection, delivery_id: str, tenant: str, *, attempt: int = 0, pause: float = 0
    ) -> None:
        """Enqueue an attempt at a webhook's message in the caller's transaction, once; it begins after ``pause``."""
        options: EnqueueOptions = {
            "workflow_name": DELIVERY,
            "queue_name": DELIVERIES,
            "workflow_id": f"{delivery_id}-{attempt}" if attempt else delivery_id,
            "queue_partition_key": tenant,
            "app_version": VERSION,
        }
        if pause:
            options["delay_seconds"] = pause
        self._enqueue(connection, options, delivery_id, attempt)

    def _enqueue(self, connection: Connection, options: EnqueueOptions, *subject: str | int) -> None:
        if (context := trace_context()) is not None:
            options["otel_context"] = context  # the workflow belongs to the trace of whoever asked for it
        self._client.enqueue_in_transaction(connection, options, *subject)

    def take_up_failed(self, since: datetime, *, limit: int = 100) -> list[str]:
        """Enqueue anew what ended since then in an error of its own; the ids of these jobs and messages.

        How a job or a message fails is told where they are kept, and is no error here. What ends in one could not tell
        it: the database was away for longer than it tried. What fails so again waits longer every time.
        """
        taken = []
        failed = self._client.list_workflows(
            status=_BROKEN,
            name=[WORKFLOW, DELIVERY],
            completed_after=since.isoformat(),
            limit=limit,
            load_output=False,
        )
        for status in failed:
            subject = list(status.input["args"]) if isinstance(status.input, dict) else []  # text, where unreadable
            if subject and not self._is_under_way(str(subject[0])):
                with self._engine.begin() as connection:
                    self._take_up(connection, status, subject)
                taken.append(str(subject[0]))
            self._client.delete_workflows([status.workflow_id])
        return taken

    def _is_under_way(self, subject: str) -> bool:
        """Whether something else works on a job or a message, or will: its owner has started it anew, say."""
        states = ["ENQUEUED", "DELAYED", "PENDING"]
        return bool(
            self._client.list_workflows(workflow_id_prefix=subject, status=states, load_input=False, load_output=False)
        )

    def _take_up(self, connection: Connection, status: WorkflowStatus, subject: list[str | int]) -> None:
        options: EnqueueOptions = {
            "workflow_name": status.name,
            "queue_name": status.queue_name or EXAMINATIONS,
            "workflow_id": f"{status.workflow_id}-again",  # once, however many servers see it
            "queue_partition_key": status.queue_partition_key or "",
            "app_version": VERSION,
        }
        if status.priority:
            options["priority"] = status.priority
        if again := status.workflow_id.count("-again"):
            options["delay_seconds"] = min(_PAUSE * 2**again, _LONGEST_PAUSE)
        self._enqueue(connection, options, *subject)

    def expire(self, before: datetime, *, limit: int = 1000) -> None:
        """Drop what is remembered of tries that ended before this time, whatever became of their job or message."""
        old = self._client.list_workflows(
            completed_before=before.isoformat(), limit=limit, load_input=False, load_output=False
        )
        self._client.delete_workflows([status.workflow_id for status in old])

    def held_by(self, worker_id: str) -> list[str]:
        """Ids of the jobs that a worker has begun and not ended."""
        held = self._client.list_workflows(
            executor_id=worker_id, status="PENDING", name=WORKFLOW, load_input=False, load_output=False
        )
        return [status.workflow_id.split("-")[0] for status in held]

    def close(self) -> None:
        """Let go of the database."""
        self._client.destroy()


def quiet() -> None:
    """Keep DBOS's remarks to its own developers out of our log."""
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_concerns_operators)


def _concerns_operators(record: logging.LogRecord) -> bool:
    """It warns where traces are exported without logs, which is meant: our logs are on standard error."""
    return "skipping log exporter setup" not in record.getMessage()
