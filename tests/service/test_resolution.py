"""Who may ask the Soft Binding Resolution API what; `tests/provenance/test_resolution.py` has the API itself."""

from __future__ import annotations

from fastapi.testclient import TestClient

from countermark.core.settings import Settings
from countermark.service.app import create_app
from countermark.service.options import ServiceSettings


def test_keys_are_asked_for_as_elsewhere(tmp_path):
    app = create_app(Settings(home=tmp_path), ServiceSettings())
    with TestClient(app, base_url="http://127.0.0.1") as client:

        def status(path: str, key: str | None = None) -> int:
            headers = {"authorization": f"Bearer {key}"} if key else {}
            return client.post(
                f"/c2pa/v1/{path}", content=b"x", headers=headers | {"content-type": "video/mp4"}
            ).status_code

        assert status("manifests") == 401  # without any key nobody stores
        assert status("matches/byContent") not in (401, 403, 500)
        reader, writer = (
            app.state.service.keys.create("a", name="", scopes=(scope,)) for scope in ("verify", "register")
        )
        assert status("matches/byContent") == 401
        assert status("matches/byContent", "cm-none") == 401
        assert status("matches/byContent", writer.secret) == status("manifests", reader.secret) == 403
        assert status("matches/byContent", reader.secret) not in (401, 403, 500)
        assert status("manifests", writer.secret) not in (401, 403, 500)
