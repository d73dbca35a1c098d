"""Load on the service: many verifications and screenings at once, and a queue that outlives the death of everything.

    python -m benchmarks.service [DATA] [--verifications 200] [--screenings 50] [--queued 1000]

DATA is a folder of real clips (MP4), which are screened and, with a sealed one, verified in turn; without it only the
sealed clip is used. The server runs as `countermark serve` with one worker, on SQLite, in a folder of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).parent / "countermark"
RESULT = Path(__file__).parent / "results" / "service.md"
PROMPT = "a red balloon rising over the sea"


@dataclass
class Service:
    home: Path
    process: subprocess.Popen[str] | None = None
    url: str = ""
    peak_bytes: int = 0
    watching: bool = False

    def start(self) -> float:
        """Start it; the seconds until it was ready."""
        begun = time.monotonic()
        variables = {"COUNTERMARK_HOME": str(self.home), "COUNTERMARK_SERVICE_LOG_LEVEL": "WARNING"}
        variables["COUNTERMARK_SERVICE_QUEUE_LIMIT"] = "5000"
        log = self.home / f"log-{time.time_ns()}"
        with log.open("w") as errors:
            command = [PROGRAM, "serve", "--port", "0"]
            self.process = subprocess.Popen(command, env=os.environ | variables, stderr=errors, start_new_session=True)
        while not (found := re.search(r"page +(http://\S+)", log.read_text())):
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.1)
        self.url = found[1]
        while True:
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return time.monotonic() - begun
            except OSError:
                pass
            time.sleep(0.1)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:  # noqa: ANN401
        kind = "video/mp4" if isinstance(body, bytes) else "application/json"
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": kind} if data else {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=1800) as response:
                raw = response.read()
                return response.status, json.loads(raw) if raw[:1] in b"{[" else raw
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def family(self) -> list[int]:
        """The server and all processes below it."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
        assert self.process is not None
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [pid for pid, parent in parents.items() if parent in new]
        return found

    def memory(self) -> int:
        """Resident bytes of the family; pages that they share are counted once for each (proportional set size)."""
        total = 0
        for pid in self.family():
            try:
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
            except OSError:
                continue
        return total

    def watch(self) -> None:
        self.watching = True
        while self.watching:
            self.peak_bytes = max(self.peak_bytes, self.memory())
            time.sleep(1)

    def kill(self) -> None:
        for pid in self.family()[::-1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        assert self.process is not None
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(120)


@dataclass
class Load:
    name: str
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    elapsed: float = 0.0

    def row(self) -> str:
        p50, p95 = statistics.median(self.seconds), statistics.quantiles(self.seconds, n=20)[-1]
        rate = len(self.seconds) / self.elapsed
        shown = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        turned = self.statuses[429]
        return f"| {self.name} | {p50:.1f} s | {p95:.1f} s | {rate:.2f} /s | {shown} | {turned} |"


def press(service: Service, path: str, clips: list[bytes], count: int, name: str) -> Load:
    """``count`` uploads at once, each repeated after a 429; the answers with their results."""
    load, lock = Load(name), threading.Lock()

    def one(index: int) -> None:
        begun = time.monotonic()
        while True:
            status, body = service.call("POST", f"{path}?wait=600", clips[index % len(clips)])
            with lock:
                load.statuses[status] += 1
            if status != 429:
                break
            time.sleep(2)
        with lock:
            load.seconds.append(time.monotonic() - begun)
            load.outcomes[body["status"] if status == 200 else f"HTTP {status}"] += 1

    begun = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))
    load.elapsed = time.monotonic() - begun
    return load


def survive(service: Service, count: int) -> tuple[int, float, float]:
    """Queue videos, kill everything, start again; jobs that are still there, and seconds to queue and to restart."""
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        asked = [{"prompt": PROMPT, "steps": 1, "seed": seed} for seed in range(count)]
        made = [body["id"] for _, body in pool.map(lambda body: service.call("POST", "/v1/videos", body), asked)]
    queued = time.monotonic() - begun
    service.kill()
    ready = service.start()
    found, after = [], ""
    while True:
        _, page = service.call("GET", f"/v1/videos?limit=100{after}")
        found += [video["id"] for video in page["data"] if video["status"] != "failed"]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    return len(set(found) & set(made)), queued, ready


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--verifications", type=int, default=200)
    parser.add_argument("--screenings", type=int, default=50)
    parser.add_argument("--queued", type=int, default=1000)
    parser.add_argument("--weights", type=Path, help="folder with the image encoder, to screen frames too")
    chosen = parser.parse_args()
    if chosen.weights:
        os.environ["COUNTERMARK_WEIGHTS_DIR"] = str(chosen.weights)
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder))
        ready = service.start()
        threading.Thread(target=service.watch, daemon=True).start()
        _, video = service.call("POST", "/v1/videos", {"prompt": PROMPT, "steps": 2})
        while service.call("GET", f"/v1/videos/{video['id']}")[1]["status"] in ("queued", "in_progress"):
            time.sleep(0.2)
        sealed = service.call("GET", f"/v1/videos/{video['id']}/content")[1]
        real = [path.read_bytes() for path in sorted(chosen.data.rglob("*.mp4"))[:25]] if chosen.data else []
        idle = service.memory()
        loads = [
            press(
                service,
                "/v1/verifications",
                [sealed, *real],
                chosen.verifications,
                f"{chosen.verifications} verifications",
            ),
            press(service, "/v1/screenings", real or [sealed], chosen.screenings, f"{chosen.screenings} screenings"),
        ]
        peak = service.peak_bytes
        kept, queued, again = survive(service, chosen.queued) if chosen.queued else (0, 0.0, 0.0)
        service.watching = False
        service.kill()
    data, weights = "DATA " if chosen.data else "", " --weights FOLDER" if chosen.weights else ""
    sizes = sorted(len(clip) for clip in [sealed, *real])
    lines = [
        "# Service under load",
        "",
        f"`python -m benchmarks.service {data}--verifications {chosen.verifications} "
        f"--screenings {chosen.screenings} --queued {chosen.queued}{weights}`, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[1]:.1f}; one server and one worker on SQLite; {len(sizes)} clips of {sizes[0] / 1e3:.0f} to "
        f"{sizes[-1] / 1e3:.0f} kB; all requests at once.",
        "",
        "| load | p50 | p95 | throughput | outcomes | answers 429 |",
        "|---|---|---|---|---|---|",
        *[load.row() for load in loads],
        "",
        f"Memory of all processes together (proportional set size): {idle / 1e6:.0f} MB before, {peak / 1e6:.0f} MB at "
        f"most. Ready after {ready:.1f} s.",
    ]
    if chosen.queued:
        lines += [
            "",
            f"{chosen.queued} videos were queued in {queued:.0f} s, then all was killed with SIGKILL. Ready again "
            f"after {again:.1f} s, {kept} of {chosen.queued} were there, none failed.",
        ]
    RESULT.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    assert all(set(load.statuses) <= {200, 429} for load in loads)
    assert kept == chosen.queued


if __name__ == "__main__":
    main()
