# ruff: noqa: E402  # what is imported below needs the extra
"""The real client against a small server on this machine that speaks the Videos API."""

import json
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

openai = pytest.importorskip("openai", reason="the extra openai is not installed")

from countermark.core.errors import ConfigurationError, GenerationError, MediaLimitError, UsageError
from countermark.core.media import Frames, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from generator.backends import model_named, openai_videos
from generator.backends.openai_videos import OpenAIVideosModel
from generator.model import GenerationCancelledError, Inputs
from generator.request import GenerationRequest, Shot


class Server(ThreadingHTTPServer):
    """Finishes a video at the second question about it, or lets it fail."""

    content = b""
    fails = False
    asked = 0
    created: dict[str, str]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode(errors="replace")
        self.server.created = {"body": body, "path": self.path, "key": self.headers["Authorization"]}
        self._say("queued", 0)

    def do_GET(self) -> None:
        if self.path.startswith("/v1/videos/video_1/content"):
            self._send(self.server.content, "video/mp4")
            return
        self.server.asked += 1
        done = self.server.asked >= 2
        self._say(("failed" if self.server.fails else "completed") if done else "in_progress", 100 if done else 40)

    def _say(self, status: str, progress: int) -> None:
        video = {"id": "video_1", "object": "video", "created_at": 1, "model": "m", "seconds": "4", "size": "64x64"}
        error = {"code": "e", "message": "the server is tired"} if status == "failed" else None
        self._send(
            json.dumps(video | {"status": status, "progress": progress, "error": error}).encode(), "application/json"
        )

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[Server]:
    spec = VideoSpec(width=64, height=64, fps=Fraction(12), time_base=Fraction(1, 12))
    with VideoWriter(tmp_path / "v.mp4", spec) as writer:
        writer.write(Frames.from_rgb(np.full((12, 64, 64, 3), 90, np.uint8), pts=np.arange(12)))
    with Server(("127.0.0.1", 0), Handler) as server:
        server.content = Path(tmp_path / "v.mp4").read_bytes()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setattr(openai_videos, "POLL_SECONDS", 0.01)
        yield server
        server.shutdown()


def sampled(
    request: GenerationRequest, *, cancel: bool = False, notices: list[str] | None = None
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    heard: list[tuple[int, int]] = []
    chunks = OpenAIVideosModel("m").sample(
        request.model_copy(update={"size": (64, 64)}),
        Inputs(),
        on_progress=lambda *step: heard.append(step),
        on_notice=([] if notices is None else notices).append,
        cancelled=lambda: cancel,
    )
    return np.concatenate(list(chunks)), heard


def test_a_servers_video_comes_back_as_frames_at_the_rate_that_was_promised(server):
    frames, heard = sampled(GenerationRequest(prompt="a red ball", seconds=4))
    assert frames.shape == (23, 64, 64, 3)  # a second at 12 frames is 23 at 24: the last one has no successor
    assert abs(int(frames.mean()) - 90) < 4
    assert heard == [(40, 100), (100, 100)]
    assert server.created["path"] == "/v1/videos"
    for part in ("a red ball", "64x64", "4"):
        assert part in server.created["body"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "seed and steps"),
        ({"negative_prompt": "", "seed": 0, "steps": None}, "seed and steps"),
        ({"negative_prompt": "a cat", "seed": 3}, "negative_prompt, seed"),
    ],
)
def test_what_was_asked_for_and_the_server_decides_is_said(server, fields, said):
    notices: list[str] = []
    sampled(GenerationRequest(prompt="a red ball").model_copy(update=fields), notices=notices)
    assert notices == [f"decided by the server: {said}"]


def test_a_servers_video_is_held_to_the_limits_of_the_settings(server):
    model = model_named("openai:m@64x64", Settings(max_pixels=64 * 63))
    steps = {"on_progress": lambda *_: None, "on_notice": lambda _: None, "cancelled": lambda: False}
    with pytest.raises(MediaLimitError, match="4032 pixels"):
        list(model.sample(GenerationRequest(prompt="a red ball"), Inputs(), **steps))


def test_what_the_server_says_of_a_failure_is_passed_on(server):
    server.fails = True
    with pytest.raises(GenerationError, match="the server is tired"):
        sampled(GenerationRequest(prompt="a red ball"))


def test_a_server_that_is_away_is_an_error_with_a_remedy(server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr(openai, "DEFAULT_MAX_RETRIES", 0, raising=False)
    with pytest.raises(GenerationError, match="Check the server"):
        sampled(GenerationRequest(prompt="a red ball"))


def test_waiting_can_be_cancelled(server):
    with pytest.raises(GenerationCancelledError):
        sampled(GenerationRequest(prompt="a red ball"), cancel=True)


def test_other_tasks_are_refused(server):
    with pytest.raises(UsageError, match="one prompt"):
        OpenAIVideosModel("m").check(GenerationRequest(prompt="", shots=(Shot(prompt="a ball"),)))


def test_models_have_names(server, monkeypatch):
    assert model_named("openai:m").name == "openai/m"
    sized = model_named("openai:org/m@832x480")
    assert (sized.name, sized.size_for(None)) == ("openai/org/m", (832, 480))
    assert model_named("bundled").name == "countermark-dit"
    for name in ("", "openai:", "something:else"):
        with pytest.raises(UsageError, match="no model"):
            model_named(name)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        model_named("openai:m")
