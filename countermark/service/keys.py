"""API keys: made once, shown once, kept only as a hash; scoped to verbs, expiring, revocable."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, insert, or_, select, update

from countermark.core.errors import UsageError
from countermark.service.tables import KeyRow

Scope = Literal["generate", "verify", "screen", "protect", "check", "operate", "register"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""The five verbs, ``operate`` for metrics, and ``register`` to keep manifests that others made."""
DEFAULT_SCOPES: tuple[Scope, ...] = tuple(scope for scope in SCOPES if scope != "register")
"""What is registered is no tenant's but everybody's, so that has to be asked for."""
TENANT_PATTERN = r"[a-z0-9][a-z0-9_.-]{0,62}"
_PREFIX = "cm-"


class Key(BaseModel):
    """An API key as it may be shown; the secret itself is not kept."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    tenant: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def valid(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class NewKey(Key):
    """A key just made, with its secret, which nobody can read again."""

    secret: str


class KeyStore:
    """The API keys of all tenants."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(
        self, tenant: str, *, name: str, scopes: tuple[Scope, ...] = DEFAULT_SCOPES, days: float | None = None
    ) -> NewKey:
        """Make a key. Raises `UsageError` for a tenant's name that is not plain or a time that no calendar has."""
        if not re.fullmatch(TENANT_PATTERN, tenant):
            raise UsageError(
                f"'{tenant}' cannot be a tenant's name.", remedy="Use small letters, digits, '-', '_' and '.'."
            )
        now = datetime.now(UTC)
        try:
            expires_at = None if days is None else now + timedelta(days=days)
        except OverflowError as error:
            raise UsageError(
                f"A key cannot expire in {days:g} days.", remedy="Name no days for a key that never expires."
            ) from error
        secret = _PREFIX + secrets.token_urlsafe(32)
        key = NewKey(
            id=f"key_{secrets.token_hex(6)}",
            tenant=tenant,
            name=name,
            scopes=scopes,
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
            secret=secret,
        )
        with self._engine.begin() as connection:
            values = key.model_dump(exclude={"secret"}) | {"scopes": list(scopes), "sha256": _hash(secret)}
            connection.execute(insert(KeyRow).values(**values))
        return key

    def find(self, secret: str) -> Key | None:
        """The valid key with this secret; being random and long, it needs no slow hash."""
        with self._engine.connect() as connection:
            row = connection.execute(select(KeyRow.__table__).where(KeyRow.sha256 == _hash(secret))).one_or_none()
        key = Key.model_validate(row) if row is not None else None
        return key if key is not None and key.valid(datetime.now(UTC)) else None

    def any_valid(self) -> bool:
        """Whether anybody holds a key, so that the service is no longer open to everyone on this machine."""
        now = datetime.now(UTC)
        query = select(KeyRow.id).where(
            KeyRow.revoked_at.is_(None), or_(KeyRow.expires_at.is_(None), KeyRow.expires_at > now)
        )
        with self._engine.connect() as connection:
            return connection.scalar(query.limit(1)) is not None

    def any(self) -> bool:
        """Whether a key was ever made: from then on the service stays closed, also when all are revoked."""
        with self._engine.connect() as connection:
            return connection.scalar(select(KeyRow.id).limit(1)) is not None

    def all(self) -> list[Key]:
        """All keys, the newest last."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(KeyRow.__table__).order_by(KeyRow.created_at))
            return [Key.model_validate(row) for row in rows]

    def revoke(self, key_id: str) -> None:
        """End a key at once. Raises `UsageError` when there is none with this id."""
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            query = update(KeyRow).where(KeyRow.id == key_id, KeyRow.revoked_at.is_(None)).values(revoked_at=now)
            if connection.execute(query).rowcount == 0:
                raise UsageError(f"There is no valid key {key_id}.", remedy="See `countermark keys list`.")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
