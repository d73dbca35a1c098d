"""Do the tasks of the bundled model keep what is given, join it without a seam, and obey physics?

``python -m benchmarks.generator_tasks`` runs every task with seeds 0 to 7, writes its figures to
``benchmarks/results/generator_tasks.md`` and a contact sheet of each to ``docs/images``: a row a seed, in order, not
chosen. Nothing of what is sampled here stays but the sheets.
"""

from __future__ import annotations

import argparse
import json
import resource
from pathlib import Path

from benchmarks import generator_tasks_given as given
from benchmarks import generator_tasks_words as words
from benchmarks.generator_sheets import SEEDS

RESULTS = Path(__file__).parent / "results" / "generator_tasks.md"
ROWS = RESULTS.with_suffix(".json")
TASKS = (
    words.gallery,
    words.text,
    words.stills,
    words.camera,
    words.light,
    words.pairs,
    words.triples,
    words.cuts,
    words.physics,
    given.image,
    given.extend,
    given.blend,
    words.loop,
    given.edit,
    given.relit,
    given.inpaint,
    given.outpaint,
    words.sizes,
    words.enlarged,
    words.storyboard,
    words.minute,
)


def main() -> None:
    """Run the tasks, write the table and the sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[task.__name__ for task in TASKS], help="the other rows are kept")
    args = parser.parse_args()
    rows: dict[str, list[str]] = json.loads(ROWS.read_text("utf-8")) if args.only and ROWS.exists() else {}
    for task in TASKS:
        if args.only is None or task.__name__ in args.only:
            rows[task.__name__] = list(task())
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(*rows[task.__name__], f"peak memory so far {memory:.2f} GB", sep="\n", flush=True)
    ROWS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Generator: what the tasks keep",
        "",
        f"`python -m benchmarks.generator_tasks`: seeds 0 to {len(SEEDS) - 1}, 20 steps, guidance 1.4. Given clips are"
        " renders of held-out combinations, those that are extended and blended as files in H.264, CRF 10. What a clip"
        " shows is read by the judge, and where by the locator.",
        "",
        "| task | what | measured |",
        "|---|---|---|",
        *(row for task in TASKS for row in rows.get(task.__name__, [])),
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
