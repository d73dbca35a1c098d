"""Models that the operator adds: on an engine, for which a second service stands, and open weights in the worker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import c2pa
import pytest
from running_service import PROGRAM, PROMPT, serving


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


def test_what_open_weights_make_in_the_worker_is_sealed(tmp_path):
    pytest.importorskip("diffusers", reason="the extra open-weights is not installed")
    from tiny_pipelines import save_tiny

    weights, broken = save_tiny("WanPipeline", tmp_path / "tiny"), tmp_path / "broken"
    broken.mkdir()
    shutil.copy(weights / "model_index.json", broken)
    offered = {"tiny": f"open-weights:{weights}@256x256,320x192", "broken": f"open-weights:{broken}@256x256"}
    with serving(tmp_path / "home", COUNTERMARK_SERVICE_MODELS=json.dumps(offered)) as server:
        assert [model["id"] for model in server.call("GET", "/v1/models").json["data"]][2:] == ["tiny", "broken"]
        asked = {"prompt": PROMPT, "model": "tiny", "seconds": "1", "steps": 1, "size": "1280x720"}
        made = server.call("POST", "/v1/videos", asked).json
        assert (made["status"], made["size"], len(made["notices"])) == ("queued", "320x192", 1)
        video = server.until(f"/v1/videos/{made['id']}", "completed", "failed")
        assert video["status"] == "completed", video
        assert (video["model"], video["size"], video["seconds"]) == ("tiny", "320x192", "1")
        path = tmp_path / "sealed.mp4"
        path.write_bytes(server.call("GET", f"/v1/videos/{made['id']}/content").body)
        told = json.loads(server.cli("verify", path, "--json"))
        assert (told["conclusion"], told["video_id"]) == ("verified", video["countermark"]["video_id"])
        assert "open-weights/tiny" in c2pa.Reader(path).json()

        asked = {"prompt": PROMPT, "model": "tiny", "video": {"id": made["id"]}}
        longer = server.call("POST", "/v1/videos/extensions", asked)
        assert (longer.status, longer.json["error"]["param"]) == (400, "model")
        edit = server.call("POST", "/v1/videos/edits", asked | {"steps": 2, "strength": 0.5}).json
        edited = server.until(f"/v1/videos/{edit['id']}", "completed", "failed")
        assert edited["status"] == "completed", edited
        path.write_bytes(server.call("GET", f"/v1/videos/{edit['id']}/content").body)
        assert "c2pa.ingredient" in c2pa.Reader(path).json()
        remixed = server.call("POST", f"/v1/videos/{made['id']}/remix", {"prompt": "a blue ball"}).json
        remixed = server.until(f"/v1/videos/{remixed['id']}", "completed", "failed")
        assert (remixed["status"], remixed["model"], remixed["size"]) == ("completed", "tiny", "320x192")
        made = server.call("POST", "/v1/videos", {"prompt": PROMPT, "model": "broken", "seconds": "1"}).json
        failed = server.until(f"/v1/videos/{made['id']}", "completed", "failed")
        assert failed["error"]["code"] == "weights"
        assert str(tmp_path) not in json.dumps(failed)
        assert str(broken) in server.log.read_text()  # where its operator looks


def test_a_server_whose_models_cannot_be_offered_does_not_start(tmp_path):
    offered = json.dumps({"wan": f"open-weights:{tmp_path}/none@832x480"})
    variables = {"COUNTERMARK_HOME": str(tmp_path / "home"), "COUNTERMARK_SERVICE_MODELS": offered}
    command = [PROGRAM, "serve", "--port", "0"]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "'wan'" in done.stderr
    assert "Fetch them first" in done.stderr
    assert "serving" not in done.stderr
    assert not (tmp_path / "home").exists()
