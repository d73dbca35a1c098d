"""Traces for OpenTelemetry, where its variables name a collector; without them nothing here does anything.

FastAPI makes the spans of requests, DBOS those of workflows and steps, all for the provider that is set up here. DBOS
calls each step that returns a success, also one that recorded a job's failure, so `job_span` adds what became of a job.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from countermark.core.errors import ConfigurationError
from countermark.service.jobs import Job

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

NAME = "countermark"
_FLUSH_SECONDS = 3.0
"""How long a process that ends waits for the collector to take its last spans."""

_providers: list[TracerProvider] = []


def set_up_traces() -> bool:
    """Export this process's spans from now on; False where no collector is named.

    Raises `ConfigurationError` without the packages, and for a protocol that is not OTLP over HTTP.
    """
    if _providers or not _wanted():
        return bool(_providers)
    protocol = _variable("PROTOCOL") or "http/protobuf"
    if protocol != "http/protobuf":
        raise ConfigurationError(
            f"Traces are exported over http/protobuf only, and OpenTelemetry's variables ask for {protocol}.",
            remedy="Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, and a collector's HTTP port, often 4318.",
        )
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed.",
            remedy="Run `pip install 'countermark[otel]'`, or unset it.",
        ) from error
    ours = {"service.name": NAME, "service.version": version("countermark")}
    resource = Resource.create({**ours, **OTELResourceDetector().detect().attributes})  # the operator's names win
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _providers.append(provider)
    return True


def flush_traces() -> None:
    """Export what is left, as far as the collector takes it soon; called where a process ends."""
    for provider in _providers:
        sender = threading.Thread(target=provider.force_flush, daemon=True)  # its own time limit does nothing
        sender.start()
        sender.join(_FLUSH_SECONDS)


def trace_context() -> Context | None:
    """Where the present request or step stands in its trace, for what it puts into the queue."""
    if not _providers:
        return None
    from opentelemetry.context import get_current

    return get_current()


def trace_id() -> str | None:
    """The trace that is being written, as 32 hexadecimal digits."""
    if not _providers:
        return None
    from opentelemetry.trace import format_trace_id, get_current_span

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


class JobSpan:
    """The span of one try at a job."""

    def __init__(self, span: Span | None) -> None:
        self._span, self._step = span, ""

    def step(self, name: str | None) -> None:
        """Note that a step begins, unless it is the present one; the steps of sampling are one."""
        name = "sample" if name and name.startswith("sample ") else name
        if self._span is not None and name and name != self._step:
            self._span.add_event(name)
            self._step = name

    def ended(self, status: str, code: str | None = None) -> None:
        """Note how the job ended, with the code of its error if it failed."""
        if self._span is None:
            return
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("countermark.job.status", status)
        if code is not None:
            self._span.set_attribute("error.type", code)
            self._span.set_status(Status(StatusCode.ERROR, code))


@contextmanager
def job_span(job: Job) -> Iterator[JobSpan]:
    """A span within the present step's that has the job's id, kind and tenant, and nothing that its owner wrote."""
    if not _providers:
        yield JobSpan(None)
        return
    attributes: dict[str, str | int] = {
        "countermark.job.id": job.id,
        "countermark.job.kind": job.kind,
        "countermark.job.tenant": job.tenant,
        "countermark.job.attempt": job.attempts,
    }
    tracer = _providers[0].get_tracer(NAME)
    with tracer.start_as_current_span(f"job {job.kind}", attributes=attributes, record_exception=False) as span:
        yield JobSpan(span)


def _wanted() -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none":
        return False
    return bool(_variable("ENDPOINT"))


def _variable(name: str) -> str | None:
    """A variable of the exporter, the one for traces before the one for everything."""
    return os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}")
