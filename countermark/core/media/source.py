"""A file as a source of frames, by what it begins with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from countermark.core.media.decode import Source
from countermark.core.media.limits import Limits
from countermark.core.media.opening import still_format

if TYPE_CHECKING:
    from countermark.core.media.still import Still


def open_source(path: Path, limits: Limits) -> Source | Still:
    """The video or picture at ``path``; raises ``MediaError`` or ``MediaLimitError``."""
    kind = still_format(path)
    if kind is None:
        return Source(path, limits)
    from countermark.core.media.still import Still  # videos need no Pillow

    return Still(path, kind, limits)
