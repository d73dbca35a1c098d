"""Who may do what: keys, scopes, tenants, and the refusal to be open to a network."""

from __future__ import annotations

import os
import subprocess
import urllib.error
from dataclasses import replace

import pytest
from running_service import PROGRAM, secret


def test_without_keys_it_binds_to_nothing_but_this_machine(tmp_path):
    environment = os.environ | {"COUNTERMARK_HOME": str(tmp_path)}
    command = [PROGRAM, "serve", "--host", "0.0.0.0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "Without an API key the service is open to all" in done.stderr


def test_from_the_first_key_on_everybody_needs_one(closed):
    stranger = replace(closed, key=None)
    for path in ("/v1/videos", "/v1/models", "/metrics", "/v1/webhooks"):
        answer = stranger.call("GET", path)
        assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")
    assert replace(closed, key="cm-wrong").call("GET", "/v1/videos").status == 401
    assert closed.call("GET", "/v1/videos").status == 200
    assert stranger.call("GET", "/healthz").status == 200


def test_scopes_expiry_and_revocation(closed):
    narrow = replace(closed, key=secret(closed, "first", "--scope", "verify"))
    assert narrow.call("GET", "/v1/videos").json["error"]["code"] == "insufficient_scope"
    assert narrow.call("POST", "/v1/verifications", b"not a video").status == 200
    assert replace(closed, key=secret(closed, "first", "--days", "0")).call("GET", "/v1/videos").status == 401
    listed = [
        line.split()[0] for line in closed.cli("keys", "list").splitlines() if "verify" in line and "screen" not in line
    ]
    closed.cli("keys", "revoke", listed[0])
    assert narrow.call("POST", "/v1/verifications", b"not a video").status == 401


def test_one_tenant_sees_nothing_of_another(closed):
    other = replace(closed, key=secret(closed, "other"))
    job = closed.call("POST", "/v1/verifications", b"not a video").json["id"]
    for method, path in (
        ("GET", f"/v1/verifications/{job}"),
        ("GET", f"/v1/jobs/{job}"),
        ("GET", f"/v1/jobs/{job}/events"),
        ("POST", f"/v1/jobs/{job}/cancel"),
        ("POST", f"/v1/jobs/{job}/retry"),
    ):
        assert other.call(method, path).status == 404
    assert closed.call("GET", f"/v1/verifications/{job}").status == 200
    video = closed.call("POST", "/v1/videos", {"prompt": "a red balloon rising over the sea", "steps": 200}).json["id"]
    assert other.call("POST", "/v1/screenings", {"video": video}).status == 404
    assert other.call("DELETE", f"/v1/videos/{video}").status == 404
    assert other.call("GET", f"/v1/videos?after={video}").status == 404
    assert [v["id"] for v in closed.call("GET", "/v1/videos").json["data"]] == [video]
    assert other.call("GET", "/v1/videos").json["data"] == []
    assert closed.call("DELETE", f"/v1/videos/{video}").status == 200
    audit = closed.cli("audit", "--tenant", "first")
    assert "verification.create" in audit and "video.delete" in audit and "other" not in audit


def test_an_upload_over_the_limit_ends_while_it_is_read(closed):
    answer = closed.call("POST", "/v1/verifications", b"\0" * 100_001)
    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
    try:  # one that says beforehand that it is too large is not read at all, and a client may see that first
        assert closed.call("POST", "/v1/verifications", b"\0" * 2_000_000).status == 413
    except urllib.error.URLError as error:
        assert isinstance(error.reason, OSError)
    assert list((closed.home / "service" / ".incoming").iterdir()) == []


def test_too_many_unfinished_jobs_are_turned_away(closed):
    asked = {"prompt": "a red balloon rising over the sea", "steps": 200}
    made = [closed.call("POST", "/v1/videos", asked) for _ in range(3)]
    assert [answer.status for answer in made] == [200, 200, 429]
    assert made[-1].headers["retry-after"] == "10"
    closed.cli("quotas", "set", "first", "--daily-videos", "1")
    for answer in made[:2]:
        closed.call("DELETE", f"/v1/videos/{answer.json['id']}")
    video = closed.call("POST", "/v1/videos", asked)
    assert video.status == 200
    assert closed.call("POST", "/v1/videos", asked).json["error"]["code"] == "quota_exceeded"
    closed.call("DELETE", f"/v1/videos/{video.json['id']}")


@pytest.mark.parametrize(
    ("headers", "code"),
    [({"host": "attacker.example"}, "wrong_host"), ({"origin": "https://attacker.example"}, "wrong_origin")],
)
def test_other_sites_cannot_reach_it_through_a_browser(server, headers, code):
    answer = server.call("POST", "/v1/videos", {"prompt": "a red balloon"}, headers=headers)
    assert (answer.status, answer.json["error"]["code"]) == (403, code)


def test_pages_of_the_origins_that_the_operator_names_may_call(closed):
    ask = {"origin": "https://app.example", "access-control-request-method": "POST"}
    assert closed.call("OPTIONS", "/v1/videos", headers=ask).headers["access-control-allow-origin"] == ask["origin"]
    assert closed.call("OPTIONS", "/v1/videos", headers=ask | {"origin": "https://other.example"}).status == 400
    answer = closed.call("POST", "/v1/moderations", {"input": "a red balloon"}, headers={"origin": ask["origin"]})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ask["origin"])


def test_every_answer_carries_security_headers(server):
    for path in ("/", "/v1/models", "/nowhere"):
        headers = server.call("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-request-id"].startswith("req_")
    assert server.call("GET", "/healthz", headers={"x-request-id": "abc-12345"}).headers["x-request-id"] == "abc-12345"
