"""The server and the worker processes beside it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import uvicorn

from countermark.service import server


def test_a_signal_stops_the_workers_at_once_and_they_are_not_taken_for_dead(monkeypatch, caplog):
    started = []

    def start(_command: list[str], **options: int) -> subprocess.Popen[bytes]:
        process = popen([sys.executable, "-c", "import time; time.sleep(600)"], **options)
        started.append(process)
        return process

    popen = subprocess.Popen
    monkeypatch.setattr(server.subprocess, "Popen", start)
    with server.worker_processes(2) as stop_workers:
        deadline = time.monotonic() + 30
        while len(started) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        serving = server.StoppingServer(uvicorn.Config("nowhere:app"), stop_workers)
        serving.handle_exit(signal.SIGTERM, None)  # and the requests under way go on
        assert serving.should_exit
        assert [process.wait(20) for process in started] == [-signal.SIGTERM] * 2
    assert len(started) == 2
    assert "a worker died" not in caplog.text
