"""What a collector of OpenTelemetry gets to see of a request, its job and the job's steps."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from running_service import PROMPT, serving

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs pip install 'countermark[otel]'")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

CALLER = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
TRACE, PARENT = CALLER["traceparent"].split("-")[1:3]


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, as a collector does, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []
        self.paths: set[str] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[Span]:
        with self.lock:
            groups = [group for request in self.requests for group in request.resource_spans]
        return [span for group in groups for scope in group.scope_spans for span in scope.spans]

    def until(self, name: str, **wanted: str) -> Span:
        """The span with this name and these attributes, once it has come."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for span in self.spans():
                if span.name == name and wanted.items() <= attributes(span).items():
                    return span
            time.sleep(0.2)
        pytest.fail(f"no span {name!r} with {wanted} among {[span.name for span in self.spans()]}")


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self.server.lock:
            self.server.paths.add(self.path)
            self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Not on standard error."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as taking:
        threading.Thread(target=taking.serve_forever, daemon=True).start()
        yield taking
        taking.shutdown()


def attributes(holder) -> dict[str, str | int]:
    values = ((pair.key, pair.value.WhichOneof("value"), pair.value) for pair in holder.attributes)
    return {key: getattr(value, kind) for key, kind, value in values if kind}


def test_a_job_is_traced_from_its_request_to_its_end(tmp_path, collector):
    resource = "deployment.environment=test"
    with serving(
        tmp_path / "home", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_RESOURCE_ATTRIBUTES=resource
    ) as server:
        asked = {"prompt": PROMPT, "model": "countermark-dit-fast", "seconds": "1"}
        made = server.call("POST", "/v1/videos", asked, headers=CALLER).json["id"]
        assert server.until(f"/v1/videos/{made}", "completed", "failed")["status"] == "completed"
        bad = server.call("POST", "/v1/verifications?wait=0", b"no video").json["id"]
        assert server.until(f"/v1/verifications/{bad}", "completed", "failed")["error"]["code"] == "media"

        request = collector.until("POST /v1/videos", **{"http.route": "/v1/videos"})
        workflow = collector.until("countermark.job", **{"dbos.operation.workflow_id": made})
        step = collector.until("work", **{"dbos.operation.workflow_id": made})
        job = collector.until("job video", **{"countermark.job.id": made})
        collector.until("announce", **{"dbos.operation.workflow_id": made})
        failed = collector.until("job verification", **{"countermark.job.id": bad})
        recorded = collector.until("work", **{"dbos.operation.workflow_id": bad})
        last = server.call("POST", "/v1/verifications?wait=0", b"no video either").json["id"]
        server.until(f"/v1/verifications/{last}", "failed")
        log = server.log
    # What was left when the processes were stopped has come too.
    assert [span for span in collector.spans() if attributes(span).get("countermark.job.id") == last]

    # One trace, the caller's, and each within the one before.
    chain = (request, workflow, step, job)
    assert {span.trace_id.hex() for span in chain} == {TRACE}
    assert [span.parent_span_id.hex() for span in chain] == [PARENT, *(span.span_id.hex() for span in chain[:-1])]
    assert attributes(request)["http.response.status_code"] == 200
    assert attributes(workflow)["dbos.queue.name"] == "generations"
    told = attributes(job)
    assert (told["countermark.job.kind"], told["countermark.job.status"]) == ("video", "completed")
    assert job.status.code == Status.STATUS_CODE_UNSET
    steps = ["policy", "sample", "watermark", "label", "sign", "read back", "register", "done", "pictures"]
    assert list(dict.fromkeys(event.name for event in job.events)) == steps

    # The job failed; the step that recorded that did not.
    assert (failed.status.code, failed.status.message) == (Status.STATUS_CODE_ERROR, "media")
    assert attributes(failed)["error.type"] == "media"
    assert recorded.status.code == Status.STATUS_CODE_OK

    assert collector.paths == {"/v1/traces"}
    for group in (group for request in collector.requests for group in request.resource_spans):
        resource = attributes(group.resource)
        assert (resource["service.name"], resource["deployment.environment"]) == ("countermark", "test")
    names = {span.name for span in collector.spans()}
    assert not {name for name in names if "readyz" in name}
    everything = b"".join(request.SerializeToString() for request in collector.requests)
    assert PROMPT.encode() not in everything

    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert {line["event"] for line in lines if line.get("trace_id") == TRACE} >= {"request", "completed"}
    assert not [line for line in lines if line["level"] in ("warning", "error")]
    assert "dbos" not in log.read_text()


def test_a_collector_that_is_away_holds_up_nothing(tmp_path, collector):
    collector.server_close()  # nothing listens there any more
    with serving(tmp_path / "home", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as server:
        bad = server.call("POST", "/v1/verifications?wait=0", b"no video").json["id"]
        assert server.until(f"/v1/verifications/{bad}", "completed", "failed")["error"]["code"] == "media"
        stopped = time.monotonic()
    assert time.monotonic() - stopped < 15
