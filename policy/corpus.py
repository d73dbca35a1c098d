"""Labelled prompts for training and measuring, and the split between the two.

Two sources: public sets in a folder given by the caller (never part of this repository), and our own prompts in
``policy/data/prompts``. The split is by seed idea: an unsafe prompt, its safe twin, their translations and every
prompt close to one of them share a ``seed`` and always fall on the same side.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from countermark.core.encoders.text import TextEncoder, load_text_encoder
from countermark.core.errors import UsageError
from policy.schema import BUNDLED

Part = Literal["train", "calibration", "test"]
PROMPTS = BUNDLED / "prompts"
_NEAR = 0.85  # cosine from which two prompts count as one seed idea
_FOLDS = 20

# Public labels to our categories. A label that mixes several of ours is left out: a wrong label teaches more than none.
_LABELS = {
    "overt_unsafe_half": {
        "violence": "graphic_violence",
        "self_harm": "self_harm",
        "illegal_activities": "illicit",
        "unethical": "illicit",
        "privacy_public": "privacy",
        "privacy_individual": "privacy",
        "copyright_violations": "intellectual_property",
        "discrimination": "hate",
        "sexual_content": "sexual",
    },
    "ailuminate_demo_en": {
        "hate": "hate",
        "ip": "intellectual_property",
        "weapons": "illicit",
        "non_violent_crime": "illicit",
        "privacy": "privacy",
        "self_harm": "self_harm",
        "sexual": "sexual",
        "sex_crime": "sexual",
        "elections": "political_deception",
    },
    "harmbench_standard": {
        "illegal": "illicit",
        "cybercrime_intrusion": "illicit",
        "misinformation_disinformation": "political_deception",
        "chemical_biological": "illicit",
    },
    "strongreject": {
        "Non-violent crimes": "illicit",
        "Illegal goods and services": "illicit",
        "Disinformation and deception": "political_deception",
        "Hate, harassment and discrimination": "hate",
        "Sexual content": "sexual",
    },
}
_BENIGN = {"coco10k": 3, "partiprompts": 1}  # every n-th caption is taken: more of one kind teach nothing new
UNSEEN_HARMLESS = ("vbench2_en", "vbench2_aug_en", "t2v_compbench")
UNSEEN_HARMFUL = ("advbench", "malicious_instruct")
UNSEEN_MIXED = ("cold_dev",)
"""Sets that nothing is trained or calibrated on."""
OVERT = ("overt_unsafe_half", "overt_benign_half")
"""Harmful and harmless requests for the same motifs: a quarter of each is the test part, the rest is trained on."""
_OVERT_TEST = 5  # twentieths


_OWN_SOURCES = {
    "ordinary": "own_benign",
    "treatments": "own_benign",
    "plain": "own_plain",
    "languages": "own_languages",
}
# Twentieths of the seeds; the further languages have too few to hold some back, and are measured on others
_OWN_TEST = {"own": 5, "own_benign": 5, "own_plain": 5, "own_languages": 0}
_OWN_CALIBRATION = {"own": 0, "own_benign": 3, "own_plain": 5, "own_languages": 0}


@dataclass(frozen=True)
class Example:
    """A labelled prompt. ``category`` is set for unsafe prompts, and for safe ones that resemble a category."""

    text: str
    unsafe: bool
    category: str | None
    language: str
    source: str
    seed: str
    part: Part = "train"


class PromptRow(BaseModel):
    """One line of ``policy/data/prompts/*.jsonl``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    label: Literal[0, 1]
    category: str | None = None
    lang: Literal["en", "zh", "fr", "de", "es", "ru", "ja", "ko", "ar", "tr"]
    seed: str


def own_prompts(folder: Path = PROMPTS) -> list[Example]:
    """The prompts written for this project: unsafe ones with their safe twins, ordinary ones chosen to sound harmful,
    plain ones, and pairs in further languages, which are only trained on.
    """
    out = []
    for path in sorted(folder.glob("*.jsonl")):
        source = _OWN_SOURCES.get(path.stem, "own")
        for line in path.read_text(encoding="utf-8").splitlines():
            row = PromptRow.model_validate_json(line)
            seed = f"own/{row.seed}"
            part = _part(seed, test=_OWN_TEST[source], calibration=_OWN_CALIBRATION[source])
            out.append(Example(row.text, row.label == 1, row.category, row.lang, source, seed, part))
    return out


def public_prompts(folder: Path) -> list[Example]:
    """The public sets found in ``folder``; raises `UsageError` when none is there."""
    out: list[Example] = []
    for name in _LABELS:
        if name not in OVERT:
            out += _harmful(folder, name)
    for name, every in _BENIGN.items():
        for row in islice(_rows(folder, name), 0, None, every):
            seed = f"{name}/{row['id']}"
            part = _part(seed, test=6, calibration=6)
            out.append(Example(row["text"], False, None, row["lang"], name, seed, part))
    out += _overt(folder)
    for name in (*UNSEEN_HARMLESS, *UNSEEN_HARMFUL, *UNSEEN_MIXED):
        for row in _rows(folder, name):
            if row["label"] is not None:
                seed = f"{name}/{row['id']}"
                out.append(Example(row["text"], row["label"] == 1, None, row["lang"], name, seed, "test"))
    if not out:
        raise UsageError(f"No data set was found in {folder}.", remedy="Give the folder that holds the *.jsonl sets.")
    return out


def _harmful(folder: Path, name: str) -> list[Example]:
    """The rows of a set whose label is one of our categories."""
    out = []
    for row in _rows(folder, name):
        category = _LABELS[name].get(row["categories"][0])
        if row["label"] == 1 and category:
            out.append(Example(row["text"], True, category, row["lang"], name, f"{name}/{row['id']}"))
    return out


def _overt(folder: Path) -> list[Example]:
    """The sets of `OVERT`, near duplicates on one side of the split, whichever of the sets they come from."""
    harmful, harmless = OVERT
    out = _harmful(folder, harmful)
    for row in _rows(folder, harmless):
        out.append(Example(row["text"], False, None, row["lang"], harmless, f"{harmless}/{row['id']}"))
    if not out:
        return []
    groups = near_groups([e.text for e in out], load_text_encoder())
    seeds = [out[group].seed for group in groups]  # a group's number is the place of one of its texts
    parts = (_part(seed, test=_OVERT_TEST, calibration=0) for seed in seeds)
    return [replace(e, seed=seed, part=part) for e, seed, part in zip(out, seeds, parts, strict=True)]


def _rows(folder: Path, name: str) -> Iterable[dict[str, Any]]:
    path = folder / f"{name}.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _part(seed: str, *, test: int, calibration: int) -> Part:
    """Twentieths of the seeds, chosen by hash so that no one can choose them."""
    fold = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % _FOLDS
    if fold < test:
        return "test"
    return "calibration" if fold < test + calibration else "train"


def near_groups(texts: Sequence[str], encoder: TextEncoder, near: float = _NEAR) -> list[int]:
    """A group number per text, the index of one of its members: texts linked by a chain of pairs with cosine over
    ``near`` share one.
    """
    vectors = encoder.encode(texts)
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for start in range(0, len(texts), 512):
        rows, columns = np.nonzero(vectors[start : start + 512] @ vectors.T > near)
        for i, j in zip((rows + start).tolist(), columns.tolist(), strict=True):
            parent[root(i)] = root(j)
    return [root(i) for i in range(len(texts))]


def select(examples: Iterable[Example], keep: Callable[[Example], bool]) -> list[Example]:
    """The examples that ``keep`` accepts, in order."""
    return [e for e in examples if keep(e)]
