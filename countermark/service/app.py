"""The FastAPI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute

from countermark.core.errors import CountermarkError
from countermark.core.settings import Settings
from countermark.service import faults
from countermark.service.api import (
    batches,
    examinations,
    images,
    jobs,
    models,
    moderations,
    operations,
    page,
    resolution,
    videos,
    webhooks,
)
from countermark.service.api.examples import illustrate
from countermark.service.audit import AuditLog
from countermark.service.catalogue import Catalogue
from countermark.service.crew import Crew
from countermark.service.files import FileStore
from countermark.service.housekeeping import keep_house
from countermark.service.jobs import JobStore
from countermark.service.keys import KeyStore
from countermark.service.middleware import Doorkeeper
from countermark.service.options import ServiceSettings
from countermark.service.queue import JobQueue
from countermark.service.quotas import QuotaStore
from countermark.service.state import Service
from countermark.service.tables import open_database
from countermark.service.tallies import Tallies
from countermark.service.watch import Watcher
from countermark.service.webhooks import WebhookStore
from policy import load_policy

log = logging.getLogger("countermark.service")

_DESCRIPTION = """Generates video that can prove where it came from, and examines video that cannot.

`/v1/videos`, `/v1/images`, `/v1/models` and `/v1/moderations` follow OpenAI's API; its clients work by changing the
base URL. Send an API key as `Authorization: Bearer …`, and an `Idempotency-Key` with whatever must not happen
twice."""

ROUTERS = (
    videos.router,
    images.router,
    models.router,
    moderations.router,
    examinations.router,
    jobs.router,
    batches.router,
    webhooks.router,
    operations.router,
    page.router,
)
"""The endpoints that need no settings to be put together; `resolution.routers` has the others."""


def create_app(settings: Settings, options: ServiceSettings) -> FastAPI:
    """The application; it opens database and queue when it starts, and lets go of them when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            service = open_service(settings, options, stack)
            app.state.service = service
            tasks = [
                asyncio.create_task(service.watcher.run()),
                asyncio.create_task(keep_house(service)),
                asyncio.create_task(_load_policy(settings)),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task

    app = FastAPI(
        title="Countermark",
        version=version("countermark"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        # Where `set_up_traces` has set up a provider, FastAPI makes a span of each request but the probes'.
        telemetry={
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: scope.get("path") in operations.POLLED,
        },
    )
    routers = (*ROUTERS, *resolution.routers(settings, options))
    faults.install(app, [route for router in routers for route in router.routes])
    for router in routers:
        app.include_router(router)
    if options.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=options.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "idempotency-key"],
            expose_headers=["x-request-id", "retry-after"],
        )
    app.add_middleware(Doorkeeper, loopback=options.loopback, origins=options.cors_origins)
    _document(app)
    return app


def _document(app: FastAPI) -> None:
    """The OpenAPI document with examples, without FastAPI's form of validation errors, which are answered otherwise."""
    document = app.openapi()
    illustrate(document)
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        default = operation["responses"].get("422", {})
        if "HTTPValidationError" in str(default):
            del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)


def open_service(settings: Settings, options: ServiceSettings, stack: ExitStack) -> Service:
    """Everything that requests need, closed with ``stack``. Raises `ConfigurationError` or `RegistryError`."""
    engine = stack.enter_context(open_database(settings))
    queue = JobQueue(engine)
    stack.callback(queue.close)
    jobs_of_all = JobStore(engine)
    return Service(
        settings=settings,
        options=options,
        catalogue=Catalogue(options.models),
        engine=engine,
        files=FileStore(options.files_dir(settings), options.store),
        jobs=jobs_of_all,
        keys=KeyStore(engine),
        queue=queue,
        quotas=QuotaStore(engine),
        tallies=Tallies(engine),
        webhooks=WebhookStore(engine),
        audit=AuditLog(engine),
        crew=Crew(engine),
        watcher=Watcher(jobs_of_all),
    )


async def _load_policy(settings: Settings) -> None:
    """Load the policy before the first request asks for it; what is wrong with it, readiness says."""
    try:
        await asyncio.to_thread(load_policy, settings.policy_file)
    except CountermarkError as error:
        log.error("policy", extra={"problem": str(error)})


def _operation_id(route: APIRoute) -> str:
    path = route.path_format.strip("/").replace("/", "_").replace("{", "").replace("}", "")
    return f"{min(route.methods or {'any'}).lower()}_{path}"
