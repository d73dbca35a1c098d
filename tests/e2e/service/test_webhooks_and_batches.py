"""Webhooks, received by a server of the test's own and checked with the Standard Webhooks library."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue

import pytest
from running_service import Server, serving
from standardwebhooks import Webhook


@pytest.fixture
def receiver() -> Iterator[tuple[int, Queue]]:
    """A port on which messages are taken at the second attempt, and the messages."""
    messages: Queue = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            messages.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(500 if messages.unfinished_tasks == 1 else 204)
            self.end_headers()

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield http.server_port, messages
    http.shutdown()


@pytest.fixture
def hooked(tmp_path) -> Iterator[Server]:
    with serving(tmp_path / "home", COUNTERMARK_SERVICE_WEBHOOK_HOSTS='["127.0.0.1"]') as server:
        yield server


def test_a_message_is_signed_and_sent_until_it_is_taken(hooked, receiver):
    port, messages = receiver
    hook = hooked.call("POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{port}/hook"}).json
    assert hooked.call("GET", "/v1/webhooks").json["data"][0].keys() == hook.keys() - {"secret"}
    job = hooked.call("POST", "/v1/verifications", b"no video").json
    headers, body = messages.get(timeout=60)
    again, same = messages.get(timeout=60)
    assert (again["webhook-id"], same) == (headers["webhook-id"], body)
    told = Webhook(hook["secret"]).verify(same, again)
    assert (told["type"], told["data"]) == ("verification.failed", {"id": job["id"]})
    assert json.loads(body) == told
    assert hooked.call("DELETE", f"/v1/webhooks/{hook['id']}").json["deleted"]


@pytest.mark.parametrize("url", ["http://example.com/", "ftp://example.com/", "https://user@example.com/", "nowhere"])
def test_an_address_that_would_never_be_called_is_refused(server, url):
    answer = server.call("POST", "/v1/webhooks", {"url": url})
    assert (answer.status, answer.json["error"]["code"]) == (400, "usage")


def test_a_folder_is_screened_as_a_batch(tmp_path, sealed):
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(sealed[1])
    (folder / "b.mp4").write_bytes(b"no video")
    sources = json.dumps({"local": [f"file://{folder}"]})
    with serving(tmp_path / "home", COUNTERMARK_SERVICE_SOURCES=sources) as server:
        refused = server.call("POST", "/v1/batches", {"source": "file:///etc"})
        assert (refused.status, refused.json["error"]["code"]) == (400, "usage")
        asked = {"source": f"file://{folder}", "kind": "verification"}
        batch = server.call("POST", "/v1/batches", asked).json
        assert batch["total"] == 2
        for job in server.call("GET", f"/v1/batches/{batch['id']}/jobs").json["data"]:
            server.until(f"/v1/jobs/{job['id']}", "completed", "failed")
        assert server.call("GET", f"/v1/batches/{batch['id']}").json["counts"] == {"completed": 1, "failed": 1}
        first, second = server.call("GET", f"/v1/batches/{batch['id']}/jobs").json["data"]
        # Signed with another machine's keys, it is intact and from a stranger.
        assert (first["file"]["name"], first["result"]["conclusion"]) == ("a.mp4", "untrusted")
        assert second["error"]["code"] == "media"
