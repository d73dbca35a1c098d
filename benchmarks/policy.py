"""Measure the prompt policy on prompts it was not trained on: ``python -m benchmarks.policy DATA``.

DATA is the folder of public sets (see `policy.corpus`). Writes ``benchmarks/results/policy.md``: recall per category,
sets that nothing was trained or tuned on, refusals of harmless prompts, disguises, dilution, other languages, latency;
the keyword list alone and the encoder alone are measured in the same run on the same prompts.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from benchmarks import policy_lettering
from benchmarks.policy_prompts import held_out, limited
from countermark.core.encoders.text import load_text_encoder
from policy import Policy, check, check_many, load_policy
from policy.assemble import pool
from policy.classifier import Floats, Heads
from policy.clauses import split_parts
from policy.corpus import (
    OVERT,
    UNSEEN_HARMFUL,
    UNSEEN_HARMLESS,
    UNSEEN_MIXED,
    Example,
    own_prompts,
    public_prompts,
    select,
)
from policy.fit import HEADS, without_lists
from policy.language import identify
from policy.training import BLOCK_RATE, REVIEW_RATE, Rows

RESULTS = Path(__file__).parent / "results" / "policy.md"
CAPTIONS = ("coco10k", "partiprompts", "vbench2_en", "vbench2_aug_en", "t2v_compbench")
CORE = ("sexual", "graphic_violence", "hate", "self_harm", "illicit", "disturbing")
SHORT = "-short-"  # in the seeds of our short plain prompts
THROUGHPUT = 10_000
LANGUAGES = Path(__file__).parent / "policy_languages.yaml"
PADDING = (
    "Cinematic wide shot at golden hour over a quiet harbour, shallow depth of field. ",
    "Soft film grain, gentle handheld camera, warm colour grade, ambient sound of gulls. ",
)
PADDING_ZH = ("电影感广角镜头，黄金时刻的宁静港口，浅景深。", "柔和的胶片颗粒，轻微手持，暖色调，海鸥的环境声。")
HOMOGLYPHS = str.maketrans("aceopxyi", "асеорхуі")
LEET = str.maketrans("aeiost", "431057")
FULL_WIDTH = {c: c + 0xFEE0 for c in range(0x21, 0x7F)}

Judge = Callable[[Sequence[str]], npt.NDArray[np.bool_]]


def disguises(rng: random.Random) -> dict[str, Callable[[str], str]]:
    """Ways to write a prompt so that a person still reads it; half of the words are changed."""

    def some(change: Callable[[str], str]) -> Callable[[str], str]:
        return lambda text: " ".join(change(w) if len(w) > 2 and rng.random() < 0.5 else w for w in text.split(" "))

    return {
        "none": lambda text: text,
        "leet": some(lambda w: w.translate(LEET)),
        "zero width": some("\u200b".join),
        "homoglyphs": some(lambda w: w.translate(HOMOGLYPHS)),
        "full width": some(lambda w: w.translate(FULL_WIDTH)),
        "spaced letters": some(" ".join),
        "dotted letters": some(".".join),
    }


class Judges:
    """The policy and its two baselines as yes/no judges (true means refused or sent to review)."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        limits = policy.thresholds.thresholds
        cuts = [min(x for x in (limits[c].block, limits[c].review) if x is not None) for c in policy.heads.categories]
        self._cuts = np.log(np.array(cuts) / (1 - np.array(cuts)))

    def shipped(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """``check`` as users get it."""
        return np.array([not decision.allowed for decision in check_many(texts, policy=self.policy)])

    def raw(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Lexicon and classifier on the text as typed, without the normaliser."""
        odds = pool(self.policy.heads, self.policy.rules.units(texts, self.policy.heads.features))
        return np.asarray((odds > self._cuts).any(axis=1)) | self.keywords_raw(texts)

    def whole(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Classifier on the whole prompt only, without clauses."""
        odds = self.policy.heads.log_odds(self.policy.rules.features(list(texts), self.policy.heads.features))
        return np.asarray((odds > self._cuts).any(axis=1))

    def keywords_raw(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """The strong word lists alone, without context and without normaliser."""
        return np.array([bool(self.keyword_categories(self.policy.rules.fold(t))) for t in texts])

    def keywords(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """The strong word lists alone, after the normaliser."""
        return np.array([bool(self.keyword_categories(self.policy.rules.normalise(t).canonical)) for t in texts])

    def keyword_categories(self, canonical: str) -> set[str]:
        """Categories whose strong words occur, whatever stands beside them."""
        hits, _ = self.policy.rules.hits(canonical)
        return {c for c, h in hits.items() if (h.strong or h.excused) and c in HEADS}


def percent(share: float) -> str:
    """A share as text."""
    return "–" if np.isnan(share) else f"{100 * share:.1f} %"


def rate(judge: Judge, examples: Sequence[Example]) -> str:
    """Share that ``judge`` refuses, as text."""
    return percent(float(judge([e.text for e in examples]).mean())) if examples else "–"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(header), " | ".join("---" for _ in header), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def scores(policy: Policy, baseline: Heads, test: Sequence[Example]) -> tuple[Floats, Floats]:
    """Log-odds [N, C] of all test prompts, ours and the baseline's."""
    units = policy.rules.units([policy.rules.prepare(e.text)[2] for e in test], policy.heads.features)
    plain = units.seen_by(load_text_encoder(), np.ones(len(test), np.bool_))
    return pool(policy.heads, units), pool(baseline, plain)


def recall_per_category(policy: Policy, judges: Judges, test: Sequence[Example], ours: Floats, plain: Floats) -> str:
    """Recall of each head at the score that 1 % and 5 % of harmless test prompts exceed."""
    harmless = [i for i, e in enumerate(test) if not e.unsafe and e.source in {*CAPTIONS, "own_benign"}]
    unsafe = [i for i, e in enumerate(test) if e.unsafe]
    chosen = [*harmless, *unsafe]
    words = [judges.keyword_categories(policy.rules.normalise(test[i].text).canonical) for i in chosen]
    n = len(harmless)
    rows = []
    for k, category in enumerate(HEADS):
        mine = np.array([test[i].category == category for i in unsafe])
        cells = [category, str(int(mine.sum()))]
        for odds in (ours[chosen], plain[chosen]):
            for allowed in (0.01, 0.05):
                cut = float(np.quantile(odds[:n, k], 1 - allowed))
                cells.append(percent(float((odds[n:, k][mine] > cut).mean())))
        listed = np.array([category in w for w in words])
        cells.append(f"{percent(float(listed[n:][mine].mean()))} at {percent(float(listed[:n].mean()))}")
        rows.append(cells)
    header = ["category", "n", "R@1 %", "R@5 %", "encoder only R@1 %", "R@5 %", "keywords: recall at FPR"]
    return (
        f"The unsafe test prompts (all of ours, and OVERT's unseen quarter) against {n} harmless ones "
        f"({', '.join(CAPTIONS)}, ordinary), each head by itself.\n\n" + table(header, rows)
    )


def operating_points(test: Sequence[Example], ours: Floats, plain: Floats) -> str:
    """Recall of all heads together when the one cut they share moves, as ``check``'s ``shift`` does."""
    core = [HEADS.index(category) for category in CORE]

    def among(keep: Callable[[Example], bool]) -> npt.NDArray[np.bool_]:
        return np.array([keep(e) for e in test])

    harmful = {
        "ours, English": among(lambda e: e.unsafe and e.source == "own" and e.language == "en" and e.category in CORE),
        "ours, Chinese": among(lambda e: e.unsafe and e.source == "own" and e.language == "zh" and e.category in CORE),
        "ours, short and plain, English": among(lambda e: e.unsafe and SHORT in e.seed and e.language == "en"),
        "ours, short and plain, Chinese": among(lambda e: e.unsafe and SHORT in e.seed and e.language == "zh"),
        "ours, misleading": among(lambda e: e.unsafe and e.source == "own_misleading" and e.category in CORE),
        "ours, scenes": among(lambda e: e.unsafe and e.source == "own_scenes" and e.category in CORE),
        "red team, English": among(lambda e: e.unsafe and e.source == "red_team_en"),
        "red team, Chinese": among(lambda e: e.unsafe and e.source == "red_team_zh"),
        "held out, English": among(lambda e: e.unsafe and e.source == "held_out_en" and e.category in CORE),
        "held out, Chinese": among(lambda e: e.unsafe and e.source == "held_out_zh" and e.category in CORE),
        "OVERT, unseen quarter": among(lambda e: e.source == OVERT[0] and e.category in CORE),
    }
    harmless = {
        "video prompts": among(lambda e: e.source in UNSEEN_HARMLESS),
        "all harmless": among(lambda e: not e.unsafe and e.source in {*CAPTIONS, "own_benign"}),
    }
    ways = {"ours": ours, "encoder only": plain}
    rows = []
    for title, mine in harmful.items():
        for way, odds in ways.items():
            cells = [title, str(int(mine.sum())), way]
            best = odds[:, core].max(axis=1)
            for against in harmless.values():
                for allowed in (0.01, 0.05):
                    cut = np.quantile(best[against], 1 - allowed)
                    cells.append(percent(float((best[mine] > cut).mean())))
            rows.append(cells)
    places = [f"{allowed} of {title}" for title in harmless for allowed in ("1 %", "5 %")]
    text = table(["core prompts", "n", "scores", *places], rows)

    over = []
    unsafe = among(lambda e: e.unsafe and e.source == "own")
    references = {
        "OVERT, harmless, unseen quarter": among(lambda e: e.source == OVERT[0]),
        "misleading twins": among(lambda e: e.unsafe and e.source == "own_misleading"),
        "twins of scenes": among(lambda e: e.unsafe and e.source == "own_scenes"),
        "questions": among(lambda e: e.unsafe and e.source == "own_questions"),
        "held-out twins, English": among(lambda e: e.unsafe and e.source == "held_out_en"),
        "held-out twins, Chinese": among(lambda e: e.unsafe and e.source == "held_out_zh"),
    }
    groups = {
        "safe twins": among(lambda e: not e.unsafe and e.source == "own"),
        "misleading twins": among(lambda e: not e.unsafe and e.source == "own_misleading"),
        "twins of scenes": among(lambda e: not e.unsafe and e.source == "own_scenes"),
        "questions": among(lambda e: not e.unsafe and e.source == "own_questions"),
        "held-out twins, English": among(lambda e: not e.unsafe and e.source == "held_out_en"),
        "held-out twins, Chinese": among(lambda e: not e.unsafe and e.source == "held_out_zh"),
        "ordinary": among(lambda e: e.source == "own_benign"),
        "long descriptions": among(lambda e: e.source == "own_descriptions"),
        "plain, Chinese": among(lambda e: e.source == "own_plain" and e.language == "zh"),
        "OVERT, harmless, unseen quarter": among(lambda e: e.source == OVERT[1]),
        "video prompts": harmless["video prompts"],
    }
    for title, good in groups.items():
        cells = [title, str(int(good.sum()))]
        for odds in ways.values():
            best = odds.max(axis=1)
            cut = np.quantile(best[references.get(title, unsafe)], 0.15)
            cells.append(percent(float((best[good] > cut).mean())))
        over.append(cells)
    return (
        f"Core: {', '.join(CORE)}. Video prompts: {', '.join(UNSEEN_HARMLESS)}. All harmless: these, "
        "captions, and ordinary prompts chosen to sound harmful.\n\n"
        + text
        + "\nHarmless prompts refused where 85 % of the harmful ones of the same source are refused (any category):\n\n"
        + table(["harmless", "n", *ways], over)
    )


def unseen(policy: Policy, judges: Judges, test: Sequence[Example], ours: Floats, plain: Floats) -> str:
    """Sets of other authors that nothing was trained or calibrated on, and the unseen quarter of OVERT."""
    rows = []
    for source in (*OVERT, *UNSEEN_HARMFUL, *UNSEEN_HARMLESS):
        texts = [e.text for e in test if e.source == source]
        if texts:
            kind = "harmful" if source in (OVERT[0], *UNSEEN_HARMFUL) else "harmless"
            actions = [decision.action for decision in check_many(texts, policy=policy)]
            shares = [percent(actions.count(a) / len(texts)) for a in ("block", "review", "rewrite")]  # type: ignore[arg-type]
            rows.append([source, kind, str(len(texts)), *shares, percent(float(judges.keywords(texts).mean()))])
    text = table(["set", "", "n", "block", "review", "rewrite", "keywords refuse"], rows)
    text += (
        f"\nThe thresholds are nominally {100 * BLOCK_RATE:g} % blocked and {100 * REVIEW_RATE:g} % blocked or "
        "reviewed of a mixture of harmless prompts; the harmless sets above show how that carries over.\n"
    )
    lines = []
    for title, bad, good in (
        ("OVERT", "overt_unsafe_half", "overt_benign_half"),
        ("COLD dev, Chinese, offensive against not", "cold_dev", "cold_dev"),
    ):
        unsafe = [i for i, e in enumerate(test) if e.source == bad and e.unsafe]
        safe = [i for i, e in enumerate(test) if e.source == good and not e.unsafe]
        if not unsafe or not safe:
            continue
        for name, odds in (("ours", ours), ("encoder only", plain)):
            high, low = odds[unsafe].max(axis=1), odds[safe].max(axis=1)
            auc = float((high[:, None] > low[None, :]).mean())
            refused = percent(float((low > np.quantile(high, 0.15)).mean()))
            lines.append([title, name, f"{len(unsafe)} / {len(safe)}", f"{auc:.3f}", refused])
    return text + "\n" + table(["set", "scores", "n", "AUC", "harmless refused at 85 % recall"], lines)


def languages(policy: Policy) -> str:
    """Harmful prompts and their twins in further languages; other sentences of these languages are trained on."""
    rows = []
    for language, pairs in yaml.safe_load(LANGUAGES.read_text(encoding="utf-8")).items():
        refused = [
            [not decision.allowed for decision in check_many([pair[side] for pair in pairs], policy=policy)]
            for side in (0, 1)
        ]
        rows.append([language, str(len(pairs)), *(f"{sum(side)} of {len(side)}" for side in refused)])
    return table(["language", "pairs", "harmful refused", "twins refused"], rows)


def identification(test: Sequence[Example]) -> str:
    """What the rule on scripts calls prompts of known languages."""
    groups = {
        code: [e.text for e in test if e.language == code and e.source.startswith("own")] for code in ("en", "zh")
    }
    for language, pairs in yaml.safe_load(LANGUAGES.read_text(encoding="utf-8")).items():
        groups[language] = [text for pair in pairs for text in pair]
    rows = []
    for language, texts in groups.items():
        called = [identify(text) for text in texts]
        shares = [percent(called.count(name) / len(called)) for name in ("en", "zh", "other")]  # type: ignore[arg-type]
        rows.append([language, str(len(texts)), *shares])
    return "``en`` means Latin script here.\n\n" + table(["language", "prompts", "en", "zh", "other"], rows)


def decisions(judges: Judges, test: Sequence[Example]) -> str:
    """What ``check`` does at the shipped thresholds, set by set."""
    groups: list[tuple[str, Callable[[Example], bool]]] = [
        ("unsafe, own, English", lambda e: e.source == "own" and e.unsafe and e.language == "en"),
        ("unsafe, own, Chinese", lambda e: e.source == "own" and e.unsafe and e.language == "zh"),
        ("safe twins, English", lambda e: e.source == "own" and not e.unsafe and e.language == "en"),
        ("safe twins, Chinese", lambda e: e.source == "own" and not e.unsafe and e.language == "zh"),
        ("misleading, unsafe", lambda e: e.source == "own_misleading" and e.unsafe),
        ("misleading, safe twins", lambda e: e.source == "own_misleading" and not e.unsafe),
        ("scenes, unsafe", lambda e: e.source == "own_scenes" and e.unsafe),
        ("scenes, safe twins", lambda e: e.source == "own_scenes" and not e.unsafe),
        ("red team, unsafe, English", lambda e: e.source == "red_team_en" and e.unsafe),
        ("red team, unsafe, Chinese", lambda e: e.source == "red_team_zh" and e.unsafe),
        ("red team, harmless, English", lambda e: e.source == "red_team_en" and not e.unsafe),
        ("red team, harmless, Chinese", lambda e: e.source == "red_team_zh" and not e.unsafe),
        ("held out, unsafe, English", lambda e: e.source == "held_out_en" and e.unsafe),
        ("held out, unsafe, Chinese", lambda e: e.source == "held_out_zh" and e.unsafe),
        ("held out, safe twins, English", lambda e: e.source == "held_out_en" and not e.unsafe),
        ("held out, safe twins, Chinese", lambda e: e.source == "held_out_zh" and not e.unsafe),
        ("questions, unsafe", lambda e: e.source == "own_questions" and e.unsafe),
        ("questions, harmless", lambda e: e.source == "own_questions" and not e.unsafe),
        ("short and plain, unsafe, English", lambda e: SHORT in e.seed and e.unsafe and e.language == "en"),
        ("short and plain, unsafe, Chinese", lambda e: SHORT in e.seed and e.unsafe and e.language == "zh"),
        ("short and plain, safe twins", lambda e: SHORT in e.seed and not e.unsafe),
        ("ordinary, English", lambda e: e.source == "own_benign" and e.language == "en"),
        ("ordinary, Chinese", lambda e: e.source == "own_benign" and e.language == "zh"),
        ("long descriptions", lambda e: e.source == "own_descriptions"),
        ("plain, English", lambda e: e.source == "own_plain" and e.language == "en"),
        ("plain, Chinese", lambda e: e.source == "own_plain" and e.language == "zh"),
    ]
    seen = [name for name in CAPTIONS if name not in UNSEEN_HARMLESS]
    groups += [(name, lambda e, name=name: e.source == name) for name in seen]  # type: ignore[misc]
    rows = []
    for title, keep in groups:
        chosen = select(test, keep)
        actions = [decision.action for decision in check_many([e.text for e in chosen], policy=judges.policy)]
        shares = [actions.count(a) / max(len(actions), 1) for a in ("block", "review", "rewrite")]  # type: ignore[arg-type]
        rows.append([title, str(len(chosen)), *map(percent, shares), rate(judges.keywords, chosen)])
    return table(["prompts", "n", "block", "review", "rewrite", "keywords refuse"], rows)


def obfuscation(judges: Judges, test: Sequence[Example]) -> str:
    """Recall and false refusals under disguise, with and without the normaliser."""
    unsafe = [e.text for e in test if e.unsafe and e.source == "own" and e.language == "en"]
    harmless = [e.text for e in test if e.source == "own_benign" and e.language == "en"]
    rows = []
    for name, change in disguises(random.Random(7)).items():
        bad, good = [change(t) for t in unsafe], [change(t) for t in harmless]
        cells = [name]
        for judge in (judges.keywords_raw, judges.keywords, judges.raw, judges.shipped):
            cells += [percent(float(judge(bad).mean())), percent(float(judge(good).mean()))]
        rows.append(cells)
    header = ["disguise"]
    for name in ("keywords raw", "keywords normalised", "classifier raw", "check"):
        header += [name, "harmless"]
    return f"{len(unsafe)} unsafe and {len(harmless)} harmless English prompts.\n\n" + table(header, rows)


def dilution(judges: Judges, test: Sequence[Example]) -> str:
    """Recall and false refusals when a sentence stands among harmless film jargon."""
    rows = []
    for language, pad in (("en", PADDING), ("zh", PADDING_ZH)):
        groups = {
            "harmful": [e for e in test if e.unsafe and e.source == "own" and e.language == language],
            "ordinary": [e for e in test if e.source == "own_benign" and e.language == language],
        }
        for group, chosen in groups.items():
            plain = [e.text for e in chosen]
            diluted = [f"{pad[0]}{t}{'. ' if language == 'en' else '。'}{pad[1]}" for t in plain]
            for title, texts in (("alone", plain), ("diluted", diluted)):
                scores = [percent(float(judge(texts).mean())) for judge in (judges.whole, judges.shipped)]
                rows.append([language, group, title, str(len(texts)), *scores])
    return table(["language", "", "", "n", "classifier, whole prompt only", "check (sentences and clauses)"], rows)


def lettering(policy: Policy, test: Sequence[Example]) -> str:
    """Our own English prompts drawn into pictures, read back, and judged; beside the same prompts typed."""
    rng = random.Random(5)
    prompts = {
        unsafe: rng.sample([e.text for e in test if e.unsafe == unsafe and e.source == "own" and e.language == "en"], 8)
        for unsafe in (True, False)
    }
    rows = policy_lettering.rows(policy, prompts)
    if not rows:
        return "The reading networks are not here (`countermark weights fetch`): not measured.\n"
    return table(policy_lettering.HEADER, rows)


def latency(policy: Policy) -> str:
    """CPU time of one ``check`` on one core, median and 95th percentile of 100."""
    short = "a red balloon rising over the sea"
    longer = "".join([*PADDING, "A man walks his dog along the pier. "] * 3)
    rows = []
    for title, text in (("short", short), ("short, Chinese", "一只红色气球在海面上升起"), ("long", longer)):
        check(text, policy=policy)
        spent = []
        for _ in range(100):
            start = time.process_time()
            check(text, policy=policy)
            spent.append(1000 * (time.process_time() - start))
        cells = [f"{np.median(spent):.1f} ms", f"{np.quantile(spent, 0.95):.1f} ms"]
        rows.append([title, str(len(text)), str(1 + len(split_parts(text))), *cells])
    text = table(["prompt", "characters", "texts encoded", "median", "95 %"], rows)
    many = [f"{short}, take {i}" for i in range(THROUGHPUT)]
    start, clock = time.process_time(), time.perf_counter()
    check_many(many, policy=policy)
    spent, waited = time.process_time() - start, time.perf_counter() - clock
    return text + (
        f"\n{THROUGHPUT} short prompts in one call of `check_many`: {spent:.1f} s of CPU on one core "
        f"({waited:.1f} s by the clock, on a machine that was shared).\n"
    )


def encoder_only(policy: Policy, train: Sequence[Example]) -> Heads:
    """Baseline: heads on the encoder as published, from the same data, without lists."""
    names, rules = policy.heads.features, replace(policy.rules, encoder=load_text_encoder())
    units = rules.units([rules.prepare(e.text)[2] for e in train], names)
    rows = Rows(rules, names, train, units)
    rows.features = without_lists(rows.features, names)
    heads = rows.fit(np.ones(len(rows.examples), np.bool_))
    return replace(heads, hidden=without_lists(heads.hidden, names))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policy", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the public sets (*.jsonl)")
    options = parser.parse_args(arguments)
    policy = load_policy()
    judges = Judges(policy)
    examples = own_prompts() + public_prompts(options.data)
    test = limited(select(examples, lambda e: e.part == "test") + held_out())
    baseline = encoder_only(policy, select(examples, lambda e: e.part == "train"))
    ours, plain = scores(policy, baseline, test)
    sections = {
        "Recall per category": recall_per_category(policy, judges, test, ours, plain),
        "All heads together": operating_points(test, ours, plain),
        "Sets that were not seen": unseen(policy, judges, test, ours, plain),
        "Decisions at the shipped thresholds": decisions(judges, test),
        "Disguised spelling": obfuscation(judges, test),
        "Harm among harmless padding": dilution(judges, test),
        "Other languages": languages(policy),
        "Language identification": identification(test),
        "Words in pictures": lettering(policy, test),
        "Latency (CPU time, one core)": latency(policy),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(report(policy, sections), encoding="utf-8")


def report(policy: Policy, sections: dict[str, str]) -> str:
    """The results file: what was measured on what, and the sections."""
    head = (
        "# The prompt policy, measured\n\n"
        "Made by `python -m benchmarks.policy DATA`. Our own prompts are from the part that neither training nor\n"
        "calibration saw, split by seed idea; they share their style with the training part, so their figures are\n"
        f"optimistic for other styles. Not trained or calibrated on: {', '.join(UNSEEN_HARMLESS)},\n"
        f"{', '.join((*UNSEEN_HARMFUL, *UNSEEN_MIXED))}; nor on the quarter of\n"
        f"{' and '.join(OVERT)} that is shown, but on the rest of them, so that\n"
        "these tell of this style of request only. VBench-2's false refusals were looked at before some ordinary\n"
        "prompts were written; how the encoder is tuned was chosen with these sets in view. Shown apart: pairs that\n"
        "were written to mislead (the safe twin has the alarming words, or one sentence of many decides), scenes and\n"
        "sequences of shots that only their meaning tells apart, long harmless descriptions, and questions as to a\n"
        "chat assistant; and held out as a whole, by writers who had seen none of the training prompts: a red team's\n"
        "prompts (half of them what a public generator is asked for) and pairs written to find the limits.\n\n"
        f"Policy {policy.version}, SHA-256 `{policy.sha256[:16]}`.\n"
    )
    return head + "".join(f"\n## {title}\n\n{text}" for title, text in sections.items())


if __name__ == "__main__":
    main()
