"""What the server does beside answering: remove what has expired, and uploads that never became jobs; take up again
what lost its database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from countermark.service.state import Service

log = logging.getLogger("countermark.service")

_INTERVAL = 60.0
_STALE_SECONDS = 24 * 3600
_TAKEN_UP = timedelta(days=1)
"""How long after it failed something is taken up again; older messages would surprise."""


async def keep_house(service: Service) -> None:
    """Clean up every minute, until cancelled."""
    await _try(remove_orphans, service)
    while True:
        await _try(take_up_failed, service)
        await _try(clean_up, service)
        await asyncio.sleep(_INTERVAL)


async def _try(chore: Callable[[Service], object], service: Service) -> None:
    try:
        await asyncio.to_thread(chore, service)
    except Exception as error:  # whatever it was, what is left is done the next time
        log.warning("housekeeping", extra={"problem": str(error)}, exc_info=True)


def remove_orphans(service: Service) -> None:
    """Remove folders of jobs that were never recorded, because the server was killed at that very moment."""
    old = service.files.job_folders(time.time() - _STALE_SECONDS)
    known = service.jobs.statuses(old)
    for job_id in old:
        if job_id not in known:
            service.files.forget(job_id)


def take_up_failed(service: Service) -> None:
    """Put jobs and messages to webhooks that ended in an error of the service itself back into the queue."""
    if taken := service.queue.take_up_failed(datetime.now(UTC) - _TAKEN_UP):
        service.jobs.excuse(taken)  # no worker has broken down on them
        log.warning("taken up again", extra={"count": len(taken)})


def clean_up(service: Service) -> int:
    """Remove expired jobs with their files and what is left of them, and abandoned uploads; the number of jobs."""
    # One whose files the store does not give up stays, and is tried again the next time.
    expired = [job_id for job_id in service.jobs.expired(datetime.now(UTC)) if service.files.forget(job_id)]
    for job_id in expired:
        service.jobs.delete(job_id)
    service.webhooks.expire(datetime.now(UTC) - service.options.retention)
    service.queue.expire(datetime.now(UTC) - service.options.retention)
    service.expire_batches()
    for folder in service.files.abandoned(time.time() - _STALE_SECONDS):
        service.files.discard(folder)
    service.files.drop_copies(service.jobs)
    if expired:
        log.info("expired", extra={"jobs": len(expired)})
    return len(expired)
