"""Servers that many tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_service import PROMPT, Server, secret, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """One server on SQLite with one worker, without keys, for all tests that leave it as it is."""
    with serving(tmp_path_factory.mktemp("service") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def sealed(server) -> tuple[str, bytes]:
    """A finished video of that server: its id and its bytes."""
    made = server.call("POST", "/v1/videos", {"prompt": PROMPT, "steps": 2, "seed": 3}).json
    done = server.until(f"/v1/videos/{made['id']}", "completed", "failed")
    assert done["status"] == "completed", done
    return made["id"], server.call("GET", f"/v1/videos/{made['id']}/content").body


@pytest.fixture(scope="session")
def closed(tmp_path_factory) -> Iterator[Server]:
    """A server that is closed since it has a key, that of the tenant "first"; its limits are low."""
    home = tmp_path_factory.mktemp("closed") / "home"
    with serving(
        home,
        COUNTERMARK_SERVICE_MAX_UPLOAD_BYTES="100000",
        COUNTERMARK_SERVICE_QUEUE_LIMIT="2",
        COUNTERMARK_SERVICE_CORS_ORIGINS='["https://app.example"]',
    ) as local:
        local.key = secret(local, "first")
        yield local
