"""Train the heads: ``python -m policy.training DATA [--output FOLDER]``.

DATA is the folder of public sets (see `policy.corpus`); our own prompts come with the package. Writes
``heads.safetensors``, ``thresholds.yaml`` and ``MODEL_CARD.md``. One head per category: weighted logistic regression
on the features of `policy.classifier`. Thresholds are quantiles of the pooled out-of-fold scores of harmless prompts.
The part marked "test" is touched by neither; ``python -m benchmarks.policy`` measures on it.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from countermark.core.errors import ConfigurationError
from policy.assemble import Units, load_rules, pool
from policy.classifier import Floats, Heads, feature_names, sigmoid
from policy.corpus import Example, own_prompts, public_prompts, select
from policy.schema import BUNDLED, Folder

HEADS = (
    "sexual",
    "suggestive",
    "graphic_violence",
    "hate",
    "self_harm",
    "illicit",
    "dangerous_acts",
    "political_deception",
    "private_likeness",
    "intellectual_property",
    "privacy",
    "fraud",
    "disturbing",
)
# Categories that shade into each other: an example of one is no counterexample for the other.
_NEIGHBOURS = (
    {"sexual", "suggestive"},
    {"graphic_violence", "disturbing", "self_harm"},
    {"illicit", "dangerous_acts", "fraud"},
    {"privacy", "private_likeness", "fraud"},
    {"political_deception", "fraud", "hate"},
    {"intellectual_property", "fraud"},
)
SEED = 20261122
C = 0.006  # inverse strength of the L2 penalty
WEIGHTS = {"own": 3.0, "own_benign": 2.0, "overt": 1.0, "chat": 0.3, "caption": 0.3}
OTHER_CATEGORY = 0.5  # weight of an unsafe prompt as counterexample for another category
POSITIVE_SHARE = 0.4  # share of the total weight given to each category's positives
FOLDS = 4
ORDINARY_WEIGHT = 10.0  # of our ordinary prompts among the harmless ones that set the thresholds
BLOCK_RATE = 0.003  # share of harmless prompts that each head may refuse
REVIEW_RATE = 0.005
STRICT_RATE = 0.01  # for the categories that are a matter of audience, in place of review
NAMED_RATE = 0.02  # beside a real person's name
LEAST = {"block": 0.5, "review": 0.4, "strict": 0.4, "with_real_person": 0.3}  # no decision on a score below these
AUDIENCE = ("suggestive", "disturbing")
FLOOR_RATE = 0.3  # a strong word decides unless the score is below that of this share of harmless prompts


def source_weight(example: Example) -> float:
    """How much one example counts: own prompts most, captions and chat requests (a different style) least."""
    if example.source.startswith("overt"):
        return WEIGHTS["overt"]
    if example.source in WEIGHTS:
        return WEIGHTS[example.source]
    return WEIGHTS["chat" if example.unsafe else "caption"]


def targets(examples: Sequence[Example], category: str) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Labels and weights of one head: its own unsafe prompts against harmless ones and, lighter, other categories."""
    near = set().union(*(group for group in _NEIGHBOURS if category in group))
    positive = np.array([e.unsafe and e.category == category for e in examples])
    weight = np.array([source_weight(e) for e in examples], np.float32)
    for i, e in enumerate(examples):
        if e.unsafe and not positive[i]:
            weight[i] *= 0 if e.category in near else OTHER_CATEGORY
    scale = POSITIVE_SHARE / (1 - POSITIVE_SHARE) * weight[~positive].sum() / weight[positive].sum()
    weight[positive] *= scale
    return positive, weight


def fit(features: Floats, examples: Sequence[Example], names: tuple[str, ...], encoder: str) -> Heads:
    """Fit all heads on features [N, F]; raises `ConfigurationError` when a category has no example."""
    from sklearn.linear_model import LogisticRegression

    rows, biases = [], []
    for category in HEADS:
        positive, weight = targets(examples, category)
        if not positive.any():
            raise ConfigurationError(f"No unsafe prompt for {category}.", remedy="Add some to policy/data/prompts.")
        used = weight > 0
        model = LogisticRegression(C=C, max_iter=300, random_state=SEED)
        model.fit(features[used], positive[used], sample_weight=weight[used])
        rows.append(model.coef_[0])
        biases.append(model.intercept_[0])
    return Heads(np.array(rows, np.float32), np.array(biases, np.float32), HEADS, names, encoder)


def fold_of(example: Example) -> int:
    """The cross-validation fold of an example, by seed idea."""
    return int.from_bytes(hashlib.sha256(f"fold/{example.seed}".encode()).digest()[:4], "big") % FOLDS


def out_of_fold(units: Units, examples: Sequence[Example], names: tuple[str, ...], encoder: str) -> Floats:
    """Pooled scores [N, C] of every example by heads that saw neither it nor its seed idea."""
    whole = np.flatnonzero(units.penalty == 0)
    folds = np.array([fold_of(e) for e in examples])
    learnable = np.array([e.part == "train" for e in examples])
    scores = np.zeros((len(examples), len(HEADS)), np.float32)
    for fold in range(FOLDS):
        seen = np.flatnonzero(learnable & (folds != fold)).tolist()
        heads = fit(units.features[whole[seen]], [examples[i] for i in seen], names, encoder)
        judged = folds == fold
        scores[judged] = sigmoid(pool(heads, units))[judged]
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, calibrate, write."""
    parser = argparse.ArgumentParser(prog="python -m policy.training", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the public sets (*.jsonl)")
    parser.add_argument("--output", type=Path, default=BUNDLED, help="folder to write to")
    options = parser.parse_args(arguments)

    rules = load_rules(Folder(BUNDLED / "policy.yaml"))
    names, encoder = feature_names(rules.lexicons, rules.contexts), rules.encoder.name
    examples = own_prompts() + public_prompts(options.data, rules.encoder)
    examples = select(examples, lambda e: e.part != "test")
    units = rules.units([rules.prepare(e.text)[2] for e in examples], names)
    whole = np.flatnonzero(units.penalty == 0)
    train = [i for i, e in enumerate(examples) if e.part == "train"]
    heads = fit(units.features[whole[train]], [examples[i] for i in train], names, encoder)
    scores = out_of_fold(units, examples, names, encoder)

    data = heads.to_bytes({"seed": str(SEED), "command": "python -m policy.training DATA"})
    (options.output / "heads.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    thresholds = calibrate(scores, examples)
    header = "# Written by python -m policy.training: scores that the stated shares of harmless prompts exceed.\n"
    content = {"heads_sha256": digest, "encoder": encoder, "thresholds": thresholds}
    (options.output / "thresholds.yaml").write_text(header + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    summary = out_of_fold_summary(scores, examples, thresholds)
    card = model_card([examples[i] for i in train], summary, digest)
    (options.output / "MODEL_CARD.md").write_text(card, encoding="utf-8")


def calibrate(scores: Floats, examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Thresholds per category from the out-of-fold scores [N, C]; ordinary users' prompts weigh most.

    Quantiles alone would refuse on next to nothing where harmless prompts rarely come near a category.
    """
    harmless = np.array([not e.unsafe for e in examples])
    weight = np.array([ORDINARY_WEIGHT if e.source == "own_benign" else 1.0 for e in examples])[harmless]
    out: dict[str, dict[str, float]] = {}
    for k, category in enumerate(HEADS):
        middle = ("strict", STRICT_RATE) if category in AUDIENCE else ("review", REVIEW_RATE)
        rates = {"block": BLOCK_RATE, middle[0]: middle[1], "with_real_person": NAMED_RATE}
        rates["lexicon_floor"] = 1 - FLOOR_RATE
        cuts = {name: weighted_quantile(scores[harmless, k], weight, 1 - rate) for name, rate in rates.items()}
        out[category] = {name: round(max(cut, LEAST.get(name, 0.0)), 4) for name, cut in cuts.items()}
    return out


def out_of_fold_summary(
    scores: Floats, examples: Sequence[Example], thresholds: dict[str, dict[str, float]]
) -> dict[tuple[str, str], tuple[int, float, float]]:
    """Per source and label: prompts, share blocked and share blocked or reviewed by the heads alone."""
    block = np.array([thresholds[c]["block"] for c in HEADS])
    review = np.array([thresholds[c].get("review", 1.0) for c in HEADS])
    blocked = np.asarray((scores >= block).any(axis=1))
    flagged = np.asarray((scores >= np.minimum(block, review)).any(axis=1))
    groups: dict[tuple[str, str], list[int]] = {}
    for i, e in enumerate(examples):
        groups.setdefault((e.source, "unsafe" if e.unsafe else "safe"), []).append(i)
    return {g: (len(r), float(blocked[r].mean()), float(flagged[r].mean())) for g, r in sorted(groups.items())}


def weighted_quantile(values: Floats, weight: npt.NDArray[np.float64], share: float) -> float:
    """The smallest value at or below which ``share`` of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][min(int(np.searchsorted(below, share)), len(values) - 1)])


def model_card(train: Sequence[Example], summary: dict[tuple[str, str], tuple[int, float, float]], digest: str) -> str:
    """What the heads are, from what and how they were made."""
    counts = Counter((e.source, "unsafe" if e.unsafe else "safe") for e in train)
    rows = "\n".join(f"| {source} | {label} | {n} |" for (source, label), n in sorted(counts.items()))
    per_head = Counter(e.category for e in train if e.unsafe)
    heads = "\n".join(f"| {c} | {per_head[c]} |" for c in HEADS)
    folds = "\n".join(
        f"| {s} | {b} | {n} | {100 * x:.1f} % | {100 * y:.1f} % |" for (s, b), (n, x, y) in summary.items()
    )
    return f"""# Prompt classifier heads

{len(HEADS)} logistic regressions, one per category, over a frozen multilingual sentence embedding and the counts of
listed words (`policy/classifier.py`). Languages: English and Chinese; others only as far as the encoder carries them.

* Made by: `python -m policy.training DATA`, seed {SEED}, L2 penalty C = {C}. Deterministic.
* File: `heads.safetensors`, SHA-256 `{digest}`.
* Encoder: multilingual Universal Sentence Encoder 3 (Yang et al. 2020), frozen, not part of this file.
* Intended use: to decide, with the rules beside it, whether a prompt for a video generator is refused, reviewed,
  rewritten or allowed. Not a judge of people, of chat messages or of finished videos.
* Thresholds: quantiles of the out-of-fold scores of harmless prompts, ordinary ones weighted {ORDINARY_WEIGHT:g}-fold.
* Figures on the test part, which was used for nothing here: `benchmarks/results/policy.md`.

Public sets (OVERT, AILuminate demo, HarmBench, StrongREJECT, COCO captions, PartiPrompts, VBench-2) were used for
training and are not part of the repository; our own prompts are, in `policy/data/prompts`.

| training source | label | prompts |
|---|---|---|
{rows}

| head | unsafe training prompts |
|---|---|
{heads}

Out-of-fold (each prompt judged by heads that saw neither it nor its seed idea), heads alone, shipped thresholds:

| source | label | prompts | blocked | blocked or reviewed |
|---|---|---|---|---|
{folds}

Limits: words and clauses are judged, not images; metaphor and meaning that only appears in motion pass. Sarcasm and
counter-speech are hard for the encoder. Chinese training prompts are few and all our own.
"""


if __name__ == "__main__":
    main()
