"""One head per category over a sentence embedding and the lexicon's counts.

The heads read [embedding (512) | per lexicon: log counts of strong and weak terms | frames present] through one hidden
layer that they share. The words tell them what the encoder blurs (a knife, a wound), the frames and the embedding tell
them when it is harmless; all weights are learned (`policy.fit`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from countermark.core.encoders.text import TextEncoder
from countermark.core.errors import WeightsError
from policy.lexicon import Contexts, Lexicon, LexiconHits

Floats = npt.NDArray[np.float32]
_REMEDY = "Reinstall countermark, or train the heads again with python -m policy.training."
LIST_SCALE = 6.0  # lets the few list features weigh as much as the 512 of the embedding under one penalty
_TENSORS = ("hidden", "hidden_bias", "output", "output_bias")
_METADATA_BYTES = 8  # a safetensors file starts with the length of its JSON header


@dataclass(frozen=True)
class Network:
    """Hidden layer [H, F] and [H], output [C, H] and [C]."""

    hidden: Floats
    hidden_bias: Floats
    output: Floats
    output_bias: Floats

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds [N, C] of features [N, F]."""
        inner = np.maximum(features @ self.hidden.T + self.hidden_bias, 0)
        return np.asarray(inner @ self.output.T + self.output_bias, np.float32)


@dataclass(frozen=True)
class Heads(Network):
    """The network, and what its rows and columns mean."""

    categories: tuple[str, ...]
    features: tuple[str, ...]  # names of the columns after the embedding
    encoder: str

    def to_bytes(self, notes: dict[str, str]) -> bytes:
        """The heads as a safetensors file in half precision, with ``notes`` in its metadata."""
        metadata = {
            "categories": json.dumps(self.categories),
            "features": json.dumps(self.features),
            "encoder": self.encoder,
            **notes,
        }
        tensors = {name: getattr(self, name).astype(np.float16) for name in _TENSORS}
        return save_safetensors(tensors, metadata)


def heads_from_bytes(data: bytes, sha256: str) -> Heads:
    """Read heads; raises `WeightsError` when the file is not the one with ``sha256``, or not a file of heads."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError("The prompt classifier's weights differ from their recorded SHA-256.", remedy=_REMEDY)
    try:
        tensors = load_safetensors(data)
        size = int.from_bytes(data[:_METADATA_BYTES], "little")
        metadata = json.loads(data[_METADATA_BYTES : _METADATA_BYTES + size])["__metadata__"]
        hidden, hidden_bias, output, output_bias = (tensors[name].astype(np.float32) for name in _TENSORS)
        categories, features = tuple(json.loads(metadata["categories"])), tuple(json.loads(metadata["features"]))
        heads = Heads(hidden, hidden_bias, output, output_bias, categories, features, metadata["encoder"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"The prompt classifier's weights cannot be read: {error}.", remedy=_REMEDY) from error
    fits = hidden.ndim == output.ndim == 2 and output.shape == (len(categories), hidden.shape[0])
    if not fits or not all(np.isfinite(t).all() for t in (hidden, hidden_bias, output, output_bias)):
        raise WeightsError("The prompt classifier's weights contradict their description.", remedy=_REMEDY)
    return heads


def feature_names(lexicons: Sequence[Lexicon], contexts: Contexts) -> tuple[str, ...]:
    """Names of the features beside the embedding, in order."""
    names = [f"{lexicon.category}.{strength}" for lexicon in lexicons for strength in ("strong", "weak")]
    return (*names, *(f"context.{name}" for name in contexts.names))


def list_features(hits: dict[str, LexiconHits], frames: frozenset[str], names: Sequence[str]) -> Floats:
    """The features beside the embedding, float32 [len(names)]: log(1 + distinct terms) per lexicon and strength, and 1
    for each frame named, all times `LIST_SCALE`.
    """
    out = np.zeros(len(names), np.float32)
    for i, name in enumerate(names):
        group, strength = name.split(".")
        if group == "context":
            out[i] = strength in frames
        else:
            found = hits[group]
            matches = found.weak if strength == "weak" else found.strong + found.excused
            out[i] = np.log1p(len({m.term for m in matches}))
    return out * np.float32(LIST_SCALE)


def embed(encoder: TextEncoder, texts: Sequence[str]) -> Floats:
    """Embeddings scaled to unit variance per component (they arrive with unit length), float32 [N, D]."""
    vectors = encoder.encode(texts)
    return vectors * np.float32(np.sqrt(vectors.shape[1]))


def sigmoid(x: Floats) -> Floats:
    """Log-odds to probability."""
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)
