"""The commands that run the service and manage who may use it."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from countermark.cli.outcome import YES, Outcome
from countermark.cli.page import Page, Row, counted, show
from countermark.core.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Engine

    from countermark.service.keys import Scope

keys = typer.Typer(help="API keys of the service.", no_args_is_help=True)
quotas = typer.Typer(help="Limits of the service's tenants.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on standard output.")]
Tenant = Annotated[str, typer.Argument(help="Whose jobs nobody else can see, such as a team or a customer.")]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind (default 127.0.0.1).", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to bind (default 8080).", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, max=256, help="Worker processes (default 1).", show_default=False)
    ] = None,
) -> int:
    """Run the HTTP service: the OpenAI Videos API, verification, screening, and a page for people.

    Only this machine can reach it until there is an API key (`countermark keys create`). More settings are in the
    environment, as COUNTERMARK_SERVICE_….
    """
    _leave_threads_to_the_service()
    from countermark.core.settings import get_settings
    from countermark.service.options import get_service_settings
    from countermark.service.server import serve as run

    given = {"host": host, "port": port, "workers": workers}
    options = get_service_settings().model_copy(update={name: v for name, v in given.items() if v is not None})

    def on_ready(address: str) -> None:
        rows = (
            Row("page", address),
            Row("API", f"{address}/v1  (OpenAPI at {address}/openapi.json)"),
            Row("workers", str(options.workers)),
            Row("stop", "Ctrl-C"),
        )
        show(Page("Countermark is serving", "", rows), sys.stderr)

    run(get_settings(), options, on_ready)
    return YES


def worker() -> int:
    """Run one more worker of a service, on this machine or another that shares its database, files and keys."""
    _leave_threads_to_the_service()
    from countermark.service.worker import main

    return main()


@keys.command("create")
def create_key(
    tenant: Tenant,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="generate, verify, screen, protect, check, operate or register; may be repeated. "
            "Default: all but register."
        ),
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.0, help="Days until it expires. Default: never.")] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Make an API key. Its secret is shown once and cannot be read again."""
    from countermark.service.keys import DEFAULT_SCOPES, SCOPES, KeyStore

    known: dict[str, Scope] = {str(known): known for known in SCOPES}
    for word in scope or []:
        if word not in known:
            raise UsageError(f"There is no scope '{word}'.", remedy=f"Choose from {', '.join(SCOPES)}.")
    scopes = tuple(known[word] for word in scope) if scope else DEFAULT_SCOPES
    with _engine() as engine:
        key = KeyStore(engine).create(tenant, name=name, scopes=scopes, days=days)
    rows = (
        Row("secret", key.secret),
        Row("id", key.id),
        Row("tenant", key.tenant),
        Row("scopes", ", ".join(key.scopes)),
        Row("expires", f"{key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never"),
    )
    return Outcome(Page("API key", "The secret is shown only now.", rows), result=key, as_json=as_json)


@keys.command("list")
def list_keys() -> Outcome:
    """List the API keys, without their secrets."""
    from countermark.service.keys import KeyStore

    now = datetime.now(UTC)
    with _engine() as engine:
        found = KeyStore(engine).all()
    rows = []
    for key in found:
        state = "revoked" if key.revoked_at else "valid" if key.valid(now) else "expired"
        named = f", {key.name}" if key.name else ""
        rows.append(Row(key.id, f"{state}, tenant {key.tenant}{named}, {' '.join(key.scopes)}"))
    return Outcome(Page(counted(len(found), "API key"), "", tuple(rows)))


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="The key's id, from `keys list`.")]) -> Outcome:
    """End an API key at once. The service stays closed, also when no key is left."""
    from countermark.service.keys import KeyStore

    with _engine() as engine:
        KeyStore(engine).revoke(key_id)
    return Outcome(Page("Revoked", key_id))


@quotas.command("set")
def set_quota(
    tenant: Tenant,
    unfinished: Annotated[int | None, typer.Option(min=0, help="Unfinished jobs at once.")] = None,
    daily_videos: Annotated[
        int | None, typer.Option(min=0, help="Videos and requests for pictures created in 24 hours.")
    ] = None,
) -> Outcome:
    """Give a tenant limits of its own; without an option the service's default holds again."""
    from countermark.service.quotas import QuotaStore

    with _engine() as engine:
        QuotaStore(engine).set(tenant, queue_limit=unfinished, daily_generations=daily_videos)
    default = "the service's default"
    rows = (
        Row("unfinished jobs", default if unfinished is None else str(unfinished)),
        Row("generations in 24 hours", default if daily_videos is None else str(daily_videos)),
    )
    return Outcome(Page(f"Limits of {tenant}", "", rows))


def audit(
    count: Annotated[int, typer.Option("--last", min=1, max=100_000, help="How many lines.")] = 50,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
) -> Outcome:
    """Show the service's audit log: who did what to which thing, when."""
    from countermark.service.audit import AuditLog

    with _engine() as engine:
        entries = AuditLog(engine).last(count, tenant=tenant)
    rows = tuple(
        Row(f"{entry.at:%Y-%m-%d %H:%M:%S}", f"{entry.tenant}  {entry.key_id or '-'}  {entry.action}  {entry.subject}")
        for entry in entries
    )
    return Outcome(Page(counted(len(rows), "entry"), "", rows))


def _leave_threads_to_the_service() -> None:
    """Keep BLAS, before it is loaded, from spinning on threads of its own beside those of requests and jobs."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _engine() -> AbstractContextManager[Engine]:
    from countermark.core.settings import get_settings
    from countermark.service.tables import open_database

    return open_database(get_settings())
