"""When traces are exported, and what keeps them from it."""

from __future__ import annotations

import sys

import pytest

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Settings
from countermark.service import traces
from countermark.service.options import ServiceSettings
from countermark.service.server import serve
from countermark.service.traces import set_up_traces

EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


@pytest.fixture(autouse=True)
def variables(monkeypatch) -> None:
    """None of OpenTelemetry's but the endpoint."""
    for name in ("SDK_DISABLED", "TRACES_EXPORTER", "EXPORTER_OTLP_PROTOCOL", "EXPORTER_OTLP_TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.parametrize("endpoint", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_without_its_packages_it_says_what_to_install(monkeypatch, endpoint):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv(endpoint, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    with pytest.raises(ConfigurationError, match=r"countermark\[otel\]"):
        set_up_traces()


def test_a_server_does_not_start_without_them(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    monkeypatch.setattr("countermark.service.server.set_up_logging", lambda _level: None)
    with pytest.raises(ConfigurationError, match="OpenTelemetry is not installed"):
        serve(Settings(home=tmp_path), ServiceSettings(port=0, workers=0), lambda _address: None)


def test_a_protocol_that_is_not_spoken_is_refused(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(ConfigurationError, match="4318"):
        set_up_traces()


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_EXPORTER_OTLP_ENDPOINT", ""), ("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")],
)
def test_where_no_traces_are_wanted_nothing_is_set_up(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, EXPORTER, None)  # and nothing is asked for
    assert not set_up_traces()
    assert traces.trace_context() is None
    assert traces.trace_id() is None
    traces.flush_traces()
