"""One service in front of another, which stands for a GPU engine that speaks the OpenAI Videos API."""

from __future__ import annotations

import json

import c2pa
from running_service import PROMPT, serving


def test_what_an_engine_makes_is_sealed_by_the_service_in_front_of_it(server, tmp_path):
    variables = {
        "COUNTERMARK_SERVICE_MODELS": json.dumps({"engine": "openai:countermark-dit@256x256"}),
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "OPENAI_API_KEY": "unused",
    }
    with serving(tmp_path / "front", **variables) as front:
        models = [model["id"] for model in front.call("GET", "/v1/models").json["data"]]
        assert models == ["countermark-dit", "countermark-dit-fast", "engine"]
        looped = front.call("POST", "/v1/videos", {"prompt": PROMPT, "model": "engine", "loop": True})
        assert (looped.status, looped.json["error"]["param"]) == (400, "model")
        made = front.call("POST", "/v1/videos", {"prompt": PROMPT, "model": "engine", "seconds": "2"}).json
        video = front.until(f"/v1/videos/{made['id']}", "completed", "failed")
        assert video["status"] == "completed", video
        assert (video["model"], video["size"], video["seconds"]) == ("engine", "256x256", "2")
        path = tmp_path / "sealed.mp4"
        path.write_bytes(front.call("GET", f"/v1/videos/{made['id']}/content").body)
        told = json.loads(front.cli("verify", path, "--json"))
    assert told["conclusion"] == "verified"
    assert "openai/countermark-dit" in c2pa.Reader(path).json()
    assert told["video_id"] == video["countermark"]["video_id"]  # the newer mark, not the engine's
    theirs = server.call("GET", "/v1/videos?limit=1").json["data"][0]
    assert theirs["countermark"]["video_id"] != told["video_id"]
