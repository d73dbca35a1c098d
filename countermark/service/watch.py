"""Waits for jobs on behalf of many requests with one query for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from sqlalchemy.exc import SQLAlchemyError

from countermark.service.jobs import Job, JobStore

log = logging.getLogger("countermark.service")
_INTERVAL = 0.2


class Watcher:
    """Tells listeners of changes of their jobs. `run` belongs into a task of the server's event loop."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._listeners: dict[str, set[asyncio.Queue[Job | None]]] = {}

    async def run(self) -> None:
        """Look at the watched jobs again and again, until cancelled."""
        seen: dict[str, tuple[object, ...]] = {}
        while True:
            await asyncio.sleep(_INTERVAL)
            watched = list(self._listeners)
            if not watched:
                seen.clear()
                continue
            try:
                found = {job.id: job for job in await asyncio.to_thread(self._jobs.many, watched)}
            except SQLAlchemyError as error:  # it may be back at the next look
                log.warning("database", extra={"problem": str(error)})
                continue
            for job_id in watched:
                job = found.get(job_id)
                state = (job.status, job.progress, job.step, job.preview) if job else ()
                if seen.get(job_id) != state:
                    for queue in self._listeners.get(job_id, ()):
                        queue.put_nowait(job)
                seen[job_id] = state
            seen = {job_id: state for job_id, state in seen.items() if job_id in self._listeners}

    async def changes(self, job: Job) -> AsyncIterator[Job]:
        """The job as it is now and after every change, until it is finished or deleted."""
        queue: asyncio.Queue[Job | None] = asyncio.Queue()
        self._listeners.setdefault(job.id, set()).add(queue)
        try:
            # It may have changed between being read and being listened to.
            latest: Job | None = await asyncio.to_thread(self._jobs.get, job.id)
            while latest is not None:
                yield latest
                if latest.finished:
                    return
                latest = await queue.get()
        finally:
            listeners = self._listeners[job.id]
            listeners.discard(queue)
            if not listeners:
                del self._listeners[job.id]

    async def finished(self, job: Job, seconds: float) -> Job:
        """The job as it is when it is finished, or after ``seconds``."""
        latest = job
        try:
            async with asyncio.timeout(seconds):
                async for change in self.changes(job):
                    latest = change
        except TimeoutError:
            pass
        return latest
