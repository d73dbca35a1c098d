"""Killed at any step, the service loses no job and seals no video twice; on SQLite and on PostgreSQL."""

from __future__ import annotations

import base64
import io
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import openai
import pytest
from PIL import Image
from running_service import PROGRAM, PROMPT, Server, serving
from sqlalchemy import create_engine, text

POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)


def ask(url: str, question: str) -> list[tuple]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(question))]
    finally:
        engine.dispose()


def create(server: Server, **fields: object) -> str:
    return server.call("POST", "/v1/videos", {"prompt": PROMPT, "steps": 2} | fields).json["id"]


def wait_for_progress(server: Server, video: str, percent: int) -> None:
    deadline = time.monotonic() + 120
    while server.call("GET", f"/v1/videos/{video}").json["progress"] < percent:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_as_by_a_power_cut_nothing_is_lost_and_nothing_is_sealed_twice(tmp_path):
    home = tmp_path / "home"
    with serving(home) as first:
        videos = [create(first, seed=seed) for seed in range(2)]
        wait_for_progress(first, videos[0], 80)  # its frames are being sealed
        first.kill()
    with serving(home) as second:
        for video in videos:
            done = second.until(f"/v1/videos/{video}", "completed", "failed")
            assert done["status"] == "completed", done
        database = f"sqlite:///{home / 'registry.db'}"
        assert ask(database, "SELECT count(*) FROM seals") == [(2,)]
        assert ask(database, "SELECT count(*) FROM pending_seals") == [(0,)]
        assert sorted(ask(database, "SELECT attempts FROM service_jobs")) == [(1,), (2,)]


def test_a_worker_ends_with_its_server_and_a_graceful_stop_counts_against_no_job(tmp_path):
    home = tmp_path / "home"
    with serving(home) as server:
        video = create(server, steps=200)
        wait_for_progress(server, video, 5)
        workers = server.workers()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        deadline = time.monotonic() + 60
        while any(Path(f"/proc/{pid}").exists() for pid in workers):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    rows = ask(f"sqlite:///{home / 'registry.db'}", "SELECT status, attempts FROM service_jobs")
    assert rows in ([("in_progress", 0)], [("completed", 1)])  # done, if that was sooner than the worker's notice


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own."""
    if POSTGRES is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    run = partial(subprocess.run, check=True, capture_output=True, cwd="/")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # not below pytest's folder, which is closed to other users
    become: list[str] = []
    if os.getuid() == 0:  # which PostgreSQL refuses to be
        become = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, tools = folder / "data", POSTGRES.parent
    run([*become, tools / "initdb", "-A", "trust", "-U", "countermark", "-D", data])
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [*become, tools / "pg_ctl", "-D", data, "-w"]
    run([*control, "-o", options, "-l", folder / "log", "start"])
    try:
        yield f"postgresql+psycopg://countermark@127.0.0.1:{port}/postgres"
    finally:
        run([*control, "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)


def test_two_workers_share_postgresql(tmp_path, postgres):
    variables = {"COUNTERMARK_DATABASE_URL": postgres}
    with serving(tmp_path / "home", "--workers", "2", **variables) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)
        videos = [client.videos.create(prompt=PROMPT, extra_body={"steps": 2, "seed": seed}) for seed in range(3)]
        wait_for_progress(server, videos[0].id, 5)
        os.kill(server.workers()[0], signal.SIGKILL)
        for video in videos:
            assert client.videos.poll(video.id, poll_interval_ms=300).status == "completed"
        target = tmp_path / "out.mp4"
        client.videos.download_content(videos[0].id).write_to_file(target)
        assert "Verified" in server.cli("verify", target)
        metrics = server.call("GET", "/metrics").body.decode()
        assert 'countermark_jobs_total{kind="video",status="completed"} 3.0' in metrics
    assert ask(postgres, "SELECT count(*) FROM seals") == [(3,)]


def test_machines_that_share_no_folder_share_an_object_store(tmp_path):
    store = f"file://{tmp_path / 'bucket'}"
    with serving(tmp_path / "home", "--workers=0", COUNTERMARK_SERVICE_STORE=store) as server:
        elsewhere = server.environment | {"COUNTERMARK_SERVICE_FILES": str(tmp_path / "elsewhere")}
        with (tmp_path / "worker.log").open("w") as log:
            worker = subprocess.Popen([PROGRAM, "worker"], env=elsewhere, stderr=log)
        try:
            still = io.BytesIO()
            Image.new("RGB", (256, 256), "darkgreen").save(still, "PNG")
            url = "data:image/png;base64," + base64.b64encode(still.getvalue()).decode()
            asked = {"prompt": PROMPT, "steps": 1, "seconds": "1", "input_reference": {"image_url": url}}
            made = server.call("POST", "/v1/videos", asked).json
            assert server.until(f"/v1/videos/{made['id']}", "completed", "failed")["status"] == "completed"
            part = server.call("GET", f"/v1/videos/{made['id']}/content", headers={"range": "bytes=4-7"})
            assert (part.status, part.body) == (206, b"ftyp")
            kept = tmp_path / "bucket" / "jobs" / made["id"]
            assert sorted(path.name for path in kept.iterdir()) == ["spritesheet.jpg", "thumbnail.webp", "video.mp4"]
            longer = {"prompt": PROMPT, "video": {"id": made["id"]}, "seconds": "1", "steps": 1}
            again = server.call("POST", "/v1/videos/extensions", longer).json
            assert server.until(f"/v1/videos/{again['id']}", "completed", "failed")["status"] == "completed"
            server.call("DELETE", f"/v1/videos/{made['id']}")
            assert not kept.exists()
        finally:
            worker.terminate()
            worker.wait(60)
