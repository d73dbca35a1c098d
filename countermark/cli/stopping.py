"""Ctrl-C and the other signals that ask the process to end.

They raise an exception that passes every clean-up on its way out. It may come up inside a library that takes it for a
failure of its own, or loses it; so what was asked is kept as well, and asked for at every step.
"""

from __future__ import annotations

import signal

_asked: list[int] = []  # numbers of the signals that came


class StoppedError(BaseException):
    """A signal asked the process to end. No ``except Exception`` catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def listen() -> None:
    """Let the signals raise `StoppedError`, but for those that whoever started this process wants ignored."""
    _asked.clear()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _stop)


def check() -> None:
    """Raise `StoppedError` if a signal has asked for it, be it that the first one was lost."""
    if _asked:
        raise StoppedError(_asked[0])


def _stop(number: int, _frame: object) -> None:
    _asked.append(number)
    raise StoppedError(number)
