"""One log-likelihood ratio from the signals that look at the picture, which are no independent witnesses.

Their ratios are not added but weighed, as a logistic regression on held-out scores found best, for every combination of
signals that could be measured. What is left of the fine detail decides how much of the result is believed: on blurred,
small or strongly compressed clips the same score is a weaker sign, so the ratio shrinks and the abstain band widens.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from countermark.core.errors import WeightsError
from countermark.core.settings import Settings
from detector.evidence import ErrorRates
from detector.head import place

STRONGEST_FOR, STRONGEST_AGAINST = 4.6, -2.0
"""Bounds of the result: more than a few hundred clips cannot support. The lower one is nearer to zero, because a
generator that no head has seen often looks like camera footage."""


class Blend(BaseModel):
    """How the log-likelihood ratios of ``signals`` become one: their weighted sum and an offset.

    At ``error_rates.threshold`` and above a clip is called generated.
    """

    model_config = ConfigDict(frozen=True)

    signals: tuple[str, ...]
    weights: tuple[float, ...]
    offset: float
    error_rates: ErrorRates


class Fusion(BaseModel):
    """All blends, and how far a result is believed: at each ``detail`` the part given in ``trust``, linear between."""

    model_config = ConfigDict(frozen=True)

    version: str
    blends: tuple[Blend, ...]
    part: ErrorRates
    """Where a stretch of a clip, on its own, is called generated."""
    rejected: dict[str, str] = Field(default_factory=dict)
    """Heads that did not improve the answer on what they had not seen, and what they reached. They are not used."""
    detail: tuple[float, ...]
    trust: tuple[float, ...]

    def blend_for(self, measured: set[str]) -> Blend | None:
        """The blend that uses most of what was measured."""
        fitting = [blend for blend in self.blends if measured.issuperset(blend.signals)]
        return max(fitting, key=lambda blend: len(blend.signals), default=None)

    def trust_at(self, detail: float) -> float:
        """Part of a log-likelihood ratio that is believed on frames with this much fine detail."""
        return float(np.interp(detail, self.detail, self.trust))


def fuse(fusion: Fusion, llrs: Mapping[str, float], detail: float) -> tuple[float, Blend] | None:
    """The common log-likelihood ratio of signals by name, and the blend used; None if none applies."""
    blend = fusion.blend_for(set(llrs))
    if blend is None:
        return None
    total = blend.offset + sum(w * llrs[name] for name, w in zip(blend.signals, blend.weights, strict=True))
    total *= fusion.trust_at(detail)
    return min(max(total, STRONGEST_AGAINST), STRONGEST_FOR), blend


def save_fusion(fusion: Fusion, path: Path) -> None:
    """Write the fusion as JSON."""
    path.write_text(fusion.model_dump_json(indent=1) + "\n", encoding="utf-8")


@cache
def fusion_for(settings: Settings) -> Fusion:
    """The fusion of these settings: the user's own, else the bundled one, as for :func:`detector.head.head_for`."""
    return load_fusion(place("fusion.json", settings))


def load_fusion(path: Path) -> Fusion:
    """Read a fusion. Raises ``WeightsError`` if it is missing or malformed."""
    try:
        return Fusion.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise WeightsError(
            f"{path} does not say how to weigh the signals: {error}.", remedy="Reinstall countermark or train again."
        ) from error
