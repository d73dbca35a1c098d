"""A policy in memory: its files read, checked against each other, indexed, and bound to the text encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt

from countermark.core.encoders.text import TextEncoder, UniversalSentenceEncoder, load_text_encoder
from countermark.core.errors import ConfigurationError
from countermark.core.settings import get_settings
from policy.classifier import Floats, Heads, embed, feature_names, heads_from_bytes, list_features
from policy.clauses import split_parts
from policy.gazetteer import Entity, Gazetteers, rewrite
from policy.lexicon import Contexts, Lexicon, LexiconHits
from policy.minors import MinorsRule
from policy.normalise import Normalised, canonicalise, normalise
from policy.schema import (
    BUNDLED,
    Category,
    ContextsFile,
    Folder,
    GazetteerFile,
    LexiconFile,
    MinorsFile,
    NormalisationRules,
    PolicyFile,
    ThresholdsFile,
)


@dataclass(frozen=True)
class Units:
    """Prompts and their parts as rows: ``features`` [R, F], the ``owner`` prompt, the ``penalty`` and the ``text`` of
    each row.
    """

    features: Floats
    owner: npt.NDArray[np.int64]
    penalty: Floats
    text: tuple[str, ...]

    def seen_by(self, encoder: TextEncoder, prompts: npt.NDArray[np.bool_]) -> Units:
        """Those of some ``prompts`` [N], as another encoder embeds them; they are counted anew."""
        rows = np.flatnonzero(prompts[self.owner])
        text = tuple(self.text[i] for i in rows.tolist())
        embedding = embed(encoder, text)
        features = np.concatenate([embedding, self.features[rows, embedding.shape[1] :]], axis=1)
        owner = (np.cumsum(prompts) - 1)[self.owner[rows]]
        return Units(features, owner, self.penalty[rows], text)


@dataclass(frozen=True)
class Judgement:
    """What the heads say of one prompt: ``odds`` (log-odds) per category, and the ``part`` of it that scored highest,
    None for the whole.
    """

    odds: dict[str, float]
    part: dict[str, str | None]


def pool(heads: Heads, units: Units) -> Floats:
    """Log-odds [N, C] of N prompts: the maximum over the whole and its parts.

    A part is read without its surroundings, so it has to be more certain: by the policy's ``part_penalty``, and by the
    logarithm of the number of parts, since the highest of many scores is high by chance alone.
    """
    odds = heads.log_odds(units.features) - units.penalty[:, None]
    out = np.full((int(units.owner[-1]) + 1, len(heads.categories)), -np.inf, np.float32)
    np.maximum.at(out, units.owner, odds)
    return out


@dataclass(frozen=True)
class Rules:
    """Everything of a policy that is not learned."""

    file: PolicyFile
    normalisation: NormalisationRules
    lexicons: tuple[Lexicon, ...]
    contexts: Contexts
    gazetteers: Gazetteers
    minors: MinorsRule
    encoder: UniversalSentenceEncoder

    @cached_property
    def categories(self) -> dict[str, Category]:
        """The taxonomy by id."""
        return {category.id: category for category in self.file.categories}

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every word of every list."""
        lists = (self.gazetteers.words, self.minors.words, *(lexicon.words for lexicon in self.lexicons))
        return frozenset().union(*lists)

    def normalise(self, prompt: str) -> Normalised:
        """Bring a prompt to plain spelling, with this policy's tables and words."""
        return normalise(
            prompt,
            self.normalisation,
            is_term=self.vocabulary.__contains__,
            is_word=self.encoder.knows_word,
        )

    def prepare(self, prompt: str) -> tuple[Normalised, list[Entity], str]:
        """The prompt in plain spelling, the names in it, and the text with names made generic.

        The classifier reads the last of these, in training and in use, so that a name alone is never held against
        its owner.
        """
        normalised = self.normalise(prompt)
        entities = self.gazetteers.find(normalised)
        return normalised, entities, rewrite(normalised.text, entities)

    def hits(self, canonical: str) -> tuple[dict[str, LexiconHits], frozenset[str]]:
        """Lexicon matches by category, and the harmless frames named."""
        frames = self.contexts.find(canonical)
        return {lexicon.category: lexicon.find(canonical, frames) for lexicon in self.lexicons}, frames

    def features(self, texts: Sequence[str], names: tuple[str, ...]) -> Floats:
        """Features [N, F] of prepared texts, as the heads read them; ``names`` are the columns beside the embedding."""
        lists = np.stack([list_features(*self.hits(self.fold(text)), names) for text in texts])
        return np.concatenate([embed(self.encoder, texts), lists], axis=1)

    def units(self, texts: Sequence[str], names: tuple[str, ...]) -> Units:
        """Whole prompts and their parts, ready for the heads."""
        flat: list[str] = []
        owner: list[int] = []
        penalty: list[float] = []
        for i, text in enumerate(texts):
            parts = split_parts(text)
            flat += [text, *parts]
            owner += [i] * (1 + len(parts))
            penalty += [0.0] + [self.file.part_penalty + math.log(1 + len(parts))] * len(parts)
        return Units(self.features(flat, names), np.array(owner), np.array(penalty, np.float32), tuple(flat))

    def fold(self, text: str) -> str:
        """The folded form of a text that is already normalised."""
        return canonicalise(text, self.normalisation.han_variants)[0]


@dataclass(frozen=True)
class Policy:
    """A complete policy: rules, trained heads and their thresholds. ``sha256`` covers every file that was read."""

    rules: Rules
    heads: Heads
    thresholds: ThresholdsFile
    sha256: str

    @property
    def version(self) -> str:
        """The version its author gave it."""
        return self.rules.file.version

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """What the heads say of prepared texts; many at once cost less than one by one."""
        if not texts:
            return []
        units = self.rules.units(texts, self.heads.features)
        odds = self.heads.log_odds(units.features) - units.penalty[:, None]
        starts = np.flatnonzero(np.diff(units.owner, prepend=-1)).tolist()
        out = []
        for start, stop in pairwise([*starts, len(odds)]):
            best = odds[start:stop].argmax(axis=0) + start
            scores = {
                c: float(odds[row, k]) for k, (c, row) in enumerate(zip(self.heads.categories, best, strict=True))
            }
            parts = {c: None if row == start else units.text[row] for c, row in zip(scores, best.tolist(), strict=True)}
            out.append(Judgement(scores, parts))
        return out


def load_rules(folder: Folder, encoder: UniversalSentenceEncoder | None = None) -> Rules:
    """Read and index everything but the heads, with an ``encoder`` in place of the policy's if one is given.

    Raises `ConfigurationError` or `WeightsError`.
    """
    file = folder.read(folder.policy_path.name, PolicyFile)
    normalisation = folder.read(file.files.normalisation, NormalisationRules)
    variants = normalisation.han_variants
    lexicons = tuple(Lexicon(folder.read(name, LexiconFile), variants) for name in file.files.lexicons)
    gazetteer_files = [folder.read(name, GazetteerFile) for name in file.files.gazetteers]
    contexts = folder.read(file.files.contexts, ContextsFile)
    ids = {category.id for category in file.categories}
    for lexicon in lexicons:
        if lexicon.category not in ids:
            raise _contradiction(f"a lexicon is for the unknown category {lexicon.category!r}")
    for gazetteer in gazetteer_files:
        if gazetteer.kind not in file.entities:
            raise _contradiction(f"a gazetteer is of the unknown kind {gazetteer.kind!r}")
    if encoder is None:
        encoder, tuned = load_text_encoder(), file.files.encoder
        encoder = encoder if tuned is None else encoder.tuned(folder.read_bytes(tuned))
    return Rules(
        file=file,
        normalisation=normalisation,
        lexicons=lexicons,
        contexts=Contexts(contexts, variants),
        gazetteers=Gazetteers(gazetteer_files, file.entities, variants),
        minors=MinorsRule(folder.read(file.files.minors, MinorsFile), variants),
        encoder=encoder,
    )


def read_policy(path: Path) -> tuple[Policy, Folder]:
    """Read the policy at ``path`` afresh; raises as `load_policy`."""
    folder = Folder(path)
    rules = load_rules(folder)
    thresholds = folder.read(rules.file.files.thresholds, ThresholdsFile)
    heads = heads_from_bytes(folder.read_bytes(rules.file.files.heads), thresholds.heads_sha256)
    known = set(feature_names(rules.lexicons, rules.contexts))
    if heads.encoder != rules.encoder.name or heads.encoder != thresholds.encoder:
        raise _contradiction(
            f"heads trained on {heads.encoder}, encoder is {rules.encoder.name}; `files` names both, heads and encoder"
        )
    if not set(heads.features) <= known:
        raise _contradiction(f"the heads need lists that are missing: {', '.join(sorted(set(heads.features) - known))}")
    for category in (*heads.categories, *thresholds.thresholds):
        if category not in rules.categories or category not in thresholds.thresholds:
            raise _contradiction(f"category {category!r} lacks a threshold or a place in the taxonomy")
    return Policy(rules, heads, thresholds, folder.sha256), folder


_Signature = tuple[tuple[int, int], ...]
_loaded: dict[Path, tuple[Policy, list[Path], _Signature]] = {}
_loading = Lock()


def _signature(paths: Sequence[Path]) -> _Signature:
    stats = [path.stat() for path in paths]
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)


def load_policy(path: Path | None = None) -> Policy:
    """The policy at ``path`` (default: the setting ``policy_file``, else the bundled policy).

    It is read once per process, and again as soon as one of its files has changed: a running service follows its
    policy. Raises `ConfigurationError` when a file is missing, malformed or contradicts another, and `WeightsError`
    when the encoder or the heads are not what they should be. There is no fallback to an earlier or a lesser policy.
    """
    chosen = (path or get_settings().policy_file or BUNDLED / "policy.yaml").resolve()
    with _loading:
        if kept := _loaded.get(chosen):
            policy, paths, signature = kept
            try:
                if _signature(paths) == signature:
                    return policy
            except OSError:  # a file is gone: reading says which
                pass
            del _loaded[chosen]
        policy, folder = read_policy(chosen)
        try:
            _loaded[chosen] = (policy, folder.paths, _signature(folder.paths))
        except OSError as error:
            raise _contradiction(f"{error.filename} vanished while it was read") from error
        return policy


def _contradiction(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The policy's files contradict each other: {what}.",
        remedy="Repair the files, or unset COUNTERMARK_POLICY_FILE to use the bundled policy.",
    )
