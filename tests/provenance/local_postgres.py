"""A PostgreSQL server of the tests' own: a fresh cluster in a folder, reached over its socket only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = [Path(p) for p in (shutil.which("initdb"), *sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))) if p]


@contextmanager
def postgresql() -> Iterator[str]:
    """SQLAlchemy URL of an empty database."""
    programs = PROGRAMS[-1].resolve().parent
    as_root = os.geteuid() == 0  # the server refuses to run as root
    prefix = ["runuser", "-u", "postgres", "--"] if as_root else []
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short: a socket's path has few characters
    try:
        if as_root:
            shutil.chown(folder, "postgres")
        data = folder / "data"
        run = [*prefix, str(programs / "initdb"), "-D", str(data), "-U", "tests", "--auth=trust", "--no-sync"]
        subprocess.run(run, check=True, capture_output=True, cwd=folder)
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        control = [*prefix, str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
        subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, cwd=folder)
        try:
            yield f"postgresql://tests@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
