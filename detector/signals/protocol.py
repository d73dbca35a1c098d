"""What a signal is. Each module of this package is one."""

from __future__ import annotations

from typing import Protocol

from detector.clip import Clip
from detector.evidence import Evidence
from detector.wording import Said


class Signal(Protocol):
    """One way of looking at a clip. A module with these four names is a signal."""

    NAME: str
    """Stable machine-readable name."""
    VERSION: str
    """Changes whenever the same clip could get other evidence."""

    def applicable(self, clip: Clip) -> Said | None:
        """Why this signal cannot speak about this clip; None if it can."""
        ...

    def measure(self, clip: Clip) -> Evidence:
        """Look at the clip. Called only if applicable. May raise a ``CountermarkError``, which is reported.

        What it sees may leave it without a say after all; the evidence is then "not_applicable" and gives the reason.
        """
        ...
