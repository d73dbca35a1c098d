"""What surrounds every request, whatever a client sends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import generate_latest

from countermark.service import faults
from countermark.service.middleware import METRICS, Doorkeeper


@pytest.fixture
def client() -> TestClient:
    """A client of a server of this machine without keys."""
    app = FastAPI()
    faults.install(app, [])
    app.post("/here")(lambda: {})
    app.get("/broken")(lambda: 1 // 0)
    app.add_middleware(Doorkeeper, loopback=True, origins=[])
    app.state.service = SimpleNamespace(keys=SimpleNamespace(any=lambda: False))
    return TestClient(app, base_url="http://localhost:8080", raise_server_exceptions=False)


def test_methods_that_clients_invent_are_counted_as_one(client):
    for method in ("BREW", "POST", "WHISK"):
        client.request(method, "/here")
    told = generate_latest(METRICS).decode()
    assert 'method="POST",route="/here"' in told and 'method="other",route="/here"' in told
    assert "BREW" not in told and "WHISK" not in told


def test_a_request_that_breaks_down_is_answered_like_any_other(client):
    answer = client.get("/broken", headers={"x-request-id": "req_12345678"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert (answer.headers["x-request-id"], answer.headers["x-content-type-options"]) == ("req_12345678", "nosniff")
    with pytest.raises(ZeroDivisionError):  # it goes on to the server, which logs it
        TestClient(client.app, base_url="http://localhost").get("/broken")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "["}, "wrong_host"),
        ({"host": "localhost", "origin": "http://["}, "wrong_origin"),
        ({"host": "", "origin": "http://["}, "wrong_host"),
    ],
)
def test_malformed_addresses_are_refused(client, headers, code):
    answer = client.post("/here", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)
    assert client.post("/here", headers={"origin": "http://localhost:8080"}).status_code == 200
