"""Tune the encoder and train the heads: ``python -m policy.training DATA [--output FOLDER]``.

DATA is the folder of public sets (see `policy.corpus`); our own prompts come with the package. Writes
``encoder.safetensors``, ``heads.safetensors``, ``thresholds.yaml`` and ``MODEL_CARD.md``. Thresholds are chosen on the
pooled out-of-fold scores, one cut for all heads that a given share of harmless prompts exceeds with any of them. The
part marked "test" is touched by neither; ``python -m benchmarks.policy`` measures on it.
"""

from __future__ import annotations

import argparse
import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from countermark.core.encoders.text import UniversalSentenceEncoder, load_text_encoder
from policy.assemble import Rules, Units, load_rules, pool
from policy.classifier import Floats, Heads, feature_names, sigmoid
from policy.corpus import UNSEEN_HARMFUL, UNSEEN_HARMLESS, UNSEEN_MIXED, Example, own_prompts, public_prompts, select
from policy.fit import ANY_HARM_SHARE, BATCH, EPOCHS, HEADS, HIDDEN, MEMBERS, SEED, WITHOUT_LISTS, fit, fit_tuned
from policy.framing import framed
from policy.schema import BUNDLED, Folder
from policy.tuning import ROUNDS

FOLDS = 2
# Shares of the harmless prompts that set the thresholds
MIXTURE = {"own_benign": 0.35, "own": 0.2, "overt_benign_half": 0.15, "caption": 0.3}
BLOCK_RATE = 0.03  # share of the mixture that the heads together refuse
REVIEW_RATE = 0.06  # ... or send to a person, or to the strict output check where that is the audience's matter
NAMED_RATE = 0.12  # beside a real person's name
LEAST = {"block": 0.4, "review": 0.3, "with_real_person": 0.2}  # no decision on a score below these
AUDIENCE = ("suggestive", "disturbing")
FLOOR_RATE = 0.3  # a strong word decides unless the score is below that of this share of harmless prompts


class Rows:
    """What the heads learn from: whole prompts, prompts of ours once more in a frame, clauses of harmless ones."""

    def __init__(self, rules: Rules, names: tuple[str, ...], examples: Sequence[Example], units: Units) -> None:
        rng = random.Random(SEED)
        ours = [e for e in examples if e.source in {"own", "own_benign"}]
        dressed = [replace(e, text=framed(e.text, e.language, rng)) for e in ours]
        more = rules.features([rules.prepare(e.text)[2] for e in dressed], names)
        harmless = np.array([not e.unsafe for e in examples])
        used = (units.penalty == 0) | harmless[units.owner]
        self.features = np.concatenate([units.features[used], more])
        self.texts = [units.text[i] for i in np.flatnonzero(used).tolist()]
        self.texts += [rules.prepare(e.text)[2] for e in dressed]
        self.examples = [examples[i] for i in units.owner[used].tolist()] + dressed
        self.part = np.concatenate([units.penalty[used] > 0, np.zeros(len(dressed), np.bool_)])
        self.names, self.encoder = names, rules.encoder

    def fit(self, keep: npt.NDArray[np.bool_]) -> Heads:
        """Heads fitted to the rows where ``keep``, on the encoder as it is."""
        chosen = [self.examples[i] for i in np.flatnonzero(keep).tolist()]
        return fit(self.features[keep], chosen, self.names, self.encoder.name, self.part[keep])

    def fit_tuned(self, keep: npt.NDArray[np.bool_]) -> tuple[UniversalSentenceEncoder, Heads]:
        """The encoder and heads tuned to the rows where ``keep``."""
        kept = np.flatnonzero(keep).tolist()
        texts, chosen = [self.texts[i] for i in kept], [self.examples[i] for i in kept]
        return fit_tuned(self.encoder, texts, self.features[keep], chosen, self.names, self.part[keep])


def fold_of(example: Example) -> int:
    """The cross-validation fold of an example, by seed idea."""
    return int.from_bytes(hashlib.sha256(f"fold/{example.seed}".encode()).digest()[:4], "big") % FOLDS


def out_of_fold(rows: Rows, units: Units, examples: Sequence[Example]) -> Floats:
    """Pooled scores [N, C] of every example by an encoder and heads that saw neither it nor its seed idea."""
    of_row = np.array([fold_of(e) for e in rows.examples])
    learnable = np.array([e.part == "train" for e in rows.examples])
    of_example = np.array([fold_of(e) for e in examples])
    scores = np.zeros((len(examples), len(HEADS)), np.float32)
    for fold in range(FOLDS):
        encoder, heads = rows.fit_tuned(learnable & (of_row != fold))
        judged = of_example == fold
        scores[judged] = sigmoid(pool(heads, units.seen_by(encoder, judged)))
    return scores


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, calibrate, write."""
    parser = argparse.ArgumentParser(prog="python -m policy.training", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the public sets (*.jsonl)")
    parser.add_argument("--output", type=Path, default=BUNDLED, help="folder to write to")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)  # what cannot be written is better known before the training

    rules = load_rules(Folder(BUNDLED / "policy.yaml"), load_text_encoder())
    names = feature_names(rules.lexicons, rules.contexts)
    examples = select(own_prompts() + public_prompts(options.data), lambda e: e.part != "test")
    units = rules.units([rules.prepare(e.text)[2] for e in examples], names)
    rows = Rows(rules, names, examples, units)
    encoder, heads = rows.fit_tuned(np.array([e.part == "train" for e in rows.examples]))
    scores = out_of_fold(rows, units, examples)

    data = heads.to_bytes({"seed": str(SEED), "command": "python -m policy.training DATA"})
    (options.output / "encoder.safetensors").write_bytes(encoder.to_bytes())
    (options.output / "heads.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    thresholds = calibrate(scores, examples)
    header = "# Written by python -m policy.training from the out-of-fold scores of harmful and harmless prompts.\n"
    content = {"heads_sha256": digest, "encoder": encoder.name, "thresholds": thresholds}
    (options.output / "thresholds.yaml").write_text(header + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    summary = out_of_fold_summary(scores, examples, thresholds)
    card = model_card(select(examples, lambda e: e.part == "train"), summary, digest, encoder.name)
    (options.output / "MODEL_CARD.md").write_text(card, encoding="utf-8")


def mixture_weights(harmless: Sequence[Example]) -> npt.NDArray[np.float64]:
    """Weights of harmless prompts by which each source has its share of `MIXTURE`; they sum to one."""
    source = [e.source if e.source in MIXTURE else "caption" for e in harmless]
    size = Counter(source)
    weight = np.array([MIXTURE[s] / size[s] for s in source])
    return np.asarray(weight / weight.sum(), np.float64)


def calibrate(scores: Floats, examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    """Thresholds per category from the out-of-fold scores [N, C].

    At each level all heads have the same: thresholds of their own, allocated for the most recall, did worse on prompts
    of other seeds than those they were chosen on.
    """
    rows = [i for i, e in enumerate(examples) if not e.unsafe]
    harmless, weight = scores[rows], mixture_weights([examples[i] for i in rows])
    highest = harmless.max(axis=1)
    cuts = {
        level: max(round(weighted_quantile(highest, weight, 1 - rate), 6), LEAST[level])
        for level, rate in (("block", BLOCK_RATE), ("review", REVIEW_RATE), ("with_real_person", NAMED_RATE))
    }
    out: dict[str, dict[str, float]] = {}
    for category, column in zip(HEADS, harmless.T, strict=True):
        middle = "strict" if category in AUDIENCE else "review"
        floor = round(weighted_quantile(column, weight, 1 - FLOOR_RATE), 6)
        out[category] = {
            "block": cuts["block"],
            middle: cuts["review"],
            "with_real_person": cuts["with_real_person"],
            "lexicon_floor": floor,
        }
    return out


def weighted_quantile(values: Floats, weight: npt.NDArray[np.float64], share: float) -> float:
    """The smallest of ``values`` [N] at or below which ``share`` of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][min(int(np.searchsorted(below, share)), len(values) - 1)])


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


def model_card(
    train: Sequence[Example], summary: dict[tuple[str, str], tuple[int, float, float]], digest: str, encoder: str
) -> str:
    """What the heads are, from what and how they were made."""
    counts = Counter((e.source, "unsafe" if e.unsafe else "safe") for e in train)
    rows = "\n".join(f"| {source} | {label} | {n} |" for (source, label), n in sorted(counts.items()))
    per_head = Counter(e.category for e in train if e.unsafe)
    heads = "\n".join(f"| {c} | {per_head[c]} |" for c in HEADS)
    folds = "\n".join(
        f"| {s} | {b} | {n} | {100 * x:.1f} % | {100 * y:.1f} % |" for (s, b), (n, x, y) in summary.items()
    )
    unseen = ", ".join((*UNSEEN_HARMLESS, *UNSEEN_HARMFUL, *UNSEEN_MIXED))
    what = {"own_benign": "ordinary prompts chosen to sound harmful", "own": "safe twins", "caption": "captions"}
    mixture = ", ".join(f"{100 * share:g} % {what.get(source, source)}" for source, share in MIXTURE.items())
    return f"""# Prompt classifier heads

The average of {MEMBERS} networks with a hidden layer of {HIDDEN} units and {len(HEADS)} outputs, one per category,
over a multilingual sentence embedding and the counts of listed words (`policy/classifier.py`, `policy/fit.py`);
{WITHOUT_LISTS} of the networks starts from the embedding alone. Heads that were fitted to the encoder as published were
then tuned together with the encoder (`policy/tuning.py`).
A further output, trained on harm of any category, makes up {100 * ANY_HARM_SHARE:g} % of every head's log-odds.
Languages: English and Chinese; others only as far as the encoder carries them.

* Made by: `python -m policy.training DATA`, seeds from {SEED}, {EPOCHS} epochs of AdamW in batches of {BATCH} on the
  encoder as published, {ROUNDS} with it.
* File: `heads.safetensors`, half precision, SHA-256 `{digest}`.
* Encoder: multilingual Universal Sentence Encoder 3 (Yang et al. 2020, Apache-2.0). Its word vectors and tokens are the
  published ones and not part of this repository; all weights after them are `encoder.safetensors`, half precision, of
  which the first digits of the SHA-256 are in its name: `{encoder}`.
* Intended use: to decide, with the rules beside it, whether a prompt for a video generator is refused, reviewed,
  rewritten or allowed. Not a judge of people, of chat messages or of finished videos.
* Thresholds: at most {100 * BLOCK_RATE:g} % of a mixture of harmless prompts is refused by any head out of fold, and at
  most {100 * REVIEW_RATE:g} % refused or sent to review. The mixture: {mixture}.
* Figures on the test part, which was used for nothing here: `benchmarks/results/policy.md`.

Public sets used for training, none of them part of the repository: AILuminate demo, HarmBench, StrongREJECT (harmful
requests), COCO captions, PartiPrompts (harmless), and three quarters of OVERT's harmful and harmless requests, near
duplicates on one side of the split. Sets that nothing was trained or calibrated on: {unseen}. VBench-2's false refusals
were looked at once before some ordinary prompts were written (none after one of its prompts), and how the encoder is
tuned (`policy/tuning.py`) was chosen with these sets in view.
Our own prompts are in `policy/data/prompts`; in training each is seen a second time in a frame of `policy/framing.py`.

| training source | label | prompts |
|---|---|---|
{rows}

| head | unsafe training prompts |
|---|---|
{heads}

Out-of-fold (each prompt judged by an encoder and heads that saw neither it nor its seed idea), heads alone, shipped
thresholds:

| source | label | prompts | blocked | blocked or reviewed |
|---|---|---|---|---|
{folds}

Limits: words and clauses are judged, not images; metaphor and meaning that only appears in motion pass. Sarcasm and
counter-speech are hard for the encoder. Training and test prompts of ours were written by the same hands.
"""


if __name__ == "__main__":
    main()
