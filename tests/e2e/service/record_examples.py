"""Record the examples of a video and its examinations in the OpenAPI document anew, from a service that runs here:

    python tests/e2e/service/record_examples.py

Identifiers in paths become those that all examples share, and lists are cut to their first entries, but for the
evidence. Frames are examined where the image encoder is (``COUNTERMARK_WEIGHTS_DIR``).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from running_service import PROMPT, serving

from countermark.service.api.examples import FILE, recorded

_LONGEST = 3


def main() -> None:
    """Ask, and write down what is answered."""
    examples = recorded()
    calls, shared = examples["calls"], examples["parameters"]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "home") as server:
        asked = {"prompt": PROMPT, "model": "countermark-dit", "seconds": "2", "seed": 3}
        made = server.call("POST", "/v1/videos", asked).json
        done = server.until(f"/v1/videos/{made['id']}", "completed", "failed")
        said = {
            "POST /v1/videos": {"request": asked, "response": made},
            "GET /v1/videos/{video_id}": {"response": done},
        }
        for kind in ("verifications", "screenings"):
            request = {"video": made["id"]}
            answer = server.call("POST", f"/v1/{kind}?wait=600", request, timeout=600).json
            said[f"POST /v1/{kind}"] = {"request": request, "response": answer}
            again = server.call("GET", f"/v1/{kind}/{answer['id']}").json
            said[f"GET /v1/{kind}/{{job_id}}"] = {"response": again}
        names = {made["id"]: shared["video_id"], answer["id"]: shared["job_id"]}  # the last is the screening
    failed = [name for name, call in said.items() if call["response"]["status"] not in ("queued", "completed")]
    if failed:
        sys.exit(f"These calls failed: {', '.join(failed)}.")
    text = json.dumps(_cut(said))
    for mine, theirs in names.items():
        text = text.replace(mine, theirs)
    calls |= json.loads(text)
    FILE.write_text(json.dumps(examples, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _cut(told: Any, name: str = "") -> Any:
    """What was told, with long lists cut short."""
    if isinstance(told, dict):
        return {key: _cut(value, key) for key, value in told.items()}
    if isinstance(told, list):
        return [_cut(value) for value in (told if name == "evidence" else told[:_LONGEST])]
    return told


if __name__ == "__main__":
    main()
