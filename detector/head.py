"""A linear head on measured features, calibrated to log-likelihood ratios: what training writes and screening reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from countermark.core.errors import WeightsError
from countermark.core.settings import Settings
from countermark.core.weights import CLIP_VISUAL_INT8, weights_home
from detector.evidence import ErrorRates

Float32 = npt.NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights"


class HeadCard(BaseModel):
    """What was measured about a head. ``slope`` and ``offset`` turn a clip's score into a log-likelihood ratio."""

    model_config = ConfigDict(frozen=True)

    version: str
    encoder_sha256: str | None = None
    """Of the image encoder whose tokens the features are made of; None if they are not."""
    layers: tuple[int, ...] = ()
    slope: float
    offset: float
    error_rates: ErrorRates


@dataclass(frozen=True)
class Head:
    """``weight`` and ``centre`` float32 [D], for rows of D features."""

    weight: Float32
    centre: Float32
    card: HeadCard

    def scores(self, values: Float32) -> npt.NDArray[np.float64]:
        """Raw scores [N] of rows of features [N, D]."""
        return (values - self.centre).astype(np.float64) @ self.weight.astype(np.float64)

    def llr(self, scores: npt.NDArray[np.float64]) -> float:
        """Log-likelihood ratio of a clip from the scores [N] of its rows."""
        return float(self.card.slope * np.mean(scores) + self.card.offset)


def features(classes: Float32) -> Float32:
    """Features [..., L * 768] of class tokens [..., L, 768] of the head's L layers, each scaled to unit length.

    Middle layers carry texture, where decoders leave traces; the last one carries the meaning, which tells generators
    by what they are asked to paint (C. Koutlis and S. Papadopoulos, Leveraging Representations from Intermediate
    Encoder-blocks for Synthetic Image Detection, ECCV 2024).
    """
    unit: Float32 = classes / np.linalg.norm(classes, axis=-1, keepdims=True)
    return unit.reshape(*classes.shape[:-2], -1)


def save_head(head: Head, path: Path) -> None:
    """Write the head as safetensors, its card as JSON in the header."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {"weight": head.weight.astype(np.float32), "centre": head.centre.astype(np.float32)}
    save_file(tensors, path, metadata={"card": head.card.model_dump_json()})


def load_head(path: Path) -> Head:
    """Read a head. Raises ``WeightsError`` if it is missing, not a head, or made for another image encoder."""
    from safetensors import SafetensorError, safe_open

    remedy = "Reinstall countermark, or train it again with `python -m detector.training`."
    try:
        with safe_open(path, framework="numpy") as file:
            card = HeadCard.model_validate_json((file.metadata() or {})["card"])
            head = Head(file.get_tensor("weight"), file.get_tensor("centre"), card)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"{path} is not a detector head: {error}.", remedy=remedy) from error
    if card.encoder_sha256 not in (None, CLIP_VISUAL_INT8.sha256):
        raise WeightsError(f"{path} was trained on another image encoder.", remedy=remedy)
    return head


@cache
def head_for(name: str, settings: Settings) -> Head:
    """The head ``name`` of these settings: the user's own, else the bundled one, see :func:`place`.

    Raises ``WeightsError`` as :func:`load_head` does.
    """
    return load_head(place(f"{name}.safetensors", settings))


def place(filename: str, settings: Settings) -> Path:
    """Where a file of the detector's weights is: in the folder ``detector`` of the user's weights, or bundled."""
    folders = [folder / "detector" for folder in (settings.weights_dir, weights_home(settings)) if folder is not None]
    return next((folder / filename for folder in folders if (folder / filename).is_file()), WEIGHTS / filename)
