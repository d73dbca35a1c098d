"""Train, calibrate and judge all heads: ``python -m detector.training DATA``.

Logistic regressions on clips as they are and degraded, with every source given its fair share. They are judged on what
they have not seen: clips are divided into folds by the site that published them, which keeps originals and their edits
together, and each is scored by heads trained without its site. Those scores also give the calibration (score to
log-likelihood ratio), the weighing of the heads against each other, and the thresholds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from countermark.core.errors import CountermarkError
from detector.attribution import FILE, save_families
from detector.head import WEIGHTS
from detector.training.attribution import learn
from detector.training.card import write_card
from detector.training.data import Item, cached, clips, drawings, look, pairs, read_manifest
from detector.training.figures import main_table
from detector.training.table import Digest, Features, digest
from detector.training.train import FEATURES, judge, save


def options_of(arguments: Sequence[str] | None, prog: str, about: str) -> argparse.Namespace:
    """The command line of this program and of the benchmark that repeats its measurements."""
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("data", type=Path, help="folder with manifest.csv and the clips")
    parser.add_argument("--cache", type=Path, default=Path("runs/looks"), help="what the encoder saw, to be used again")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="folder for the heads and their model card")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="clips to leave out; repeatable"
    )
    parser.add_argument(
        "--autoencoder",
        action="append",
        default=[],
        metavar="NAME",
        help="pass real clips through it as further generated ones: a folder, or MODULE:FUNCTION; repeatable",
    )
    parser.add_argument("--only-cached", action="store_true", help="use the clips looked at so far, look at no more")
    return parser.parse_args(arguments)


def wanted(options: argparse.Namespace) -> list[Item]:
    """The clips of the manifest without those to leave out."""
    excluded: Sequence[str] = options.exclude
    return [item for item in read_manifest(options.data) if not any(item.path.match(p) for p in excluded)]


def collect(options: argparse.Namespace, features: Mapping[str, Features] = FEATURES) -> list[Digest]:
    """Everything the heads learn from, as feature rows by head."""
    items = wanted(options)
    jobs = [*clips(items), *drawings(), *(pairs(items, options.autoencoder) if options.autoencoder else ())]
    if options.only_cached:
        known: list[Item] = [job.item for job in jobs]
        return digest(cached(known, options.cache), features)
    return digest(look(jobs, options.cache), features)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line; exit 0, or the error's code."""
    options = options_of(arguments, "python -m detector.training", "Train the detector's heads.")
    try:
        digests = collect(options)
        judged = judge(digests)
        save(judged, digests, options.output)
        families, told = learn(digests)
        save_families(families, options.output / FILE)
        write_card(options.output / "MODEL_CARD.md", judged, told, options.exclude, options.autoencoder)
    except CountermarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(main_table(judged.reports, judged.baselines))
    print(told.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
