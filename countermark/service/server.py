"""``countermark serve``: checks, worker processes, and the server itself, until a signal."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import uvicorn

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Settings
from countermark.service.app import create_app
from countermark.service.catalogue import Catalogue
from countermark.service.keys import KeyStore
from countermark.service.logs import set_up_logging
from countermark.service.options import ServiceSettings
from countermark.service.tables import open_database
from countermark.service.traces import flush_traces, set_up_traces
from countermark.service.worker import stop_on_signals

log = logging.getLogger("countermark.service")

_REQUEST_SECONDS = 22
"""How long requests go on after a signal: a little longer than jobs (20 s), so that results are still answered."""
_WORKER_SECONDS = 25
"""How long a worker may take to stop before it is killed."""
_SHORT_LIFE = 10.0
_LONGEST_PAUSE = 30.0


def serve(settings: Settings, options: ServiceSettings, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``on_ready`` is told the address.

    Raises `ConfigurationError` when the address is not loopback and there is no API key, or when it is taken, and for
    models that cannot be offered; `RegistryError` when the database cannot be reached.
    """
    set_up_logging(options.log_level)
    catalogue = Catalogue(options.models)  # before anything starts
    if options.workers:
        catalogue.check_packages()
    check_exposure(settings, options)
    set_up_traces()
    listener = _bind(options)
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        create_app(settings, options),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_REQUEST_SECONDS,
        timeout_keep_alive=65,
        h11_max_incomplete_event_size=64 * 1024,
    )
    stop_on_signals(lambda: None)  # uvicorn sends itself the signal that ended it once more
    with worker_processes(options.workers) as stop_workers:
        shown = f"[{host}]" if ":" in host else host
        on_ready(f"http://{shown}:{port}")
        StoppingServer(config, stop_workers).run(sockets=[listener])
        flush_traces()


class StoppingServer(uvicorn.Server):
    """Stops the workers when it is told to stop itself, not after its requests: one grace for both, not one each."""

    def __init__(self, config: uvicorn.Config, stop_workers: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop_workers = stop_workers

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """What a signal does. Ctrl-C reaches the workers too, and one that then ends must not be taken for dead."""
        self._stop_workers()
        super().handle_exit(sig, frame)


def check_exposure(settings: Settings, options: ServiceSettings) -> None:
    """Refuse to be open to a network without keys. Raises `ConfigurationError`."""
    if options.loopback:
        return
    with open_database(settings) as engine:
        if not KeyStore(engine).any_valid():
            raise ConfigurationError(
                f"Without an API key the service is open to all, so it does not bind to {options.host}.",
                remedy="Make a key with `countermark keys create TENANT`, or bind to 127.0.0.1.",
            )


@contextmanager
def worker_processes(count: int) -> Iterator[Callable[[], None]]:
    """Keep ``count`` worker processes running; one that dies is replaced, and its jobs are taken over.

    What it gives tells them to stop, without waiting for them; the end of the block does both.
    """
    stop = threading.Event()
    keepers = [threading.Thread(target=_keep_worker, args=(stop,), daemon=True) for _ in range(count)]
    for keeper in keepers:
        keeper.start()
    try:
        yield stop.set
    finally:
        stop.set()
        for keeper in keepers:
            keeper.join(_WORKER_SECONDS + 5)


def _keep_worker(stop: threading.Event) -> None:
    pause = 0.5
    while not stop.is_set():
        born = time.monotonic()
        # Its standard input is held open by this process: when this one dies, however, the worker reads the end of it.
        command = [sys.executable, "-m", "countermark.service.worker", "--attached"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        while process.poll() is None and not stop.wait(0.2):
            pass
        if stop.is_set():
            _end(process)
            return
        pause = 0.5 if time.monotonic() - born > _SHORT_LIFE else min(2 * pause, _LONGEST_PAUSE)
        log.error("a worker died", extra={"exit": process.returncode, "restart_in_seconds": pause})
        stop.wait(pause)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_WORKER_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def _bind(options: ServiceSettings) -> socket.socket:
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
        listener.listen(1024)
    except OSError as error:
        raise ConfigurationError(
            f"The service cannot listen on {options.host}, port {options.port}: {error.strerror}.",
            remedy="Choose another address or port (COUNTERMARK_SERVICE_HOST, COUNTERMARK_SERVICE_PORT).",
        ) from error
    return listener
