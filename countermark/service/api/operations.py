"""Health, readiness and metrics, for those who run the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from countermark.service.access import Operator
from countermark.service.api.documents import faults
from countermark.service.middleware import METRICS
from countermark.service.state import Here, Service
from countermark.service.tallies import HELP

router = APIRouter(tags=["operations"])
POLLED = ("/healthz", "/readyz", "/metrics")
"""Paths that probes and collectors ask for every few seconds; they are not traced."""


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether requests can be served; each part is "ok" or says what is wrong with it."""

    ready: bool
    database: str
    policy: str
    workers: int


@router.get("/healthz", response_model=Health, summary="Liveness")
def healthz() -> Health:
    """Answers as long as the process lives."""
    return Health()


@router.get(
    "/readyz",
    response_model=Readiness,
    summary="Readiness",
    responses={503: {"model": Readiness, "description": "Requests cannot be served now."}},
)
def readyz(service: Here) -> Response:
    """Whether the database answers, the policy is loaded and a worker lives."""
    try:
        with service.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        database, workers = "ok", len(service.crew.living())
    except SQLAlchemyError as error:
        database, workers = f"unreachable ({type(error).__name__})", 0
    policy = service.policy_state()
    state = Readiness(
        ready=database == policy == "ok" and workers > 0, database=database, policy=policy, workers=workers
    )
    return JSONResponse(state.model_dump(), 200 if state.ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    summary="Metrics",
    responses=faults() | {200: {"description": "Prometheus' text format.", "content": {"text/plain": {}}}},
)
def metrics(_principal: Operator, service: Here) -> Response:
    """Prometheus metrics: requests of this server; queue, jobs, refusals and conclusions of the whole deployment."""
    shared = CollectorRegistry()
    shared.register(_Deployment(service))
    return Response(generate_latest(METRICS) + generate_latest(shared), media_type=CONTENT_TYPE_LATEST)


class _Deployment:
    """What the database knows, gathered when it is asked for."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """The metric families."""
        depth = GaugeMetricFamily("countermark_queue_jobs", "Unfinished jobs.", labels=["kind", "status"])
        for (kind, status), count in self._service.jobs.depths().items():
            depth.add_metric([kind, status], count)
        yield depth
        yield GaugeMetricFamily("countermark_workers", "Living workers.", value=len(self._service.crew.living()))
        families: dict[str, CounterMetricFamily] = {}
        for name, labels, value in self._service.tallies.all():
            if name not in families:
                families[name] = CounterMetricFamily(name.removesuffix("_total"), HELP[name], labels=list(labels))
            families[name].add_metric(list(labels.values()), value)
        yield from families.values()
