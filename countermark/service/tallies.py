"""Counters that only grow, kept in the database: every machine's metrics show the sum over all of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from countermark.service.jobs import Job
from countermark.service.tables import TallyRow

JOBS = "countermark_jobs_total"
SECONDS = "countermark_job_seconds_total"
REFUSALS = "countermark_refusals_total"
CONCLUSIONS = "countermark_conclusions_total"
HELP = {
    JOBS: "Finished jobs by kind and status.",
    SECONDS: "Seconds that workers spent on completed and failed jobs, by kind.",
    REFUSALS: "Prompts that the policy refused, by category.",
    CONCLUSIONS: "Conclusions of verifications and screenings.",
}


class Tallies:
    """The counters, each with a name and labels."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Increase one counter."""
        text = ",".join(f"{key}={labels[key]}" for key in sorted(labels))
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        query = insert(TallyRow).values(name=name, labels=text, value=value)
        query = query.on_conflict_do_update(
            index_elements=[TallyRow.name, TallyRow.labels], set_={"value": TallyRow.value + query.excluded.value}
        )
        with self._engine.begin() as connection:
            connection.execute(query)

    def finished(
        self, job: Job, *, result: dict[str, Any] | None, error: dict[str, Any] | None, seconds: float
    ) -> None:
        """Count a job that has completed or failed."""
        self.add(JOBS, kind=job.kind, status="failed" if error else "completed")
        self.add(SECONDS, seconds, kind=job.kind)
        if error and error.get("decision"):
            self.add(REFUSALS, category=error["decision"]["category"] or "none")
        if result and job.kind == "verification":
            self.add(CONCLUSIONS, kind=job.kind, conclusion=result["conclusion"])
        if result and job.kind == "screening":
            self.add(CONCLUSIONS, kind=job.kind, conclusion=result["verdict"]["conclusion"])

    def cancelled(self, job: Job) -> None:
        """Count a job that was cancelled."""
        self.add(JOBS, kind=job.kind, status="cancelled")

    def all(self) -> list[tuple[str, dict[str, str], float]]:
        """Name, labels and value of every counter."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(TallyRow.name, TallyRow.labels, TallyRow.value).order_by(TallyRow.name))
            return [
                (name, dict(pair.split("=", 1) for pair in labels.split(",")), value) for name, labels, value in rows
            ]
