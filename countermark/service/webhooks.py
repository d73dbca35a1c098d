"""Webhooks after the Standard Webhooks scheme: signed, tried again for hours, and never into a private network."""

from __future__ import annotations

import http.client
import ipaddress
import json
import secrets
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from standardwebhooks import Webhook as Signer

from countermark.core.deadline import cut_after
from countermark.core.errors import UsageError
from countermark.service.faults import ApiError
from countermark.service.jobs import Job
from countermark.service.options import ServiceSettings
from countermark.service.queue import JobQueue
from countermark.service.tables import DeliveryRow, WebhookRow, lock_tenant

Event = Literal[
    "video.completed",
    "video.failed",
    "image.completed",
    "image.failed",
    "verification.completed",
    "verification.failed",
    "screening.completed",
    "screening.failed",
    "seal.completed",
    "seal.failed",
]
EVENTS: tuple[Event, ...] = get_args(Event)
DeliveryStatus = Literal["pending", "delivered", "failed"]
PAUSES = (0, 5, 60, 300, 1800, 7200, 18000, 36000)
"""Seconds before each attempt, 18 hours in all: the schedule that the Standard Webhooks specification recommends."""
_MOST = 20
"""Webhooks of one tenant."""
_TIMEOUT = 15.0
"""Seconds for finding a connection, and again for the whole exchange over it."""


class Webhook(BaseModel):
    """An address that is told when jobs end."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    tenant: str
    url: str
    secret: str
    events: tuple[Event, ...]
    created_at: datetime


class WebhookStore:
    """The webhooks of all tenants and the messages to them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, tenant: str, url: str, events: tuple[Event, ...], options: ServiceSettings) -> Webhook:
        """Add a webhook.

        Raises `UsageError` for an address that would never be called, `ApiError` (409) where there are many already,
        also together with those that are added at the same time.
        """
        check_url(url, options)
        hook = Webhook(
            id=f"webhook_{secrets.token_hex(12)}",
            tenant=tenant,
            url=url,
            secret="whsec_" + b64encode(secrets.token_bytes(32)).decode(),
            events=events,
            created_at=datetime.now(UTC),
        )
        with self._engine.begin() as connection:
            values = hook.model_dump() | {"events": list(events)}
            lock_tenant(connection, tenant)
            connection.execute(insert(WebhookRow).values(**values))
            count = connection.scalar(select(func.count()).where(WebhookRow.tenant == tenant)) or 0
            if count > _MOST:
                message = f"There are {_MOST} webhooks already; delete one first."
                raise ApiError(409, "too_many_webhooks", message, headers={"x-should-retry": "false"})
        return hook

    def of_tenant(self, tenant: str) -> list[Webhook]:
        """A tenant's webhooks, the oldest first."""
        query = select(WebhookRow.__table__).where(WebhookRow.tenant == tenant).order_by(WebhookRow.created_at)
        with self._engine.connect() as connection:
            return [Webhook.model_validate(row) for row in connection.execute(query)]

    def delete(self, tenant: str, webhook_id: str) -> bool:
        """Remove a webhook, with the messages still on their way to it."""
        query = delete(WebhookRow).where(WebhookRow.tenant == tenant, WebhookRow.id == webhook_id)
        with self._engine.begin() as connection:
            return connection.execute(query).rowcount > 0

    def announce(self, job: Job, queue: JobQueue) -> None:
        """Queue a message about a job's end to each webhook that wants it, once; none about one that is unfinished."""
        if not job.finished:  # it is being tried again already
            return
        event = f"{job.kind}.{'completed' if job.status == 'completed' else 'failed'}"
        for hook in self.of_tenant(job.tenant):
            if event not in hook.events:
                continue
            # The id is made of both, so that a second announcement of the same end is refused by the table.
            delivery = f"msg_{hook.id.removeprefix('webhook_')}_{job.id.rsplit('_', 1)[-1][:16]}_{int(_ended(job))}"
            row = insert(DeliveryRow).values(
                id=delivery,
                webhook=hook.id,
                event=event,
                subject=job.id,
                status="pending",
                attempts=0,
                detail="",
                created_at=datetime.now(UTC),
            )
            try:
                with self._engine.begin() as connection:
                    connection.execute(row)
                    queue.deliver(connection, delivery, job.tenant)
            except IntegrityError:
                continue

    def repeat(self, delivery_id: str, attempt: int, queue: JobQueue) -> None:
        """Queue an attempt after the first for when its pause is over, once; none where the webhook is gone."""
        if (found := self.message(delivery_id)) is not None:
            with self._engine.begin() as connection:
                queue.deliver(connection, delivery_id, found[0].tenant, attempt=attempt, pause=PAUSES[attempt])

    def message(self, delivery_id: str) -> tuple[Webhook, str, str, datetime] | None:
        """Webhook, event, job's id and time of a message; None when its webhook is gone."""
        query = (
            select(WebhookRow.__table__, DeliveryRow.event, DeliveryRow.subject, DeliveryRow.created_at.label("at"))
            .join(DeliveryRow, DeliveryRow.webhook == WebhookRow.id)
            .where(DeliveryRow.id == delivery_id)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (Webhook.model_validate(row), row.event, row.subject, row.at)

    def expire(self, before: datetime) -> None:
        """Forget messages that were begun before this time."""
        with self._engine.begin() as connection:
            connection.execute(delete(DeliveryRow).where(DeliveryRow.created_at < before))

    def note(self, delivery_id: str, *, status: DeliveryStatus, detail: str) -> None:
        """Record an attempt. ``detail`` may hold what the webhook answered."""
        values = {"status": status, "attempts": DeliveryRow.attempts + 1, "detail": detail.replace("\0", "")[:300]}
        with self._engine.begin() as connection:
            connection.execute(update(DeliveryRow).where(DeliveryRow.id == delivery_id).values(**values))


def deliver(delivery_id: str, store: WebhookStore, options: ServiceSettings, *, last: bool) -> bool:
    """Send one message once, which names the job and no content; True when it was taken, or its webhook is gone.

    Where it was not taken it has failed if this was the ``last`` attempt, and is pending otherwise.
    """
    found = store.message(delivery_id)
    if found is None:
        return True
    hook, event, subject, at = found
    body = json.dumps({"type": event, "timestamp": at.isoformat(), "data": {"id": subject}}).encode()
    now = datetime.now(UTC)
    headers = {
        "content-type": "application/json",
        "user-agent": "countermark",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(hook.secret).sign(delivery_id, now, body.decode()),
    }
    try:
        status = _post(hook.url, body, headers, options)
    except (OSError, http.client.HTTPException, UsageError, ValueError) as error:  # of IDNA, the last
        store.note(delivery_id, status="failed" if last else "pending", detail=str(error))
        return False
    taken, gone = 200 <= status < 300, status == http.HTTPStatus.GONE
    store.note(
        delivery_id,
        status="delivered" if taken else "failed" if gone or last else "pending",
        detail=f"HTTP {status}",
    )
    return taken or gone


def check_url(url: str, options: ServiceSettings) -> None:
    """Raises `UsageError` unless webhooks may be sent there; where a name leads is checked at each delivery."""
    parts = _plain(url)
    if parts is None:
        raise UsageError(
            "The webhook's URL is not a plain https URL.", remedy="Give one like https://example.com/hook."
        )
    if parts.scheme != "https" and parts.hostname not in options.webhook_hosts:
        raise UsageError(
            "Webhooks are only sent over https.",
            remedy="Use https, or have the operator add the host to COUNTERMARK_SERVICE_WEBHOOK_HOSTS.",
        )


def _plain(url: str) -> SplitResult | None:
    """The parts of a URL that HTTP requests can be sent to; None for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    named = parts.scheme in ("http", "https") and parts.hostname and parts.username is None and port != 0
    return parts if named and url.isascii() and url.isprintable() and " " not in url else None


def _post(url: str, body: bytes, headers: dict[str, str], options: ServiceSettings) -> int:
    check_url(url, options)
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    addresses = _addresses(host, port, options)
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        sock = _connected(addresses, port)
        with cut_after(_TIMEOUT, sock):
            sock.settimeout(_TIMEOUT)
            connection.sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host) if secure else sock
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers)
            return connection.getresponse().status  # redirections are not followed
    finally:
        connection.close()


def _addresses(host: str, port: int, options: ServiceSettings) -> list[str]:
    """The addresses of ``host`` that are not in a private network, unless the operator allows the host; best first."""
    found = dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    allowed = [a for a in found if host in options.webhook_hosts or ipaddress.ip_address(a).is_global]
    if not allowed:
        raise UsageError(f"{host} is not a public address.", remedy="Webhooks reach public hosts only.")
    return allowed


def _connected(addresses: list[str], port: int) -> socket.socket:
    """A connection to the first that takes one. They were checked; a name could lead elsewhere the second time."""
    for address in addresses[:-1]:
        with suppress(OSError):
            return socket.create_connection((address, port), timeout=_TIMEOUT / len(addresses))
    return socket.create_connection((addresses[-1], port), timeout=_TIMEOUT / len(addresses))


def _ended(job: Job) -> float:
    return job.completed_at.timestamp() if job.completed_at else 0.0
