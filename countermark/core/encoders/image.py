"""The image encoder of the project: CLIP ViT-B/16 (QuickGELU), image tower only, through open_clip.

The weights come from an 8-bit ONNX graph (:data:`countermark.core.weights.CLIP_VISUAL_INT8`). Its 73 integer weight
matrices are dequantised, ``(w - zero_point) * scale``, and loaded into open_clip's own module with no key missing. The
graph itself is never executed: with quantised activations its embeddings drift far from the original model's, while
the dequantised weights in floating point stay close.

Reference: A. Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from countermark.core.bfloat16 import cpu_multiplies_bfloat16
from countermark.core.errors import WeightsError
from countermark.core.settings import Settings, get_settings
from countermark.core.weights import CLIP_VISUAL_INT8, Located, locate, weights_home

if TYPE_CHECKING:
    import torch
    from onnx import GraphProto

SIZE = 224
"""Side of the square input, in pixels."""

_LAYERS, _WIDTH, _HEADS, _PATCH, _OUT = 12, 768, 12, 16, 512
_PATCHES = (SIZE // _PATCH) ** 2
_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the images CLIP was trained on, R, G, B in 0..1
_STD = (0.26862954, 0.26130258, 0.27577711)
_LONGEST_CONVERSION = 3600.0  # seconds
_CONVERTED = "clip_vit_b16_visual.bf16.safetensors"

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ImageEmbedding:
    """What the encoder says about N images.

    ``image`` float32 [N, 512]: the joint-space embedding, not normalised. ``tokens`` float32 [N, 196, 768]: patch
    tokens of the last layer, row by row of a 14x14 grid.
    """

    image: Float32
    tokens: Float32


@dataclass(frozen=True)
class LayerTokens:
    """What L chosen layers say about N images, before any normalisation.

    ``classes`` float32 [N, L, 768]: the class token. ``patches`` float32 [N, L, 196, 768]: the patch tokens. Early
    layers keep more of the texture, late ones more of the meaning.
    """

    classes: Float32
    patches: Float32


class ImageEncoder:
    """CLIP ViT-B/16 in memory. ``weights`` says in words which weights these are, for reports."""

    def __init__(self, state: dict[str, torch.Tensor], *, weights: str, device: str | None = None) -> None:
        """``state`` must match open_clip's module exactly.

        Raises:
            WeightsError: a tensor is missing, superfluous or of the wrong shape.
        """
        import torch
        from open_clip.transformer import QuickGELU, VisionTransformer

        self.weights = weights
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = torch.bfloat16 if self.device != "cpu" or cpu_multiplies_bfloat16() else torch.float32
        with torch.device("meta"):  # no time lost on a random initialisation that is overwritten
            self._tower = VisionTransformer(
                SIZE, _PATCH, _WIDTH, _LAYERS, _HEADS, 4.0, output_dim=_OUT, act_layer=QuickGELU, output_tokens=True
            )
        try:
            self._tower.load_state_dict(state, strict=True, assign=True)
        except RuntimeError as error:
            raise WeightsError(
                f"The image encoder's weights do not fit open_clip's ViT-B-16-quickgelu: {error}.",
                remedy="Delete the converted file in the weights folder and run the command again.",
            ) from error
        self._tower.to(device=self.device, dtype=self.dtype).eval().requires_grad_(False)

    @classmethod
    def load(cls, *, settings: Settings | None = None, device: str | None = None) -> ImageEncoder:
        """The encoder from the first weights found; converts them once and keeps the result in ``home``.

        Raises:
            WeightsError: the weights are not on this machine (see :mod:`countermark.core.weights`) or do not fit.
        """
        from safetensors import SafetensorError, safe_open

        settings = settings or get_settings()
        converted = weights_home(settings) / _CONVERTED
        asset = CLIP_VISUAL_INT8
        words = f"CLIP ViT-B/16 image tower, dequantised from {asset.carrier.package} {asset.carrier.version}"
        if converted.is_file():
            try:
                with safe_open(converted, framework="pt") as file:
                    if (file.metadata() or {}).get("source_sha256") == asset.sha256:
                        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
                        return cls(state, weights=words, device=device)
            except SafetensorError:
                converted.unlink(missing_ok=True)  # left over from an interrupted disk, made again below
        state = _convert(locate(asset, settings=settings), converted)
        return cls(state, weights=words, device=device)

    def encode(self, images: UInt8, *, batch: int = 8) -> ImageEmbedding:
        """Embed uint8 R'G'B' images [N, 224, 224, 3].

        Raises:
            ValueError: the array has another shape or type.
        """
        import torch

        rows: list[tuple[torch.Tensor, torch.Tensor]] = []
        with torch.inference_mode():
            for x in self._batches(images, batch):
                pooled, tokens = self._tower(x)
                rows.append((pooled.float().cpu(), tokens.float().cpu()))
        if not rows:
            return ImageEmbedding(np.zeros((0, _OUT), np.float32), np.zeros((0, _PATCHES, _WIDTH), np.float32))
        return ImageEmbedding(*(torch.cat(parts).numpy() for parts in zip(*rows, strict=True)))

    def layers(self, images: UInt8, indices: Sequence[int], *, batch: int = 8) -> LayerTokens:
        """Tokens after the layers ``indices`` (ascending, 0 to 11) of images as for :meth:`encode`.

        Layers beyond the last one asked for are not computed, which saves their time.

        Raises:
            ValueError: the array has another shape or type, or there is no such layer.
        """
        import torch

        if not indices or list(indices) != sorted(set(indices)) or not 0 <= indices[0] <= indices[-1] < _LAYERS:
            raise ValueError(f"layers must ascend within 0 to {_LAYERS - 1}, got {tuple(indices)}")
        rows: list[tuple[torch.Tensor, torch.Tensor]] = []
        with torch.inference_mode():
            for x in self._batches(images, batch):
                found = self._tower.forward_intermediates(
                    x,
                    list(indices),
                    stop_early=True,
                    intermediates_only=True,
                    output_fmt="NLC",
                    output_extra_tokens=True,
                )
                classes = torch.cat(found["image_intermediates_prefix"], dim=1)
                patches = torch.stack(found["image_intermediates"], dim=1)
                rows.append((classes.float().cpu(), patches.float().cpu()))
        if not rows:
            empty = np.zeros((0, len(indices), _PATCHES, _WIDTH), np.float32)
            return LayerTokens(empty[:, :, 0], empty)
        return LayerTokens(*(torch.cat(parts).numpy() for parts in zip(*rows, strict=True)))

    def _batches(self, images: UInt8, batch: int) -> Iterator[torch.Tensor]:
        """Normalised batches [n, 3, 224, 224] on the device, in the tower's precision."""
        import torch

        if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE, 3):
            raise ValueError(f"expected uint8 [N, {SIZE}, {SIZE}, 3], got {images.dtype} {images.shape}")
        mean, std = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (_MEAN, _STD))
        for start in range(0, len(images), batch):
            x = torch.from_numpy(np.ascontiguousarray(images[start : start + batch])).to(self.device)
            yield ((x.permute(0, 3, 1, 2).float() / 255 - mean) / std).to(self.dtype)


@lru_cache(maxsize=1)
def image_encoder(settings: Settings | None = None) -> ImageEncoder:
    """The encoder of these settings, kept in memory. Raises :class:`WeightsError` as ``ImageEncoder.load`` does."""
    return ImageEncoder.load(settings=settings)


def _convert(source: Located, target: Path) -> dict[str, torch.Tensor]:
    """Dequantise the graph into open_clip's state dict (bf16) and keep it at ``target``."""
    import torch
    from safetensors.torch import save_file

    state = {
        key: torch.from_numpy(np.array(value, np.float32, order="C")).to(torch.bfloat16)
        for key, value in dequantise(source.path).items()
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(".convert-*"):  # by a process that was killed
        with suppress(OSError):  # another has been faster
            if time.time() - left.stat().st_mtime > _LONGEST_CONVERSION:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=".convert-", dir=target.parent) as scratch:  # others may convert, too
        partial = Path(scratch) / target.name
        save_file(state, partial, metadata={"source_sha256": source.asset.sha256})
        partial.replace(target)
    return state


def dequantise(path: Path) -> dict[str, Float32]:
    """Read an 8-bit CLIP vision graph as float32 arrays under open_clip's names.

    A ``MatMulInteger`` weight is anonymous in such graphs; it is named by the bias of the ``Add`` that follows it. The
    one weight with no bias is the projection into the joint space. The caller has checked the file's SHA-256.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return _open_clip_names(constants, _integer_weights(graph, constants))


def _integer_weights(graph: GraphProto, constants: dict[str, npt.NDArray[Any]]) -> dict[str, Float32]:
    """Dequantised weights [in, out] by the name of the bias added after them; ``""`` where none is."""
    readers: dict[str, Any] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, node)
    weights: dict[str, Float32] = {}
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        quantised, zero = constants[node.input[1]], constants[node.input[3]]
        scale = constants[node.input[1].removesuffix("_quantized") + "_scale"]
        weight = (quantised.astype(np.float32) - zero.astype(np.float32)) * scale
        bias = ""
        follower = readers.get(node.output[0])
        while follower is not None and not bias:
            if follower.op_type == "Add":
                bias = next((name for name in follower.input if name in constants), "")
            follower = readers.get(follower.output[0])
        weights[bias] = weight
    return weights


def _open_clip_names(constants: dict[str, npt.NDArray[Any]], weights: dict[str, Float32]) -> dict[str, Float32]:
    root = "vision_model."
    state: dict[str, Float32] = {
        "class_embedding": constants[f"{root}embeddings.class_embedding"],
        "positional_embedding": constants[f"{root}embeddings.position_embedding.weight"],
        "conv1.weight": constants[f"{root}embeddings.patch_embedding.weight"],
        "proj": weights[""],
    }

    def norm(ours: str, theirs: str) -> None:
        for part in ("weight", "bias"):
            state[f"{ours}.{part}"] = constants[f"{root}{theirs}.{part}"]

    norm("ln_pre", "pre_layrnorm")  # so spelt in the original
    norm("ln_post", "post_layernorm")
    for i in range(_LAYERS):
        ours, theirs = f"transformer.resblocks.{i}", f"encoder.layers.{i}"
        norm(f"{ours}.ln_1", f"{theirs}.layer_norm1")
        norm(f"{ours}.ln_2", f"{theirs}.layer_norm2")
        qkv = [f"{root}{theirs}.self_attn.{part}_proj.bias" for part in "qkv"]
        state[f"{ours}.attn.in_proj_weight"] = np.concatenate([weights[name].T for name in qkv])
        state[f"{ours}.attn.in_proj_bias"] = np.concatenate([constants[name] for name in qkv])
        for mine, other in (
            ("attn.out_proj", "self_attn.out_proj"),
            ("mlp.c_fc", "mlp.fc1"),
            ("mlp.c_proj", "mlp.fc2"),
        ):
            bias = f"{root}{theirs}.{other}.bias"
            state[f"{ours}.{mine}.weight"] = weights[bias].T
            state[f"{ours}.{mine}.bias"] = constants[bias]
    return state
