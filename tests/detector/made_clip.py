"""The type of the fixture that writes clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

MakeClip = Callable[..., Path]
