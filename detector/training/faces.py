"""Judge whether a face head can be had: ``python -m detector.training.faces DATA``.

There are too few manipulated faces to learn from, so the head learns from untouched ones alone: a face is blended with
a slightly altered copy of itself, which leaves the traces of a swap (borders, colour, resolution) and nothing else
(K. Shiohara and T. Yamasaki, Detecting Deepfakes with Self-Blended Images, CVPR 2022; here with elliptic masks that are
deformed at random instead of landmarks). Manipulated clips are only used to measure: every method is unseen.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter, map_coordinates
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from countermark.core.encoders.image import image_encoder
from countermark.core.errors import CountermarkError, MediaError, UsageError
from countermark.core.media import Limits, probe
from countermark.core.settings import Settings, get_settings
from detector.clip import sample_frames
from detector.fusion import load_fusion, save_fusion
from detector.head import WEIGHTS, features
from detector.normalise import normalise
from detector.signals.faces import LAYERS, NAME, face_crops
from detector.tokens import layers_of, see
from detector.training.data import Item, read_manifest
from detector.training.degrade import degrade

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
UInt8 = npt.NDArray[np.uint8]

FRAMES = 3
STRENGTH = 1.0
REAL_FACES, MANIPULATED = "real-face", "face-manipulated"


def self_blend(face: UInt8, rng: np.random.Generator) -> UInt8:
    """A crop uint8 [S, S, 3] around a face, blended with an altered copy of itself under a soft mask."""
    image = Image.fromarray(face)
    altered = image
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        altered = enhancer(altered).enhance(rng.uniform(0.85, 1.15))
    if rng.random() < 0.5:  # the resolution of another video
        side = max(16, int(image.width * rng.uniform(0.3, 0.8)))
        altered = altered.resize((side, side), Image.Resampling.BILINEAR).resize(image.size, Image.Resampling.BICUBIC)
    else:
        altered = ImageEnhance.Sharpness(altered).enhance(rng.uniform(0.3, 2.5))
    move = rng.uniform(-0.02, 0.02, 2) * image.width
    size = image.width * rng.uniform(0.97, 1.03)
    box = (move[0], move[1], move[0] + size, move[1] + size)
    altered = altered.transform(image.size, Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    mask = _mask(image.width, rng)[..., None] * rng.choice([0.5, 0.75, 1.0, 1.0])
    blended = np.asarray(image) * (1 - mask) + np.asarray(altered) * mask
    out: UInt8 = np.clip(np.rint(blended), 0, 255).astype(np.uint8)
    return out


def _mask(side: int, rng: np.random.Generator) -> Float64:
    """A deformed ellipse with soft edges, float64 [side, side] in 0..1, about where a face crop has its face."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    width, height = rng.uniform(0.2, 0.3), rng.uniform(0.24, 0.36)
    waves = [gaussian_filter(rng.normal(size=(side, side)), side / 12) for _ in range(2)]
    bend = [wave / (np.abs(wave).max() + 1e-9) * rng.uniform(0, 0.06) for wave in waves]
    inside = ((x + bend[0]) / width) ** 2 + ((y + rng.uniform(-0.05, 0.08) + bend[1]) / height) ** 2 < 1
    grid = np.mgrid[:side, :side].astype(np.float64)
    soft = map_coordinates(inside.astype(np.float64), grid, order=1)
    return np.asarray(gaussian_filter(soft, rng.uniform(0.01, 0.05) * side))


@dataclass(frozen=True)
class Faces:
    """A clip's faces as features: untouched or manipulated as published, and self-blended, both as they are and
    degraded, float32 [n, D].
    """

    item: Item
    seen: Float32
    blended: Float32


def look_at_faces(folder: Path, settings: Settings) -> Iterator[Faces]:
    """Every clip of the folder in which a face is found and whose label is about faces."""
    for item in read_manifest(folder):
        if item.label in (REAL_FACES, MANIPULATED):
            try:
                crops = _faces(item.path, settings)
            except MediaError as error:
                print(f"left out: {error}")
                continue
            if len(crops):
                rng = np.random.default_rng(zlib.crc32(item.path.name.encode()))
                groups = [crops, degrade(crops, rng)]
                blends = []
                if item.label == REAL_FACES:
                    fake = np.stack([self_blend(crop, rng) for crop in crops])
                    blends = [fake, degrade(fake, rng)]
                yield Faces(item, _features(groups, settings), _features(blends, settings))


def _faces(path: Path, settings: Settings) -> UInt8:
    limits = Limits()
    info = probe(path, limits=limits)
    return face_crops([frame for _, frame in sample_frames(path, info, limits, FRAMES)], settings)


def _features(groups: Sequence[UInt8], settings: Settings) -> Float32:
    if not groups:
        return np.zeros((0, 768 * len(LAYERS)), np.float32)
    images = np.stack([normalise(frame) for group in groups for frame in group])
    return features(layers_of(see(images, image_encoder(settings)).classes, LAYERS))


def judge(found: Sequence[Faces]) -> tuple[float, dict[str, float]]:
    """AUC of clips, manipulated against untouched, by heads that have not seen the collection of the untouched ones;
    and the same for each method.

    Raises ``UsageError`` if there are fewer than three collections of untouched faces or no manipulated ones.
    """
    real = [f for f in found if f.item.label == REAL_FACES]
    fake = [f for f in found if f.item.label == MANIPULATED]
    sites = sorted({f.item.source for f in real})
    if len(sites) < 3 or not fake:
        raise UsageError(
            "Faces of three collections, and manipulated ones, are needed to judge a face head.",
            remedy="Add clips labelled real-face and face-manipulated.",
        )
    scores: list[float] = []
    of_fake = np.zeros(len(fake))
    for site in sites:
        weight, centre = _fit([f for f in real if f.item.source != site])
        scores += [float(((f.seen - centre) @ weight).mean()) for f in real if f.item.source == site]
        of_fake += [float(((f.seen - centre) @ weight).mean()) / len(sites) for f in fake]
    truth = np.array([0] * len(scores) + [1] * len(fake))
    values = np.array([*scores, *of_fake])
    methods = np.array(["-"] * len(scores) + [f.item.source for f in fake])
    by_method = {}
    for name in sorted({f.item.source for f in fake}):
        against = (methods == "-") | (methods == name)
        by_method[name] = float(roc_auc_score(truth[against], values[against]))
    return float(roc_auc_score(truth, values)), by_method


def _fit(real: Sequence[Faces]) -> tuple[Float32, Float32]:
    rows = np.concatenate([part for f in real for part in (f.seen, f.blended)])
    labels = np.concatenate([np.repeat([0, 1], [len(f.seen), len(f.blended)]) for f in real])
    centre = rows.mean(axis=0)
    model = LogisticRegression(C=STRENGTH, max_iter=400).fit(rows - centre, labels)
    return model.coef_[0].astype(np.float32), centre


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, and note the result where reports find it; exit 0, or the error's code."""
    parser = argparse.ArgumentParser(prog="python -m detector.training.faces", description="Judge a face head.")
    parser.add_argument("data", type=Path, help="folder with manifest.csv and the clips")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder whose fusion.json notes the result")
    options = parser.parse_args(arguments)
    try:
        overall, by_method = judge(list(look_at_faces(options.data, get_settings())))
        fusion = load_fusion(options.weights / "fusion.json")
        note = {NAME: f"AUC {overall:.2f} over {len(by_method)} methods"}
        save_fusion(fusion.model_copy(update={"rejected": fusion.rejected | note}), options.weights / "fusion.json")
    except CountermarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"AUC {overall:.3f}; " + ", ".join(f"{name} {auc:.3f}" for name, auc in by_method.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
