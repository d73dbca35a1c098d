"""How well the reader of the bundled model understands prompts in other people's words.

    python -m benchmarks.generator_words

`benchmarks/paraphrases.jsonl` holds 80 English and 80 Chinese prompts that name a subject, a colour, a motion and a
scene. They were written from the list of concepts alone, by someone who did not know which words the reader has, and
none of its words was added after they were looked at. The table goes to `benchmarks/results/generator_words.md`. What
is read is what is asked of the networks; how well they draw it is measured by `benchmarks.generator`. Run from the
repository's root.
"""

from __future__ import annotations

import json
from pathlib import Path

from generator.dit.text import understand
from generator.world.vocabulary import KINDS

HERE = Path(__file__).resolve().parent
PROMPTS, RESULTS = HERE / "paraphrases.jsonl", HERE / "results" / "generator_words.md"
LANGUAGES = {"en": "English", "zh": "Chinese"}


def main() -> None:
    prompts = [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
    rows = []
    for language, name in LANGUAGES.items():
        asked = [prompt for prompt in prompts if prompt["lang"] == language]
        right = []
        for prompt in asked:
            understood = understand(prompt["text"], seed=0)
            told = {kind: understood.concepts[kind] for kind in KINDS if kind not in understood.chosen}
            right.append([told.get(kind) == prompt[kind] for kind in KINDS])
        counts = [sum(each) for each in zip(*right, strict=True)]
        rows.append((f"{name} ({len(asked)})", *(f"{n} of {len(asked)}" for n in (*counts, sum(map(all, right))))))
    head = ("prompts", *KINDS, "all four")
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    text = (
        "# Prompts in other people's words, read\n\nMade by `python -m benchmarks.generator_words`: what the prompt "
        "names and the reader found,\nby the words that it knows or the nearest of what it has.\n\n"
        + "\n".join(lines)
        + "\n"
    )
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
