"""Labelled looks as arrays, fair weights for them, and their division into folds that keep publishers together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from countermark.core.errors import UsageError
from detector.training.data import DRAWN, KINDS, PAIRED, Item, Look, Looks, losses_of
from detector.training.degrade import LOSSES, RENDITIONS

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.str_]

Features = Callable[[Look], Float32 | None]
"""Feature rows [n, D] of a look, or None where the head cannot speak."""

DONE = (*RENDITIONS, *LOSSES)
"""Names of what may have been done to a clip before a look."""
FOLDS = 5
DRAWN_SHARE = 0.2
"""Weight of what was drawn by rule among everything not generated. More of it costs hits; less accuses drawings."""
PAIRED_SHARE = 0.15
"""Weight of reconstructed camera frames among everything generated."""


@dataclass(frozen=True)
class Digest:
    """What is kept of the looks at one clip: feature rows by head and kind of look; by kind, the detail left and the
    names of what had been done to it (``DONE``).
    """

    item: Item
    rows: Mapping[str, Sequence[Float32 | None]]
    detail: Sequence[float]
    losses: Sequence[frozenset[str]] = ()


@dataclass(frozen=True)
class Table:
    """N clips: for each and each of the K ``KINDS`` its feature rows (or None), and what it is, arrays [N].

    ``detail`` float64 [N, K] is NaN where there is no look, ``losses`` bool [N, K, len(DONE)] what had been done
    before it. Reconstructions of real clips (``paired``) are only learned from, never measured.
    """

    rows: list[list[Float32 | None]]
    generated: Bools
    drawn: Bools
    paired: Bools
    sources: Strings
    sites: Strings
    facts: Float64
    detail: Float64
    losses: Bools

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, chosen: Bools) -> Table:
        """The clips where ``chosen`` [N] is true."""
        rows = [clip for clip, wanted in zip(self.rows, chosen, strict=True) if wanted]
        names = ("generated", "drawn", "paired", "sources", "sites", "facts", "detail", "losses")
        return replace(self, rows=rows, **{name: getattr(self, name)[chosen] for name in names})


def digest(looked: Iterable[tuple[Item, Looks]], features: Mapping[str, Features]) -> list[Digest]:
    """The looks at all clips, one after another, as feature rows of all heads."""
    found = []
    for item, looks in looked:
        rows = {name: [of(looks[kind]) if kind in looks else None for kind in KINDS] for name, of in features.items()}
        detail = [looks[kind].detail if kind in looks else np.nan for kind in KINDS]
        losses = [losses_of(item, kind, looks[kind]) if kind in looks else frozenset[str]() for kind in KINDS]
        found.append(Digest(item, rows, detail, losses))
    return found


def tabulate(digests: Sequence[Digest], head: str) -> Table:
    """The clips that answer the question, for one head.

    Raises ``UsageError`` if one class has fewer sources than there are folds.
    """
    kept = [d for d in digests if d.item.generated is not None]
    items = [d.item for d in kept]
    table = Table(
        rows=[list(d.rows[head]) for d in kept],
        generated=np.array([bool(item.generated) for item in items]),
        drawn=np.array([item.label == DRAWN for item in items]),
        paired=np.array([item.label == PAIRED for item in items]),
        sources=np.array([item.source for item in items]),
        sites=np.array([item.site for item in items]),
        facts=np.array([item.facts for item in items], np.float64),
        detail=np.array([d.detail for d in kept], np.float64),
        losses=np.array([_had(d) for d in kept]),
    )
    for kind in (True, False):
        if len(set(table.sources[(table.generated == kind) & ~table.paired])) < FOLDS:
            raise UsageError(
                f"There are fewer than {FOLDS} sources of {'generated' if kind else 'real'} clips.",
                remedy="Add clips of further sources: a head that saw few cannot be judged.",
            )
    return table


def _had(digest: Digest) -> list[list[bool]]:
    losses = digest.losses or [frozenset[str]()] * len(KINDS)
    return [[name in had for name in DONE] for had in losses]


def fair_weights(table: Table) -> Float64:
    """Weights [N] of clips: both classes alike; within one, a source of n clips counts as the square root of n.

    What was drawn by rule has ``DRAWN_SHARE`` and what was reconstructed ``PAIRED_SHARE`` of the class it stands in.
    """
    weights = np.zeros(len(table))
    generated, special = table.generated, table.drawn | table.paired
    drawn_share = DRAWN_SHARE if table.drawn.any() else 0.0
    paired_share = PAIRED_SHARE if table.paired.any() else 0.0
    shares = (
        (generated & ~special, 1 - paired_share),
        (table.paired, paired_share),
        (~generated & ~special, 1 - drawn_share),
        (table.drawn, drawn_share),
    )
    for kind, share in shares:
        for source in set(table.sources[kind]):
            members = (table.sources == source) & kind
            weights[members] = members.sum() ** -0.5
        weights[kind] *= share / max(weights[kind].sum(), 1e-12)
    return weights * len(weights) / 2


def folds(groups: Strings, generated: Bools, seed: int) -> npt.NDArray[np.int64]:
    """A fold number [N] for every clip, the same for all clips of a group; each fold gets some of both classes."""
    rng = np.random.default_rng(seed)
    of: dict[str, int] = {}
    for kind in (True, False):
        filled = np.zeros(FOLDS)
        names = [str(name) for name in rng.permutation(sorted(set(groups[generated == kind])))]
        for name in sorted(names, key=lambda n: -np.sum(groups == n) * rng.uniform(0.5, 1.0)):
            fold = of.setdefault(name, int(np.argmin(filled)))
            filled[fold] += np.sum(groups == name)
    return np.array([of[str(name)] for name in groups])
