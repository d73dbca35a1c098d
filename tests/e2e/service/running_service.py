"""The service as a process of its own, reached over HTTP as its users reach it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).parent / "countermark"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
PROMPT = "a red balloon rising over the sea"


@dataclass
class Answer:
    """Status, headers and body of a response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running ``countermark serve``."""

    home: Path
    url: str
    process: subprocess.Popen[str]
    log: Path
    environment: dict[str, str] = field(repr=False)
    key: str | None = None

    def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, timeout: float = 120
    ) -> Answer:
        """One request; bytes are sent as a video, anything else as JSON."""
        kind = "video/mp4" if isinstance(body, bytes) else "application/json"
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given = {"content-type": kind} if data is not None else {}
        given |= {"authorization": f"Bearer {self.key}"} if self.key else {}
        request = urllib.request.Request(self.url + path, data, given | (headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    def until(self, path: str, *states: str, timeout: float = 240) -> Any:
        """The job at ``path`` once its status is one of ``states``."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            job = self.call("GET", path).json
            if job.get("status") in states:
                return job
            time.sleep(0.2)
        pytest.fail(f"{path} is still {job}\n{self.log.read_text()[-4000:]}")

    def cli(self, *words: str | Path, code: int = 0) -> str:
        """Run ``countermark`` on the server's home."""
        command = [PROGRAM, *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def workers(self) -> list[int]:
        """Process numbers of the workers that the server has started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = [int(pid) for task in children.parents[1].iterdir() for pid in (task / "children").read_text().split()]
        return [pid for pid in found if b"countermark.service.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def kill(self) -> None:
        """End server and workers as a power cut would."""
        for pid in (*self.workers(), self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def serving(home: Path, *words: str, key: str | None = None, **variables: str) -> Iterator[Server]:
    """``countermark serve`` on a free port, until it is ready, and not beyond the block."""
    environment = os.environ | {"COUNTERMARK_HOME": str(home)} | variables
    home.mkdir(exist_ok=True)
    log = home / f"serve-{time.monotonic_ns()}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", *words], env=environment, stderr=errors, text=True, start_new_session=True
        )
    try:
        server = Server(home, _address(process, log), process, log, environment, key)
        _wait_until_ready(server, workers="--workers=0" not in words)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)  # what is it doing?
            time.sleep(1)
            process.kill()
            process.wait()
            pytest.fail("the server did not stop\n" + log.read_text()[-4000:])
    assert "Traceback" not in log.read_text()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"page +(http://\S+)", log.read_text()):
            return found[1].replace("0.0.0.0", "127.0.0.1")
        time.sleep(0.1)
    pytest.fail("the server did not start\n" + log.read_text())


def _wait_until_ready(server: Server, *, workers: bool) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            answer = server.call("GET", "/readyz")
        except OSError:
            time.sleep(0.1)
            continue
        if answer.status == 200 or (not workers and answer.json["database"] == "ok"):
            return
        time.sleep(0.2)
    pytest.fail("the server did not get ready\n" + server.log.read_text())


def secret(server: Server, tenant: str, *options: str) -> str:
    """A new key, as `countermark keys create` shows it."""
    key = json.loads(server.cli("keys", "create", tenant, "--json", *options))
    assert key["tenant"] == tenant
    return key["secret"]
