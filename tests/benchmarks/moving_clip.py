"""Coloured clouds, for tests of what the benchmarks do to clips."""

from __future__ import annotations

import numpy as np
import pytest

from countermark.core.media import Frames

# OpenCV needs a system library such as libGL. Imported first, this skips the modules that attack clips.
cv2 = pytest.importorskip("cv2", reason="OpenCV cannot be loaded here", exc_type=ImportError)

WIDTH, HEIGHT, COUNT = 160, 96, 30


def moving(height: int = HEIGHT, width: int = WIDTH, count: int = COUNT, seed: int = 0) -> Frames:
    """Coloured clouds that drift."""
    rng = np.random.default_rng(seed)
    cloud = cv2.GaussianBlur(rng.normal(size=(height, width + count, 3)), (0, 0), 3)
    cloud = np.clip(128 + 45 * cloud / cloud.std(), 0, 255).astype(np.uint8)
    rgb = np.stack([cloud[:, t : t + width] for t in range(count)])
    return Frames.from_rgb(rgb, pts=np.arange(count))
