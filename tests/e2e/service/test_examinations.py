"""Verifying, screening and sealing over HTTP."""

from __future__ import annotations

import io
import json
import time
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from countermark.core.media import remux_without_metadata


def form(name: str, content: bytes, field: str = "file") -> tuple[bytes, dict[str, str]]:
    """A multipart form with one file."""
    head = f'--frontier\r\ncontent-disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
    return head + content + b"\r\n--frontier--\r\n", {"content-type": "multipart/form-data; boundary=frontier"}


def test_a_sealed_video_is_verified(server, sealed):
    answer = server.call("POST", "/v1/verifications", sealed[1])
    assert answer.status == 200
    job = answer.json
    assert (job["object"], job["status"], job["result"]["conclusion"]) == ("verification", "completed", "verified")
    assert server.call("GET", f"/v1/verifications/{job['id']}").json == job
    upload = server.home / "service" / "jobs" / job["id"] / "upload"
    deadline = time.monotonic() + 20  # the worker tidies up after it has answered
    while upload.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_form_a_plain_body_and_a_reference_say_the_same(server, sealed):
    body, headers = form("my clip.mp4", sealed[1])
    as_form = server.call("POST", "/v1/verifications", body, headers=headers).json
    by_name = server.call("POST", "/v1/verifications", {"video": sealed[0]}).json
    assert as_form["file"] == {"name": "my clip.mp4", "size_bytes": len(sealed[1]), "video": None}
    assert as_form["result"]["path"] == "my clip.mp4"
    assert as_form["result"]["findings"] == by_name["result"]["findings"]
    assert str(server.home) not in json.dumps([as_form, by_name])


def test_a_stripped_copy_is_recovered_and_a_changed_one_is_tampered(server, sealed, tmp_path):
    original, stripped = tmp_path / "a.mp4", tmp_path / "b.mp4"
    original.write_bytes(sealed[1])
    remux_without_metadata(original, stripped)
    assert server.call("POST", "/v1/verifications", stripped.read_bytes()).json["result"]["conclusion"] == "recovered"
    changed = bytearray(sealed[1])
    changed[changed.index(b"mdat") + 2000] ^= 1
    assert server.call("POST", "/v1/verifications", bytes(changed)).json["result"]["conclusion"] == "tampered"


def test_a_screening_has_frames_and_a_report(server, sealed):
    job = server.call("POST", "/v1/screenings", sealed[1]).json
    assert (job["status"], job["result"]["conclusion"]) == ("completed", "verified_origin")
    assert len(job["frames"]) >= 6
    assert [frame["time"] for frame in job["frames"]] == sorted(frame["time"] for frame in job["frames"])
    frame = server.call("GET", f"/v1/screenings/{job['id']}/frames/0")
    assert Image.open(io.BytesIO(frame.body)).size == (256, 256)
    assert server.call("GET", f"/v1/screenings/{job['id']}/frames/99").status == 404
    report = server.call("GET", f"/v1/screenings/{job['id']}/report")
    assert report.headers["content-disposition"].startswith("attachment")
    assert b"<h1>Verified origin</h1>" in report.body
    assert str(server.home).encode() not in report.body


def test_a_video_from_elsewhere_is_sealed(server, sealed, tmp_path):
    original, foreign = tmp_path / "a.mp4", tmp_path / "b.mp4"
    original.write_bytes(sealed[1])
    remux_without_metadata(original, foreign)
    job = server.call("POST", "/v1/seals?wait=120", foreign.read_bytes(), headers={"content-type": "video/mp4"}).json
    assert job["status"] == "completed", job
    copy = server.call("GET", f"/v1/seals/{job['id']}/content").body
    assert server.call("POST", "/v1/verifications", copy).json["result"]["conclusion"] == "verified"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"no video at all", "media"), (b"\0" * 5000, "media"), (Path(__file__).read_bytes(), "media")],
)
def test_what_is_no_video_fails_with_a_reason(server, content, code):
    job = server.call("POST", "/v1/verifications", content).json
    assert (job["status"], job["error"]["code"]) == ("failed", code)
    assert "/upload/" not in job["error"]["message"]


def test_who_does_not_wait_gets_the_job_and_follows_its_events(server, sealed):
    answer = server.call("POST", "/v1/screenings?wait=0", sealed[1])
    assert (answer.status, answer.json["status"]) == (202, "queued")
    with urllib.request.urlopen(f"{server.url}/v1/jobs/{answer.json['id']}/events", timeout=120) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line[6:]) for line in stream if line.startswith(b"data: ")]
    assert told[-1]["status"] == "completed"
    assert [job["progress"] for job in told] == sorted(job["progress"] for job in told)


def test_the_same_key_makes_the_same_job_once(server, sealed):
    headers = {"idempotency-key": "once"}
    first = server.call("POST", "/v1/verifications", sealed[1], headers=headers).json
    assert server.call("POST", "/v1/verifications", sealed[1], headers=headers).json == first
    other = server.call("POST", "/v1/verifications", sealed[1] + b"x", headers=headers)
    assert (other.status, other.json["error"]["code"]) == (422, "idempotency_key_reused")


def test_a_cancelled_job_can_be_tried_again(server):
    made = server.call("POST", "/v1/videos", {"prompt": "a blue boat on a lake", "steps": 200}).json
    job = f"/v1/jobs/{made['id']}"
    assert server.call("POST", f"{job}/cancel").json["error"]["code"] == "cancelled"
    assert server.call("POST", f"{job}/cancel").status == 409
    assert server.call("POST", f"{job}/retry").json["status"] == "queued"
    server.until(job, "in_progress")
    assert server.call("DELETE", f"/v1/videos/{made['id']}").json["deleted"]


def test_metrics_and_health(server, sealed):
    assert server.call("GET", "/healthz").json == {"status": "ok"}
    assert server.call("GET", "/readyz").json["workers"] == 1
    metrics = server.call("GET", "/metrics").body.decode()
    assert 'countermark_jobs_total{kind="video",status="completed"}' in metrics
    assert "countermark_workers 1.0" in metrics
