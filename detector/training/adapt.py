"""Refit the frame head with your own clips: ``python -m detector.training.adapt FOLDER``.

``FOLDER`` holds two folders of videos, ``generated`` and ``real``. The bundled head is the starting point and the
prior: what is learned is a correction, held back by a Gaussian prior, so a few dozen clips move the head only where
they are sure (maximum a posteriori logistic regression). Judged on clips that the correction has not seen.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from countermark.core.encoders.image import image_encoder
from countermark.core.errors import CountermarkError, MediaError, UsageError
from countermark.core.media import Limits, probe
from countermark.core.settings import get_settings
from countermark.core.weights import weights_home
from detector.batch import videos
from detector.clip import sample_frames
from detector.evidence import ErrorRates
from detector.fusion import Blend, Fusion, fusion_for, save_fusion
from detector.head import Head, features, head_for, save_head
from detector.normalise import normalise
from detector.signals.frames import NAME
from detector.tokens import layers_of, see
from detector.training.degrade import degrade
from detector.training.figures import most_unseen

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

FRAMES = 4
FOLDS = 5
FEWEST = 5
"""Clips of each kind below which nothing is fitted."""
PRIOR = 0.02
"""Inverse variance of the correction, in units of the features' spread: the larger, the less moves."""
MARGIN = 0.3
"""How far above the highest held-out score of a real clip the threshold is put."""


@dataclass(frozen=True)
class Own:
    """A clip of the user's: feature rows float32 [n, D] of its frames, as they are and degraded."""

    path: Path
    generated: bool
    rows: Float32


def look(folder: Path, head: Head) -> list[Own]:
    """All clips of ``folder/generated`` and ``folder/real``; what cannot be read is said and left out.

    Raises ``UsageError`` if a folder is missing or has too few clips.
    """
    settings, limits = get_settings(), Limits.from_settings(get_settings())
    found = []
    for name, generated in (("generated", True), ("real", False)):
        if not (folder / name).is_dir():
            raise UsageError(f"{folder} has no folder '{name}'.", remedy="Put your clips into 'generated' and 'real'.")
        for path in videos([folder / name]):
            try:
                info = probe(path, limits=limits)
                frames = np.stack([frame for _, frame in sample_frames(path, info, limits, FRAMES)])
            except MediaError as error:
                print(f"left out: {error}")
                continue
            worse = degrade(frames, np.random.default_rng(zlib.crc32(path.name.encode())))
            images = np.stack([normalise(frame) for group in (frames, worse) for frame in group])
            classes = see(images, image_encoder(settings)).classes
            found.append(Own(path, generated, features(layers_of(classes, head.card.layers))))
    for kind in (True, False):
        if sum(own.generated == kind for own in found) < FEWEST:
            raise UsageError(
                f"There are fewer than {FEWEST} {'generated' if kind else 'real'} clips.",
                remedy="Add clips: a head cannot be refitted on so few.",
            )
    return found


def refit(head: Head, clips: Sequence[Own]) -> Head:
    """The head with a correction learned from these clips; its scores are log-likelihood ratios themselves."""
    rows = np.concatenate([own.rows for own in clips]).astype(np.float64) - head.centre
    truth = np.repeat([own.generated for own in clips], [len(own.rows) for own in clips])
    weights = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum()) * len(clips)
    spread = rows.std(axis=0).mean()
    start = head.card.slope * head.weight.astype(np.float64)
    sign = np.where(truth, 1.0, -1.0)

    def loss(change: Float64) -> tuple[float, Float64]:
        margin = sign * (rows @ (start + change[:-1]) + head.card.offset + change[-1])
        pull = -sign * weights / (1 + np.exp(np.clip(margin, -50, 50)))
        prior = PRIOR * spread**2
        value = float(weights @ np.logaddexp(0, -margin) + prior / 2 * (change[:-1] @ change[:-1]))
        return value, np.append(rows.T @ pull + prior * change[:-1], pull.sum())

    change = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    weight = (start + change[:-1]).astype(np.float32)
    version = hashlib.sha256(weight.tobytes()).hexdigest()[:8]
    card = head.card.model_copy(update={"version": version, "slope": 1.0, "offset": head.card.offset + change[-1]})
    return Head(weight, head.centre, card)


def held_out(head: Head, clips: Sequence[Own]) -> Float64:
    """Log-likelihood ratios [N] of clips by heads refitted without them."""
    order = np.random.default_rng(0).permutation(len(clips))
    kinds = np.array([own.generated for own in clips])
    fold = np.empty(len(clips), int)
    for kind in (True, False):
        members = [index for index in order if kinds[index] == kind]
        fold[members] = np.arange(len(members)) % FOLDS
    llrs = np.zeros(len(clips))
    for number in range(FOLDS):
        other = refit(head, [own for own, f in zip(clips, fold, strict=True) if f != number])
        for index, own in enumerate(clips):
            if fold[index] == number:
                llrs[index] = other.llr(other.scores(own.rows))
    return llrs


def judge(head: Head, clips: Sequence[Own]) -> tuple[float, float, ErrorRates]:
    """AUC on these clips before and after, the latter held out, and the error rates at a careful threshold.

    The threshold is never lower than the bundled one, and lies above every held-out real clip. So none of them reaches
    it whatever the head is like, and their false-positive rate is given as the highest that could show none.
    """
    truth = np.array([own.generated for own in clips])
    before = np.array([head.llr(head.scores(own.rows)) for own in clips])
    after = held_out(head, clips)
    threshold, real = max(head.card.error_rates.threshold, float(after[~truth].max()) + MARGIN), int((~truth).sum())
    rates = ErrorRates(
        threshold=round(threshold, 2),
        false_positive_rate=round(most_unseen(real), 4),
        true_positive_rate=round(float(np.mean(after[truth] >= threshold)), 4),
        measured_on=f"{len(clips)} clips of your own, held out; none of {real} real ones, so at most that share",
    )
    return float(roc_auc_score(truth, before)), float(roc_auc_score(truth, after)), rates


def adapted_fusion(fusion: Fusion, rates: ErrorRates) -> Fusion:
    """The fusion for a refitted frame head, which then speaks alone."""
    alone = Blend(signals=(NAME,), weights=(1.0,), offset=0.0, error_rates=rates)
    part = fusion.part.model_copy(update={"threshold": max(fusion.part.threshold, rates.threshold)})
    return fusion.model_copy(update={"version": f"{fusion.version}+own", "blends": (alone,), "part": part})


def main(arguments: Sequence[str] | None = None) -> int:
    """Refit from the command line; exit 0, or the error's code."""
    parser = argparse.ArgumentParser(prog="python -m detector.training.adapt", description="Refit the frame head.")
    parser.add_argument("folder", type=Path, help="folder with the folders 'generated' and 'real'")
    parser.add_argument("--output", type=Path, help="folder for the head; default is where screening looks for it")
    options = parser.parse_args(arguments)
    try:
        settings = get_settings()
        head = head_for(NAME, settings)
        clips = look(options.folder, head)
        before, after, rates = judge(head, clips)
        output: Path = options.output or weights_home(settings) / "detector"
        new = refit(head, clips)
        new = Head(new.weight, new.centre, new.card.model_copy(update={"error_rates": rates}))
        save_head(new, output / f"{NAME}.safetensors")
        save_fusion(adapted_fusion(fusion_for(settings), rates), output / "fusion.json")
    except CountermarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"AUC on your clips {before:.3f} before, {after:.3f} held out after; written to {output}.")
    found, accused = f"{rates.true_positive_rate:.0%} of generated", f"{rates.false_positive_rate:.1%} of real ones"
    print(f"From {rates.threshold:+.2f} on: {found}, at most {accused} ({rates.measured_on}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
