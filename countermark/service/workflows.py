"""The durable workflows that workers run. DBOS runs one again after its process died, from the step that it was in.

A job's step may therefore be done twice, and is written for it: a video already sealed is found in its place and kept.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from dbos import DBOS
from sqlalchemy.exc import SQLAlchemyError

from countermark.core.errors import CountermarkError, RegistryError, WeightsError
from countermark.service import webhooks
from countermark.service.jobs import Job, JobStore
from countermark.service.options import ServiceSettings
from countermark.service.queue import DELIVERY, WORKFLOW, JobQueue
from countermark.service.tallies import Tallies
from countermark.service.traces import JobSpan, job_span
from countermark.service.webhooks import WebhookStore
from countermark.service.work import CancelledError, Desk, explain, perform

log = logging.getLogger("countermark.worker")


@dataclass(frozen=True)
class Bench:
    """What a worker process needs for all its jobs."""

    desk: Desk
    options: ServiceSettings
    jobs: JobStore
    queue: JobQueue
    tallies: Tallies
    webhooks: WebhookStore


_bench: list[Bench] = []


def set_up(bench: Bench) -> None:
    """Give this process's workflows what they need; DBOS passes them only what it can store."""
    _bench[:] = [bench]


# A process that dies on a job is counted in the job itself (`max_attempts`), with an error that its owner can read.
@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=1_000_000)
def run_job(job_id: str) -> None:
    """One job, from the queue to its end."""
    (bench,) = _bench
    job = bench.jobs.begin(job_id)
    if job is not None and job.attempts > bench.options.max_attempts:
        message = f"The worker broke down on it {bench.options.max_attempts} times."
        with job_span(job) as span:
            _end(bench, job, span, error={"code": "worker_lost", "message": message})
    # Also for a job that has ended: whoever ended it may have died before it told of that.
    work(job_id, job.token if job else None)
    announce(job_id)


@DBOS.step(name="work", max_attempts=3, retries_allowed=True)
def work(job_id: str, token: str | None) -> None:
    """Do the job and record its end, unless it was begun anew. Raises, to be tried again, what may pass by itself."""
    (bench,) = _bench
    job = bench.jobs.get(job_id)
    if job is None or job.finished or job.token != token:
        return
    with job_span(job) as span:
        _attempt(bench, job, span)


def _attempt(bench: Bench, job: Job, span: JobSpan) -> None:
    last = _last_try()

    def report(progress: int | None, step: str | None, preview: str | None = None) -> None:
        span.step(step)
        if not bench.jobs.report(job, progress=progress, step=step, preview=preview):
            raise CancelledError

    started = time.monotonic()
    result = error = None
    try:
        result = perform(job, bench.desk, report)
    except CancelledError:  # whoever cancelled or deleted it has told of that, and whoever began it anew goes on
        span.ended("cancelled")
        _forget_if_deleted(bench, job.id)
        return
    except (RegistryError, SQLAlchemyError, OSError) as problem:
        if not last:
            raise
        log.exception("failed", extra={"job": job.id})
        message = "The service could not store or read something it needed. Try again later."
        error = explain(problem, job, bench.desk) if isinstance(problem, RegistryError) else _plain("storage", message)
    except WeightsError as problem:  # the operator's affair, and it names the operator's folders
        log.error("failed", extra={"job": job.id, "problem": str(problem)})
        message = "Weights that it needs cannot be used here; the operator of the service finds the reason in the log."
        error = _plain(problem.code, message)
    except CountermarkError as problem:
        error = explain(problem, job, bench.desk)
    except Exception:  # whatever it is, the job's owner gets an end, and the log the reason
        log.exception("failed", extra={"job": job.id})
        error = _plain("server_error", "The service failed on this job; its operator finds the reason in the log.")
    _end(bench, job, span, result=result, error=error, seconds=time.monotonic() - started)


@DBOS.step(name="announce", max_attempts=5, retries_allowed=True)
def announce(job_id: str) -> None:
    """Put what webhooks are to be told into the queue; a second time changes nothing."""
    (bench,) = _bench
    job = bench.jobs.get(job_id)
    if job is not None:
        bench.webhooks.announce(job, bench.queue)


@DBOS.workflow(name=DELIVERY, max_recovery_attempts=1_000_000)
def run_delivery(delivery_id: str, attempt: int = 0) -> None:
    """Tell one webhook once. Where it does not answer, the next attempt waits in the queue and holds up no other."""
    last = attempt + 1 == len(webhooks.PAUSES)
    if not deliver(delivery_id, last) and not last:
        deliver_later(delivery_id, attempt + 1)


@DBOS.step(name="deliver")
def deliver(delivery_id: str, last: bool) -> bool:
    """One attempt; True when there is nothing more to do."""
    (bench,) = _bench
    return webhooks.deliver(delivery_id, bench.webhooks, bench.options, last=last)


@DBOS.step(name="deliver later", max_attempts=5, retries_allowed=True)
def deliver_later(delivery_id: str, attempt: int) -> None:
    """Put an attempt after the first into the queue; a second time changes nothing."""
    (bench,) = _bench
    bench.webhooks.repeat(delivery_id, attempt, bench.queue)


def _end(
    bench: Bench,
    job: Job,
    span: JobSpan,
    *,
    result: dict[str, Any] | None = None,
    error: dict[str, Any] | None = None,
    seconds: float = 0.0,
) -> None:
    if not bench.jobs.finish(job, retention=bench.options.retention, result=result, error=error):
        _forget_if_deleted(bench, job.id)
        return
    span.ended("failed" if error else "completed", error["code"] if error else None)
    bench.tallies.finished(job, result=result, error=error, seconds=seconds)
    bench.desk.files.drop_upload(job.id)
    told = {"job": job.id, "kind": job.kind, "tenant": job.tenant, "seconds": round(seconds, 2)}
    log.info("failed" if error else "completed", extra=told | ({"code": error["code"]} if error else {}))


def _forget_if_deleted(bench: Bench, job_id: str) -> None:
    """Remove what was made for a job that its owner deleted meanwhile."""
    if bench.jobs.get(job_id) is None:
        bench.desk.files.forget(job_id)


def _plain(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _last_try() -> bool:
    status = DBOS.step_status
    return status is None or status.current_attempt is None or status.current_attempt + 1 >= (status.max_attempts or 1)
