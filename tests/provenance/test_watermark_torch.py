"""The torch path is the same arithmetic: the same mark, readable by either, and the same evidence."""

from __future__ import annotations

import numpy as np
import pytest
from graphic_clip import graphic_clip

from countermark.core.errors import ConfigurationError
from provenance.watermark import Payload, SpreadSpectrum, WatermarkKey

KEY = WatermarkKey(bytes(range(32)))


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_torch_and_numpy_write_and_read_the_same(seed: int) -> None:
    clip, payload = graphic_clip(seed), Payload(KEY.issuer, serial=0x5EA1)
    size = {"width": clip.width, "height": clip.height}
    marked, evidence = {}, {}
    for device in (None, "cpu"):
        watermark = SpreadSpectrum(KEY, device=device)
        marked[device] = watermark.embedder(payload.to_bits(), **size, length=len(clip)).process(clip)
        detector = watermark.detector(**size)
        detector.update(marked[device])
        evidence[device] = detector.evidence
        assert isinstance(evidence[device].detail, np.ndarray)
        assert detector.result(search=False).payload == payload
    difference = marked[None].luma.astype(int) - marked["cpu"].luma
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01  # sums in another order, before rounding
    assert np.allclose(evidence[None].brightest, evidence["cpu"].brightest, atol=0.1)
    correlation = np.corrcoef(evidence[None].detail.ravel(), evidence["cpu"].detail.ravel())[0, 1]
    assert correlation > 0.999


def test_a_device_that_is_not_there_is_refused() -> None:
    watermark = SpreadSpectrum(KEY, device="cuda:77")
    with pytest.raises(ConfigurationError, match="cuda:77"):
        watermark.detector(width=256, height=256)
