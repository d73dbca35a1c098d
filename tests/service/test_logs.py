"""What the processes of the service write to standard error."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import logging, os, signal
from dbos import DBOS
from countermark.service.logs import set_up_logging
set_up_logging("INFO")
logging.getLogger("countermark.worker").info("completed", extra={"job": "video_1"})
os.kill(os.getpid(), signal.SIGUSR1)
DBOS(config={"name": "logs", "system_database_url": "sqlite:///:memory:"})
logging.getLogger("dbos").warning("something")
logging.getLogger("countermark.worker").info("failed", extra={"job": "video_2"})
"""


def test_logs_are_json_lines_and_what_threads_do_is_text_between_them():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    first, *between, dbos, last = done.stderr.splitlines()
    assert json.loads(dbos)["event"] == "something"
    assert [(json.loads(line)["event"], json.loads(line)["job"]) for line in (first, last)] == [
        ("completed", "video_1"),
        ("failed", "video_2"),
    ]
    assert "(most recent call first)" in between[0]
    assert done.stdout == ""
