"""Tell families of generators apart, and measure when the answer may be said: the making of a ``FamilyHead``.

A softmax regression on the tokens of the frame head, one class for each generator with enough clips. It is judged on
what it has not seen: on scenes (what the names of clips say of their source, prompt or style), on generators, and on
publishers, each left out in turn. A generator whose clips were all published at one place cannot be told from that
place's habits, so it is measured and never named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from countermark.core.weights import CLIP_VISUAL_INT8
from detector.attribution import Family, FamilyCard, FamilyHead, Precision
from detector.training.data import DRAWN, PAIRED, Item
from detector.training.heads import FRAME_LAYERS
from detector.training.table import FOLDS, Bools, Digest, Float64, Strings, folds

if TYPE_CHECKING:
    from collections.abc import Iterator

Float32 = npt.NDArray[np.float32]

FEWEST = 6
"""Scenes that a generator needs to be a class of its own."""
SURE = 0.9
"""Probability from which on a family is named; set beforehand, not chosen on what was measured."""
BAR = 0.8
"""What the lower end of a family's precision must reach for it to be named."""
STRENGTH = 50.0  # inverse of L2 regularisation, that of the frame head

LINEAGES: Mapping[str, tuple[str, ...]] = {
    "Stable Diffusion and what is built on it": (
        "animatediff",
        "controlvideo",
        "motiondirector",
        "pix2video",
        "seer",
        "seine",
        "svd-xt",
        "text2video-zero",
        "tune-a-video",
        "vid2vid-zero",
        "video-ldm",
        "videocrafter",
    ),
    "diffusion in pixel space": ("lumiere", "make-a-video", "pyoco"),
}
"""Families of several generators, by what their authors published. Of the others nothing sure is known, or they stand
alone; where they are taken for one of these, it counts as wrong."""

CAMERA, OTHER = "not generated", "other generators"
"""Classes that are no families: camera footage with drawings, and generators too rare for a class."""

# How the collections name their clips: by number of the prompt or source, by source and edit, by model or style.
_SCENES = (
    r"(model_\d+)",
    r"(image\d+)",
    r"_([a-z]+(?:-[a-z]+)?)_edit\d+",
    r"_([a-z]+-[a-z]+)_\w+_pose",
    r"styledrop_([a-z]+)",
    r"(\d{4,})$",
)


def scene_of(item: Item) -> str:
    """What clips share that show the same source, prompt, style or personal model, as far as their names tell."""
    stem = item.path.stem.lower()
    for pattern in _SCENES:
        if match := re.search(pattern, stem):
            return f"{item.site} {match[1]}"
    return f"{item.site} {' '.join(re.findall('[a-z]+|[0-9]+', stem)[-3:])}"


@dataclass(frozen=True)
class Examples:
    """n looks at clips: feature rows float32 [n, D] and, as arrays [n], what they are."""

    rows: Float32
    clips: npt.NDArray[np.int64]
    native: Bools
    generated: Bools
    drawn: Bools
    sources: Strings
    sites: Strings
    scenes: Strings

    def __len__(self) -> int:
        return len(self.rows)


def examples(digests: Sequence[Digest], head: str = "frames") -> Examples:
    """Every look at every clip, its frames averaged; without files that were published as two generators' work."""
    kept = [d for d in digests if d.item.generated is not None and d.item.label != PAIRED]
    makers: dict[bytes, set[str]] = {}
    for d in kept:
        makers.setdefault(_print_of(d, head), set()).add(d.item.source)
    kept = [d for d in kept if len(makers[_print_of(d, head)]) == 1]
    looks = [(n, kind, rows) for n, d in enumerate(kept) for kind, rows in enumerate(d.rows[head]) if rows is not None]
    items = [kept[n].item for n, _, _ in looks]
    return Examples(
        rows=np.stack([rows.mean(axis=0) for _, _, rows in looks]).astype(np.float32),
        clips=np.array([n for n, _, _ in looks]),
        native=np.array([kind == 0 for _, kind, _ in looks]),
        generated=np.array([bool(item.generated) for item in items]),
        drawn=np.array([item.label == DRAWN for item in items]),
        sources=np.array([item.source for item in items]),
        sites=np.array([item.site for item in items]),
        scenes=np.array([scene_of(item) if item.generated else item.site for item in items]),
    )


def _print_of(digest: Digest, head: str) -> bytes:
    return b"".join(rows.tobytes() for rows in digest.rows[head][:1] if rows is not None)


def classes_of(known: Examples) -> Strings:
    """The class [n] of every look: its generator, if that has scenes enough, else one that is no family."""
    names = known.sources.astype(object)
    for source in set(known.sources[known.generated]):
        mine = known.sources == source
        if len(set(known.scenes[mine])) < FEWEST:
            lineage = next((name for name, members in LINEAGES.items() if source in members), OTHER)
            names[mine] = lineage
    names[~known.generated] = CAMERA
    return names.astype(str)


def families_of(classes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Families and the classes that make them up: single generators first, then the lineages."""
    single = {name: (name,) for name in classes if name not in (CAMERA, OTHER, *LINEAGES)}
    lineages = {
        name: tuple(c for c in classes if c in members or c == name)
        for name, members in LINEAGES.items()
        if any(c in members or c == name for c in classes)
    }
    return single | lineages


def members_of(family: str) -> tuple[str, ...]:
    """The generators of a family."""
    return LINEAGES.get(family, (family,))


@dataclass(frozen=True)
class Softmax:
    """``weight`` [C, D], ``centre`` [D], ``offset`` [C] of the C ``classes``."""

    weight: Float64
    centre: Float64
    offset: Float64
    classes: tuple[str, ...]

    def probabilities(self, rows: Float64) -> Float64:
        """Of each class [n, C] for rows [n, D]."""
        logits = (rows - self.centre) @ self.weight.T + self.offset
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: Float64 = odds / odds.sum(axis=1, keepdims=True)
        return shares


def fit(rows: Float64, names: Strings, sources: Strings) -> Softmax:
    """A softmax regression; a generator or collection of n looks counts as the square root of n."""
    _, of, counts = np.unique(sources, return_inverse=True, return_counts=True)
    weights = counts[of] ** -0.5
    weights *= len(weights) / weights.sum()
    centre = np.average(rows, axis=0, weights=weights)
    model = LogisticRegression(C=STRENGTH, max_iter=400)
    model.fit(rows - centre, names, sample_weight=weights)
    weight, offset = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # of two classes only the second is given
        weight, offset = np.concatenate([0 * weight, weight]), np.append(0.0, offset)
    return Softmax(weight, centre, offset, tuple(str(name) for name in model.classes_))


@dataclass(frozen=True)
class Reached:
    """Of one family, in scenes (each look a part of its scene): named rightly, and wrongly by who really made the clip.

    Every clip of another generator counts twice: judged by a head that knows its generator, and by one that does not.
    ``shown`` is the share of looks at the family's clips at which it was named, ``not_generated`` that of looks at
    camera footage and drawings. Those are not in the precision: a name is only given to what is called generated.
    ``areas`` are those under the ROC curve among generated looks, scenes unseen and publishers unseen.
    """

    family: Family
    clips: int
    scenes: int
    publishers: int
    shown: float
    right: float
    of_known: float
    of_left_out: float
    not_generated: float
    areas: tuple[float, float]

    def row(self) -> str:
        """A row of a Markdown table."""
        found = self.family.precision
        precision = "–" if found is None else f"{found.share:.2f} ({found.low:.2f} to {found.high:.2f})"
        areas = " | ".join("–" if np.isnan(area) else f"{area:.2f}" for area in self.areas)
        return (
            f"| {self.family.name} | {self.clips} | {self.scenes} | {self.publishers} | {areas} | {self.shown:.2f} | "
            f"{self.right:.1f} | {self.of_known:.1f} | {self.of_left_out:.1f} | {self.not_generated:.3f} | "
            f"{precision} | {self.family.why_not or 'it is shown'} |"
        )


@dataclass(frozen=True)
class FamilyReport:
    """What was measured of all families.

    ``accuracy`` is over looks of generators with a class of their own, the likeliest class taken, as published and
    degraded: on unseen scenes, and on publishers unseen too, where the generator has another. ``named`` are shares of
    looks that got the name of some single generator, whether it may be shown or not: of left-out generators, camera
    footage and drawings.
    """

    reached: tuple[Reached, ...]
    accuracy: tuple[float, float]
    chance: float
    elsewhere: float
    elsewhere_looks: int
    named_left_out: float
    named_camera: float
    named_drawn: float

    def table(self) -> str:
        """All families as a Markdown table."""
        titles: tuple[str, ...] = (
            "family",
            "clips",
            "scenes",
            "publishers",
            "AUC, scene unseen",
            "AUC, publisher unseen",
            "named",
        )
        titles += ("right", "another known", "left out", "not generated", "precision (95 %)", "why it is not shown")
        head = f"| {' | '.join(titles)} |\n|{len(titles) * '---|'}"
        return "\n".join([head, *(one.row() for one in self.reached)])


def learn(digests: Sequence[Digest]) -> tuple[FamilyHead, FamilyReport]:
    """Judge on what was left out, then fit on everything. Nothing is named where no generator has scenes enough."""
    known = examples(digests)
    names = classes_of(known)
    # All rows turned into the space they span: the same fits in a fraction of the time.
    _, spread, axes = np.linalg.svd(known.rows - known.rows.mean(axis=0), full_matrices=False)
    axes = axes[spread > 1e-5 * spread[0]].astype(np.float64)
    rows = (known.rows - known.rows.mean(axis=0)).astype(np.float64) @ axes.T
    report = judge(known, names, rows)
    final = fit(rows, names, known.sources)
    weight = (final.weight @ axes).astype(np.float32)
    card = FamilyCard(
        version=hashlib.sha256(weight.tobytes()).hexdigest()[:8],
        encoder_sha256=CLIP_VISUAL_INT8.sha256,
        layers=FRAME_LAYERS,
        classes=final.classes,
        sure=SURE,
        bar=BAR,
        families=tuple(one.family for one in report.reached),
        measured_on=f"{len(set(known.clips))} clips, native and degraded; scenes, generators and publishers left out",
    )
    centre = known.rows.mean(axis=0) + (final.centre @ axes).astype(np.float32)
    return FamilyHead(weight, centre.astype(np.float32), final.offset.astype(np.float32), card), report


def judge(known: Examples, names: Strings, rows: Float64) -> FamilyReport:
    """Everything measured, from ``rows`` [n, d] that stand for those of the examples."""
    classes = tuple(sorted(set(names)))
    scenes = left_out(rows, names, known.sources, classes, _folds(known))
    strangers = left_out(rows, names, known.sources, classes, _each(known.sources, known.generated))
    publishers = left_out(rows, names, known.sources, classes, _each(known.sites, known.generated))
    reached = tuple(
        _reached(name, parts, known, classes, (scenes, strangers, publishers))
        for name, parts in families_of(classes).items()
    )
    own = np.isin(names, [name for name in classes if name not in (CAMERA, OTHER, *LINEAGES)])
    told = np.array(classes)[scenes.argmax(axis=1)] == names
    again = own & np.isin(names, [r.family.name for r in reached if r.publishers > 1])
    told_elsewhere = np.array(classes)[publishers.argmax(axis=1)] == names
    sure = np.zeros((2, len(known)), bool)
    for name, parts in families_of(classes).items():
        if name in LINEAGES:  # a stranger may belong to one
            continue
        for kind, shares in enumerate((scenes, strangers)):
            sure[kind] |= _share(shares, classes, parts) >= SURE
    return FamilyReport(
        reached=reached,
        accuracy=(_mean(told[own & known.native]), _mean(told[own & ~known.native])),
        chance=1 / max(len(set(names[own])), 1),
        elsewhere=_mean(told_elsewhere[again]),
        elsewhere_looks=int(again.sum()),
        named_left_out=_mean(sure[1][known.generated]),
        named_camera=_mean(sure[0][~known.generated & ~known.drawn]),
        named_drawn=_mean(sure[0][known.drawn]),
    )


def left_out(
    rows: Float64, names: Strings, sources: Strings, classes: Sequence[str], tests: Iterator[Bools]
) -> Float64:
    """Probabilities [n, C] of looks by a head that was fitted without them, for each of the ``tests`` [n] in turn.

    Zero where nothing was tested, and for a class that had nothing left to learn from.
    """
    shares = np.zeros((len(rows), len(classes)))
    for test in tests:
        model = fit(rows[~test], names[~test], sources[~test])
        columns = np.array([classes.index(name) for name in model.classes])
        shares[np.flatnonzero(test)[:, None], columns] = model.probabilities(rows[test])
    return shares


def _folds(known: Examples) -> Iterator[Bools]:
    assigned = folds(known.scenes, known.generated, 0)
    return (assigned == fold for fold in range(FOLDS))


def _each(groups: Strings, wanted: Bools) -> Iterator[Bools]:
    return ((groups == name) & wanted for name in sorted(set(groups[wanted])))


def _mean(hits: Bools) -> float:
    return float(hits.mean()) if len(hits) else float("nan")


def _share(shares: Float64, classes: Sequence[str], parts: Sequence[str]) -> Float64:
    found: Float64 = shares[:, [classes.index(part) for part in parts]].sum(axis=1)
    return found


def _reached(
    name: str,
    parts: Sequence[str],
    known: Examples,
    classes: Sequence[str],
    judged: tuple[Float64, Float64, Float64],
) -> Reached:
    shares = [_share(found, classes, parts) for found in judged]
    scenes, strangers, publishers = (share >= SURE for share in shares)
    mine = known.generated & np.isin(known.sources, members_of(name))
    looks_of_scene = {scene: int((known.scenes == scene).sum()) for scene in set(known.scenes)}
    part_of_scene = np.array([1 / looks_of_scene[str(scene)] for scene in known.scenes])

    def count(named: Bools) -> float:
        return float(part_of_scene[named].sum())

    several = len(set(known.sites[mine])) > 1
    right = mine & (publishers if several else scenes)
    generated, others = known.generated & ~mine, ~known.generated
    wrong = (count(generated & scenes), count(generated & strangers))
    precision = _precision(count(right), sum(wrong), len(set(known.scenes[right])))
    against = [] if several else ["one publisher"]
    if precision is None or precision.low < BAR:
        against.append("precision" if right.any() else "never sure")
    return Reached(
        family=Family(name=name, classes=tuple(parts), precision=precision, why_not=", ".join(against) or None),
        clips=len(set(known.clips[mine])),
        scenes=len(set(known.scenes[mine])),
        publishers=len(set(known.sites[mine])),
        shown=_mean(right[mine]),
        right=count(right),
        of_known=wrong[0],
        of_left_out=wrong[1],
        not_generated=_mean(scenes[others]),
        areas=(
            _area(shares[0], mine, known.generated),
            _area(shares[2], mine, known.generated) if several else float("nan"),
        ),
    )


def _area(shares: Float64, mine: Bools, among: Bools) -> float:
    if mine[among].all() or not mine[among].any():
        return float("nan")
    return float(roc_auc_score(mine[among], shares[among]))


def _precision(right: float, wrong: float, scenes: int) -> Precision | None:
    """The share that was right with its exact binomial interval, each scene one witness; None if nothing was named."""
    right, wrong = round(right, 6), round(wrong, 6)
    if right + wrong == 0:
        return None
    low = float(beta.ppf(0.025, right, wrong + 1)) if right > 0 else 0.0
    high = float(beta.ppf(0.975, right + 1, wrong)) if wrong > 0 else 1.0
    return Precision(share=right / (right + wrong), low=low, high=high, scenes=scenes)
