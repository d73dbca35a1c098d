"""Which family of generators made a clip: said beside the conclusion "generated", and nowhere else.

What the file says of itself comes first. Otherwise the frames are asked, by a linear head on the tokens that the frame
head reads too (after D. Cioni, C. Tzelepis, L. Seidenari and I. Patras, Are CLIP features all you need for Universal
Synthetic Image Origin Attribution?, 2024). Most generators are strangers to any such head, so the set is open: a family
is named only where the head is sure, and only if it was measured, on scenes and generators the head had not seen, that
such a statement is right often enough. Everything else is "unknown".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, computed_field

from countermark.core.errors import WeightsError
from countermark.core.settings import Settings
from countermark.core.weights import CLIP_VISUAL_INT8
from detector.evidence import Evidence
from detector.head import features, place
from detector.tokens import layers_of
from detector.wording import Said, say
from provenance.summary import ManifestSummary

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

FILE = "attribution.safetensors"
_LONGEST = 80  # characters of a name that a file gives


class Precision(BaseModel):
    """How often a family was named rightly: a share with its 95 % interval, over so many ``scenes``.

    Half of the clips that it is a share of are by generators the head knows, half by generators it has never seen.
    """

    model_config = ConfigDict(frozen=True)

    share: float
    low: float
    high: float
    scenes: int


class Family(BaseModel):
    """One family the head knows, made up of ``classes`` of it. ``why_not`` says what stands against naming it."""

    model_config = ConfigDict(frozen=True)

    name: str
    classes: tuple[str, ...]
    precision: Precision | None
    why_not: str | None = None

    @property
    def shown(self) -> bool:
        """Whether the family may be named."""
        return self.why_not is None


class FamilyCard(BaseModel):
    """What was measured about the head. ``classes`` are its rows; those in no family are never named.

    A family is named where its probability is at least ``sure``, and only if the lower end of its precision's interval
    reaches ``bar``. The first of ``families`` that may be named is: single generators stand before lineages.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    encoder_sha256: str
    layers: tuple[int, ...]
    classes: tuple[str, ...]
    sure: float
    bar: float
    families: tuple[Family, ...]
    measured_on: str


@dataclass(frozen=True)
class FamilyHead:
    """A softmax regression: ``weight`` float32 [C, D], ``centre`` float32 [D], ``offset`` float32 [C], of C classes."""

    weight: Float32
    centre: Float32
    offset: Float32
    card: FamilyCard

    def probabilities(self, rows: Float32) -> Float64:
        """Of each class [C], from the feature rows [N, D] of a clip's frames."""
        logits = (rows.mean(axis=0) - self.centre).astype(np.float64) @ self.weight.T.astype(np.float64) + self.offset
        odds = np.exp(logits - logits.max())
        shares: Float64 = odds / odds.sum()
        return shares


class Attribution(BaseModel):
    """Which generator made the clip, and how that is known: the file says so, or its picture. None is "unknown"."""

    model_config = ConfigDict(frozen=True)

    family: str | None = None
    basis: Literal["statement", "picture"] | None = None
    precision: Precision | None = None
    said: Said

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way to write it
    @property
    def note(self) -> str:
        """What the answer rests on, or why there is none, in English."""
        return self.said.words()


def stated(evidence: Sequence[Evidence], manifest: ManifestSummary | None) -> Attribution | None:
    """What the file says of its generator, where it names one: credentials, then a published mark, then a label."""
    by_signal = {item.signal: item for item in evidence if item.llr is not None and item.llr > 0}
    if "credentials" in by_signal and manifest is not None:
        return _named("attribution.credentials", manifest.software or manifest.claim_generator)
    if (mark := by_signal.get("known_marks")) is not None:
        return _named("attribution.mark", mark.said.facts["vendor"])
    if (label := by_signal.get("container")) is not None:
        name = next((said.facts["generator"] for said in label.details if said.code == "container.names"), None)
        return None if name is None else _named("attribution.label", name)
    return None


def pictured(head: FamilyHead, classes: Float32 | None) -> Attribution:
    """What the frames' class tokens [N, L, 768] say. They are None if nobody looked, or if only a part is generated."""
    allowed = [family for family in head.card.families if family.shown]
    if not allowed:
        return Attribution(said=say("attribution.none", bar=_percent(head.card.bar)))
    if classes is None:
        return Attribution(said=say("attribution.unseen"))
    found = head.probabilities(features(layers_of(classes, head.card.layers)))
    shares = dict(zip(head.card.classes, found, strict=True))
    for family in allowed:
        if family.precision is not None and sum(shares[name] for name in family.classes) >= head.card.sure:
            return _picture(family, family.precision)
    return Attribution(said=say("attribution.unknown"))


def _picture(family: Family, found: Precision) -> Attribution:
    said = say(
        "attribution.picture",
        family=family.name,
        precision=_percent(found.share),
        low=_percent(found.low),
        high=_percent(found.high),
        scenes=found.scenes,
    )
    return Attribution(family=family.name, basis="picture", precision=found, said=said)


def _named(code: str, name: str) -> Attribution:
    name = name[:_LONGEST]
    return Attribution(family=name, basis="statement", said=say(code, generator=name))


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def save_families(head: FamilyHead, path: Path) -> None:
    """Write the head as safetensors, its card as JSON in the header."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"weight": head.weight, "centre": head.centre, "offset": head.offset}
    save_file(tensors, path, metadata={"card": head.card.model_dump_json()})


def load_families(path: Path) -> FamilyHead:
    """Read a head. Raises ``WeightsError`` if it is missing, not such a head, or made for another image encoder."""
    from safetensors import SafetensorError, safe_open

    remedy = "Reinstall countermark, or train it again with `python -m detector.training`."
    try:
        with safe_open(path, framework="numpy") as file:
            card = FamilyCard.model_validate_json((file.metadata() or {})["card"])
            weight, centre, offset = (file.get_tensor(name) for name in ("weight", "centre", "offset"))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is not a head that tells generators apart: {error}.", remedy=remedy) from error
    if weight.shape != (len(card.classes), len(centre)) or offset.shape != (len(card.classes),):
        raise WeightsError(f"{path} is not a head that tells generators apart: its sizes differ.", remedy=remedy)
    if card.encoder_sha256 != CLIP_VISUAL_INT8.sha256:
        raise WeightsError(f"{path} was trained on another image encoder.", remedy=remedy)
    return FamilyHead(weight, centre, offset, card)


@cache
def families_for(settings: Settings) -> FamilyHead:
    """The head of these settings: the user's own, else the bundled one, see :func:`detector.head.place`."""
    return load_families(place(FILE, settings))
