"""Who a request is from."""

from __future__ import annotations

from dataclasses import dataclass

from countermark.service.keys import Scope


@dataclass(frozen=True)
class Principal:
    """Who makes a request, and what for."""

    tenant: str
    scopes: tuple[Scope, ...]
    key_id: str | None = None
    request_id: str | None = None
    idempotency_key: str | None = None
