"""Which workers live. Each says so every few seconds; the jobs of one that no longer does are given to the others."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, delete, insert, select, update

from countermark.service.tables import WorkerRow

BEAT_SECONDS = 3.0
_PRESUMED_DEAD = timedelta(seconds=30)


class Crew:
    """The workers of all machines."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._host = _host()

    def join(self, worker_id: str) -> None:
        """Note that this process is a worker."""
        row = {"id": worker_id, "host": self._host, "pid": os.getpid(), "beat_at": datetime.now(UTC)}
        with self._engine.begin() as connection:
            connection.execute(insert(WorkerRow).values(**row))

    def beat(self, worker_id: str) -> None:
        """Say that this process lives."""
        with self._engine.begin() as connection:
            now = datetime.now(UTC)
            changed = connection.execute(
                update(WorkerRow).where(WorkerRow.id == worker_id).values(beat_at=now)
            ).rowcount
        if not changed:  # it was taken for dead while it was stopped, say; its jobs are elsewhere now
            self.join(worker_id)

    def leave(self, worker_id: str) -> None:
        """Note that a worker ends, or has ended."""
        with self._engine.begin() as connection:
            connection.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    def living(self) -> set[str]:
        """Ids of the workers that live: by their process where it is on this machine, else by their last word."""
        with self._engine.connect() as connection:
            rows = list(connection.execute(select(WorkerRow.__table__)))
        silent = datetime.now(UTC) - _PRESUMED_DEAD
        return {row.id for row in rows if (_runs(row.pid) if row.host == self._host else row.beat_at > silent)}

    def bury(self) -> None:
        """Forget workers that are dead for long."""
        with self._engine.begin() as connection:
            long_ago = datetime.now(UTC) - 10 * _PRESUMED_DEAD
            connection.execute(delete(WorkerRow).where(WorkerRow.beat_at < long_ago))


def _host() -> str:
    """This machine since its last start, and the process numbers seen here: containers may share a name."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A zombie answers signals, but works no more.
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
