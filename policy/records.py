"""What the policy remembers: an append-only log of decisions, and the queue of prompts that wait for a person.

The log is a chain: every entry carries the digest of the one before, so an entry that was changed, or taken out from
between others, shows; that the oldest or newest are missing does not. It holds a prompt's SHA-256, not the prompt,
unless the settings say so. Old entries are dropped by `Records.expire`, which leaves the digest of the last dropped one
as the new start. A prompt in the queue is kept readable until someone has decided about it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, DateTime, Engine, Integer, String, Text, delete, func, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from countermark.core.database import Schema, database_error, open_database
from countermark.core.errors import RegistryError, UsageError
from countermark.core.settings import Settings
from policy.decision import Decision

SCHEMA = Schema(
    "policy's records", Path(__file__).parent / "migrations", "0001", "policy_alembic_version", marker="policy_log"
)
_ATTEMPTS = 20  # two writers may want the same place in the chain
_START = "0" * 64

Outcome = Literal["waiting", "approved", "rejected"]
Kind = Literal["prompt", "upload", "frames", "review", "expired"]


class RecordsError(RegistryError):
    """The policy's log or queue could not be read or written."""

    code = "policy_records"


class Base(DeclarativeBase):
    """Declarative base of the policy's tables."""


class LogRow(Base):
    """One entry of the log. ``number`` counts from 1 without gaps."""

    __tablename__ = "policy_log"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    user: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(20))
    content: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)


class ReviewRow(Base):
    """One prompt that waits, or waited, for a person."""

    __tablename__ = "policy_reviews"

    appeal_id: Mapped[str] = mapped_column(String(20), primary_key=True)
    user: Mapped[str] = mapped_column(String(64), primary_key=True)
    prompt: Mapped[str | None] = mapped_column(Text)
    prompt_sha256: Mapped[str] = mapped_column(String(64), index=True)
    decision: Mapped[dict[str, Any]] = mapped_column(JSON)
    outcome: Mapped[str] = mapped_column(String(20), index=True)
    reviewer: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class LogEntry(BaseModel):
    """One entry of the log; ``content`` is the recorded part of the decision as JSON."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    number: int
    at: datetime
    user: str
    kind: Kind
    action: str
    content: str
    previous: str
    digest: str


class Review(BaseModel):
    """One prompt in the queue. ``prompt`` is gone once someone has decided; ``user`` is a pseudonym."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    appeal_id: str
    user: str
    prompt: str | None
    prompt_sha256: str
    decision: dict[str, Any]
    outcome: Outcome
    reviewer: str | None
    note: str | None
    created_at: datetime
    decided_at: datetime | None


def pseudonym(user: str) -> str:
    """What the records know a user as: a digest, empty for nobody in particular."""
    named = f"countermark user {user}".encode(errors="surrogatepass")  # of a name nothing is shown, so any will do
    return hashlib.sha256(named).hexdigest() if user else ""


class Records:
    """The policy's log and queue in a database. Open it with `open_records`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def log(self, kind: Kind, action: str, content: dict[str, Any], *, user: str = "") -> LogEntry:
        """Append one entry; raises `RecordsError` when it cannot be written."""
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        for attempt in range(_ATTEMPTS):
            with self._session("written") as session:
                last = session.scalars(select(LogRow).order_by(LogRow.number.desc()).limit(1)).first()
                number, previous = (last.number + 1, last.digest) if last else (1, _START)
                at = datetime.now(UTC).replace(microsecond=0)
                row = LogRow(number=number, at=at, user=pseudonym(user), kind=kind, action=action, content=text)
                row.previous, row.digest = previous, _digest(row, previous)
                session.add(row)
                try:
                    session.commit()
                except IntegrityError:
                    session.rollback()
                    time.sleep(0.01 * attempt)
                    continue
                return _entry(row)
        raise RecordsError("The policy's log is busy.", remedy="Try again.")

    def entries(self, *, since: datetime | None = None) -> list[LogEntry]:
        """The log from its oldest entry, or from ``since``."""
        query = select(LogRow).order_by(LogRow.number)
        with self._session("read") as session:
            rows = session.scalars(query if since is None else query.where(LogRow.at >= since)).all()
            return [_entry(row) for row in rows]

    def verify(self) -> int:
        """Follow the chain; returns the number of entries, raises `RecordsError` where it breaks. Entries that are
        missing at either end break nothing.
        """
        with self._session("read") as session:
            rows = session.scalars(select(LogRow).order_by(LogRow.number)).all()
            previous = rows[0].previous if rows else _START
            if rows and rows[0].number == 1 and previous != _START:
                raise _broken(1)
            for place, row in enumerate(rows):
                if row.previous != previous or row.digest != _digest(row, previous):
                    raise _broken(row.number)
                if row.number != rows[0].number + place:
                    raise _broken(row.number)
                previous = row.digest
            return len(rows)

    def expire(self, days: float) -> int:
        """Drop entries and decided reviews older than ``days``; returns how many entries went. The newest stays."""
        limit = datetime.now(UTC) - timedelta(days=days)
        with self._session("written") as session:
            newest = session.scalar(select(func.max(LogRow.number))) or 0
            old = (LogRow.at < limit) & (LogRow.number < newest)
            gone = session.scalar(select(func.count()).select_from(LogRow).where(old)) or 0
            session.execute(delete(LogRow).where(old))
            session.execute(delete(ReviewRow).where(ReviewRow.outcome != "waiting", ReviewRow.decided_at < limit))
            session.commit()
        if gone:
            self.log("expired", "expire", {"entries": gone, "days": days})
        return gone

    def count(self, user: str, hours: float) -> int:
        """Refused or disguised prompts of ``user`` within the last ``hours``."""
        if not user:
            return 0
        limit = datetime.now(UTC) - timedelta(hours=hours)
        with self._session("read") as session:
            query = select(func.count()).select_from(LogRow).where(LogRow.user == pseudonym(user), LogRow.at >= limit)
            return session.scalar(query.where(LogRow.kind == "prompt", LogRow.action.in_(("block", "evasion")))) or 0

    def ask(self, prompt: str, decision: Decision, *, user: str = "") -> Review:
        """Put a prompt into the queue, or return the entry that the same user's same prompt has."""
        with self._session("written") as session:
            key = (decision.appeal_id, pseudonym(user))
            row = session.get(ReviewRow, key)
            if row is None:
                row = ReviewRow(appeal_id=key[0], user=key[1], prompt=prompt, prompt_sha256=decision.prompt_sha256)
                row.decision, row.outcome = decision.model_dump(mode="json"), "waiting"
                row.created_at = datetime.now(UTC).replace(microsecond=0)
                session.add(row)
                try:
                    session.commit()
                except IntegrityError:  # the same prompt at the same moment
                    session.rollback()
                    row = session.get_one(ReviewRow, key)
            return _review(row)

    def reviews(self, outcome: Outcome | None = "waiting") -> list[Review]:
        """The queue, oldest first; with None what was decided as well."""
        query = select(ReviewRow).order_by(ReviewRow.created_at, ReviewRow.appeal_id)
        with self._session("read") as session:
            rows = session.scalars(query if outcome is None else query.where(ReviewRow.outcome == outcome)).all()
            return [_review(row) for row in rows]

    def outcome(self, appeal_id: str, *, user: str = "") -> Review | None:
        """What became of one prompt of one user, None when it never was in the queue."""
        with self._session("read") as session:
            row = session.get(ReviewRow, (appeal_id, pseudonym(user)))
            return None if row is None else _review(row)

    def decide(self, appeal_id: str, *, approve: bool, reviewer: str, note: str = "") -> list[Review]:
        """A person's word on a waiting prompt, for everyone who asked with it; the prompt itself is then forgotten.

        Raises `UsageError` when nothing waits under that id, or when the decision is one that no reviewer may lift.
        """
        with self._session("written") as session:
            waiting = (ReviewRow.appeal_id == appeal_id) & (ReviewRow.outcome == "waiting")
            rows = session.scalars(select(ReviewRow).where(waiting)).all()
            if not rows:
                raise UsageError(
                    f"Nothing waits for review under {appeal_id}.", remedy="See `countermark review list`."
                )
            if approve and any(row.decision.get("report") for row in rows):
                raise UsageError(
                    "This decision cannot be lifted: it has to be reported.", remedy="Follow your reporting procedure."
                )
            values = {
                "outcome": "approved" if approve else "rejected",
                "reviewer": reviewer,
                "note": note or None,
                "prompt": None,
                "decided_at": datetime.now(UTC).replace(microsecond=0),
            }
            session.execute(update(ReviewRow).where(waiting).values(**values))
            session.commit()
            done = [_review(session.get_one(ReviewRow, (row.appeal_id, row.user))) for row in rows]
        content = {"appeal_id": appeal_id, "reviewer": reviewer, "note": note}
        self.log("review", "approved" if approve else "rejected", content)
        return done

    @contextmanager
    def _session(self, verb: str) -> Iterator[Session]:
        try:
            with Session(self._engine, expire_on_commit=True) as session:
                yield session
        except SQLAlchemyError as error:
            raise database_error(self._engine, SCHEMA.name, verb, error, RecordsError) from error


@contextmanager
def open_records(settings: Settings) -> Iterator[Records]:
    """The records in the database of these settings.

    Raises `RecordsError` when the database cannot be reached and `ConfigurationError` for a malformed URL.
    """
    with open_database(settings, SCHEMA, error=RecordsError) as engine:
        yield Records(engine)


def _digest(row: LogRow, previous: str) -> str:
    parts = [previous, str(row.number), _utc(row.at).isoformat(), row.user, row.kind, row.action, row.content]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _utc(at: datetime) -> datetime:
    """SQLite forgets the time zone; what was stored is UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _entry(row: LogRow) -> LogEntry:
    return LogEntry.model_validate(row).model_copy(update={"at": _utc(row.at)})


def _review(row: ReviewRow) -> Review:
    times = {"created_at": _utc(row.created_at), "decided_at": _utc(row.decided_at) if row.decided_at else None}
    return Review.model_validate(row).model_copy(update=times)


def _broken(number: int) -> RecordsError:
    return RecordsError(
        f"The policy's log was altered at or before entry {number}.", remedy="Compare it with a backup of the database."
    )
