"""Requests made up from the OpenAPI document: no 5xx, and no answer that the document does not allow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running_service import secret, serving

from countermark.service.keys import SCOPES

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


@pytest.mark.timeout(900)  # thousands of requests
def test_every_answer_is_one_that_the_document_allows(tmp_path):
    variables = {"COUNTERMARK_SERVICE_WAIT_SECONDS": "0", "COUNTERMARK_SERVICE_IMAGE_WAIT_SECONDS": "0"}
    variables |= {"COUNTERMARK_SERVICE_QUEUE_LIMIT": "100000"}
    # A few videos are enough; more would take the processor from the server.
    variables |= {"COUNTERMARK_SERVICE_DAILY_GENERATIONS": "10"}
    with serving(tmp_path / "home", **variables) as server:
        key = secret(server, "tester", *(word for scope in SCOPES for word in ("--scope", scope)))
        command = [SCHEMATHESIS, "run", f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {key}"]
        command += ["--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", "3", "--seed", "1"]
        # What is valid by its form may be refused for its meaning: a prompt, a model, a video that is not there.
        command += ["--exclude-checks", "positive_data_acceptance"]
        # Pictures that it makes are decoded, each by a process of its own, which takes a busy machine its time.
        command += ["--request-timeout", "60", "--max-response-time", "60"]
        # A job that is followed answers until it is finished, which may be never here; schemathesis cannot write C2PA.
        command += ["--exclude-path-regex", "/events$|/c2pa/v1/manifests$", "--no-color"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=840, check=False)
        assert done.returncode == 0, done.stdout[-8000:]
        assert '"status": 500' not in server.log.read_text()
