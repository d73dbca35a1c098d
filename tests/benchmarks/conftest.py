"""Fixtures of the tests of the benchmarks."""

from __future__ import annotations

import pytest

from provenance.watermark import Reading
from provenance.watermark.detector import SpreadSpectrumDetector


@pytest.fixture
def unsearched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our detector looks for no picture that was turned or cut, which takes seconds where there is no mark."""
    whole = SpreadSpectrumDetector.result

    def result(self: SpreadSpectrumDetector, *, search: bool = True, **rest: object) -> Reading:
        return whole(self, search=False, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(SpreadSpectrumDetector, "result", result)
