from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from policy import check
from policy.guard import Guard, GuardError, read_llamaguard, read_qwen3guard

PEACE = "a red balloon rising over the sea"


class StandIn(BaseHTTPRequestHandler):
    """An OpenAI-compatible chat endpoint that answers what the test wants."""

    answer = ""
    status = 200
    heard: dict[str, object] = {}  # noqa: RUF012

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        StandIn.heard = {"path": self.path, "key": self.headers.get("Authorization"), **json.loads(body)}
        payload = json.dumps({"choices": [{"message": {"role": "assistant", "content": StandIn.answer}}]}).encode()
        self.send_response(StandIn.status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), StandIn)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    StandIn.status = 200
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("dialect", "answer", "action", "category"),
    [
        ("qwen3guard", "Safety: Safe\nCategories: None", "allow", None),
        ("qwen3guard", "Safety: Unsafe\nCategories: Suicide & Self-Harm", "block", "self_harm"),
        ("qwen3guard", "Safety: Controversial\nCategories: Violent", "review", "graphic_violence"),
        ("llamaguard", "\n\nsafe", "allow", None),
        ("llamaguard", "\n\nunsafe\nS9,S2", "block", "illicit"),
        ("llamaguard", "unsafe\nS99", "block", "dangerous_acts"),
    ],
)
def test_the_verdict_is_fused(url: str, dialect: str, answer: str, action: str, category: str | None) -> None:
    StandIn.answer = answer
    decision = check(PEACE, guard=Guard(url, "guard", dialect=dialect, key="secret"))  # type: ignore[arg-type]
    assert (decision.action, decision.category) == (action, category)
    assert StandIn.heard["path"] == "/v1/chat/completions"
    assert StandIn.heard["key"] == "Bearer secret"
    assert StandIn.heard["messages"] == [{"role": "user", "content": PEACE}]


def test_a_guard_cannot_lift_our_own_refusal(url: str) -> None:
    StandIn.answer = "Safety: Safe"
    assert check("a naked couple having sex on a hotel bed", guard=Guard(url, "guard")).action == "block"


def test_no_verdict_stops_everything(url: str) -> None:
    StandIn.answer = "I would rather talk about the weather."
    with pytest.raises(GuardError, match="not a verdict"):
        check(PEACE, guard=Guard(url, "guard"))
    StandIn.status = 500
    with pytest.raises(GuardError, match="no verdict"):
        check(PEACE, guard=Guard(url, "guard"))
    with pytest.raises(GuardError, match="no verdict"):
        check(PEACE, guard=Guard("http://127.0.0.1:9/v1", "guard", timeout=1))


def test_answers_are_read_as_the_model_cards_say() -> None:
    assert read_qwen3guard("Safety: Unsafe\nCategories: Violent, PII").hazards == ["Violent", "PII"]
    assert read_llamaguard("unsafe\nS1,S10").hazards == ["S1", "S10"]
