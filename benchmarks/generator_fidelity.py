"""How near are clips to renders, as pictures and as they go on? The rows that `benchmarks.generator` writes about it.

Pictures are compared by the Fréchet distance of what the CLIP image encoder sees. Whether a clip stays what it is, is
read every half second: by the networks that read subject, colour and scene, by the encoder, and by plain differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.generator_clips import rgb, signal
from countermark.core.encoders.image import SIZE, image_encoder
from generator.dit.close_up import crops_of
from generator.dit.networks import load_networks
from generator.dit.places import off_subject, place_maps
from generator.dit.views import View, read_clip
from generator.model import RGB
from generator.world.clips import FPS, ClipSpec
from generator.world.vocabulary import Kind

Looks = npt.NDArray[np.float64]

STAYS: tuple[Kind, ...] = ("subject", "colour", "scene")
_HALF = FPS // 2  # frames of half a second
_INNER = 0.5  # of a subject's half size: the part whose colour is its own, whatever its outline and however it turns


def embedded(frames: Tensor) -> Looks:
    """What the image encoder sees in frames [N, 3, H, W] in [-1, 1]: [N, 512]. Raises `WeightsError`."""
    sized = F.interpolate(frames, (SIZE, SIZE), mode="area" if frames.shape[2] > SIZE else "bicubic")
    return image_encoder().encode(np.ascontiguousarray(rgb(sized.clamp(-1, 1)))).image.astype(np.float64)


def looks(clips: Sequence[RGB]) -> Looks:
    """What the image encoder sees in the first, middle and last frame of clips, [3 N, 512]. Raises `WeightsError`."""
    return embedded(torch.cat([signal(clip[[0, len(clip) // 2, -1]]) for clip in clips]))


def frechet(a: Looks, b: Looks) -> float:
    """Fréchet distance of two sets of vectors [n, D] (Heusel et al., 2017), each taken as normally distributed.

    The trace of the root of the product of covariances is the sum of singular values of the product of the centred
    sets, which are smaller than the covariances.
    """
    centred = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b)]
    roots = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    spread = sum(float(np.square(x).sum()) for x in centred)
    return max(0.0, float(np.square(a.mean(0) - b.mean(0)).sum() + spread - 2 * roots))


def distance_rows(sets: Mapping[str, Looks], references: Mapping[str, Looks]) -> Iterator[str]:
    """A row for each of ``sets``, with its Fréchet distance to each of ``references``."""
    yield from ("", f"| Fréchet distance of | {' | '.join(f'to {name}' for name in references)} |")
    yield "|---|" + "---|" * len(references)
    for name, each in sets.items():
        yield f"| {name} | {' | '.join(f'{frechet(each, other):.2f}' for other in references.values())} |"


def stays(frames: RGB, spec: ClipSpec) -> dict[str, float]:
    """How a clip that should show ``spec`` goes on; see `stay_rows`. Raises `WeightsError`."""
    view = read_clip(load_networks(), frames)
    starts = [*range(0, len(frames) - _HALF + 1, _HALF)]
    read = [read_clip(load_networks(), frames[start : start + _HALF]).concepts for start in starts]
    right = {kind: float(np.mean([each[kind] == getattr(spec, kind) for each in read])) for kind in STAYS}
    off = off_subject(view.plan, *frames.shape[1:3])
    behind = off[1:] * off[:-1]
    changes = (view.frames.diff(dim=0).abs().mean(1, keepdim=True) * behind).sum((1, 2, 3)) * 127.5
    steps = (changes / behind.sum((1, 2, 3)).clamp(min=1)).numpy()
    # What jumps and returns; smooth movement has little of it.
    jumps = (view.frames[2:] - 2 * view.frames[1:-1] + view.frames[:-2]).abs().mean((1, 2, 3)) * 127.5
    colours = inner_colours(view)[starts]
    return {
        **right,
        "subject looks": _alike(embedded(crops_of(view.frames[starts], view.plan[starts]))),
        "frame looks": _alike(embedded(view.frames[starts])),
        "colour change": float(np.mean([np.abs(b - a).mean() for a, b in pairwise(colours)])),
        "step": float(np.median(steps)),
        "largest step": float(steps.max() / max(np.median(steps), 0.05)),
        "flicker": float(jumps.median()),
    }


def stay_rows(clips: Mapping[str, Sequence[RGB]], specs: Sequence[ClipSpec]) -> Iterator[str]:
    """A row for each set of ``clips``, of which each shows ``specs``."""
    yield from (
        "",
        "| how clips go on | subject, colour, scene in each half second | subject and whole frame like the first |"
        " change of the subject's colour | change of the background | its largest | flicker |",
        "|---|---|---|---|---|---|---|",
    )
    for name, made in clips.items():
        all_of = [stays(frames, spec) for frames, spec in zip(made, specs, strict=True)]
        mean = {key: float(np.mean([each[key] for each in all_of])) for key in all_of[0]}
        yield (
            f"| {name} | {', '.join(f'{mean[kind]:.2f}' for kind in STAYS)}"
            f" | {mean['subject looks']:.3f}, {mean['frame looks']:.3f} | {mean['colour change']:.1f}"
            f" | {mean['step']:.2f} | {mean['largest step']:.2f} | {mean['flicker']:.2f} |"
        )
    yield from (
        "",
        f'Means over {len(specs)} clips each of the same held-out combinations. "Like the first": cosine of the CLIP'
        " embeddings of crops around the subject, and of whole frames, every half second, to the first's. Changes are"
        " mean absolute differences, of 255: of the mean colour inside the subject from half second to half second; of"
        " what is not the subject from frame to frame (median of a clip), and the largest of a clip in units of its"
        " median. Flicker is the second difference of whole frames (median of a clip).",
    )


def inner_colours(view: View) -> npt.NDArray[np.float64]:
    """The mean R'G'B' of the middle of the subject in every frame, [T, 3], of 255."""
    across, down, near = place_maps(view.plan, *view.frames.shape[2:]).unbind(1)
    inside = ((near > 0) & (torch.maximum(across.abs(), down.abs()) < _INNER))[:, None].float()
    mean = (view.frames * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=1)
    return ((mean + 1) * 127.5).double().numpy()


def _alike(vectors: Looks) -> float:
    """The mean cosine of vectors [n, D] to the first of them."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return float((unit[1:] @ unit[0]).mean())
