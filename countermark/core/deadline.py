"""A limit for all of an exchange over a socket: a timeout holds for each step only, and a peer could send a byte at a
time.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Timer


@contextmanager
def cut_after(seconds: float, connection: socket.socket) -> Iterator[None]:
    """Shut ``connection`` down when the block lasts longer than this, and raise `TimeoutError`.

    It holds also for a TLS socket to which the connection is given away in the block.
    """
    with connection.dup() as same:
        late = Event()

        def cut() -> None:
            late.set()
            with suppress(OSError):  # the peer was faster
                same.shutdown(socket.SHUT_RDWR)

        timer = Timer(seconds, cut)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            if late.is_set():  # a cut-off answer can look like a short one, or like nonsense
                raise TimeoutError(f"it took more than {seconds:g} s")
