"""Is the watermark in the initial noise of the bundled model found again, and never another?

``python -m benchmarks.generator_noise`` writes ``benchmarks/results/generator_noise.md``. Videos are generated and
sealed as a user has them, with the watermark in the pixels too, and looked at again after what platforms do to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np
import torch
from scipy.special import ndtri

from benchmarks.generator import prompt_for
from countermark.core.media import Limits, transcode
from countermark.core.settings import Settings
from generator import GenerationRequest, Studio
from generator.backends import BUNDLED, FAST
from generator.noise_mark import FALSE_POSITIVE_RATE, scores
from generator.world.clips import random_spec
from provenance.registry import open_registry
from provenance.watermark import load_or_create_key

RESULTS = Path(__file__).parent / "results" / "generator_noise.md"
OTHERS = 99  # noises of other videos that each copy is compared with
REGISTERED = (1, 1000)  # how many noises a registry may know: the more, the higher the threshold

Attack = Callable[[Path, Path], None]


def recoded(crf: int, size: tuple[int, int] | None = None) -> Attack:
    """H.264 at a rate factor, perhaps at another size; metadata is lost."""
    return lambda source, target: transcode(source, target, crf=crf, size=size)


ATTACKS: dict[str, Attack] = {
    "H.264 CRF 18": recoded(18),
    "H.264 CRF 23": recoded(23),
    "H.264 CRF 30": recoded(30),
    "H.264 CRF 40": recoded(40),
    "half size, H.264 CRF 23": recoded(23, (128, 128)),
    "480x480, H.264 CRF 23": recoded(23, (480, 480)),
}


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=16, help="of each model")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, spent = [], []
    chance: list[float] = []
    for model in (BUNDLED, FAST):
        with TemporaryDirectory() as place:
            folder = Path(place)
            settings = Settings(home=folder / "home", noise_watermark=True)
            sealed = _videos(model, args.clips, folder, settings)
            keys = (load_or_create_key(settings.keys_dir, settings.issuer),)
            for name, attack in ATTACKS.items():
                right: list[float] = []
                for number, (path, value) in enumerate(sealed):
                    copy = folder / "copy.mp4"
                    attack(path, copy)
                    others = [f"{number:08x}{other:08x}{value[16:]}" for other in range(OTHERS)]
                    begin = process_time()
                    found = scores(copy, [value, *others], keys, Limits.from_settings(settings))
                    spent.append(process_time() - begin)
                    right.append(found.pop(value))
                    chance.extend(found.values())
                shares = [np.mean(np.array(right) > -ndtri(FALSE_POSITIVE_RATE / count)) for count in REGISTERED]
                cells = " | ".join(f"{share:.2f}" for share in shares)
                rows.append(f"| {model} | {name} | {np.mean(right):.1f} | {min(right):.1f} | {cells} |")
                print(rows[-1], flush=True)
    RESULTS.write_text(
        "\n".join(
            [
                "# Generator: is the noise found again?",
                "",
                f"`python -m benchmarks.generator_noise --clips {args.clips}`: {args.clips} videos of each model,"
                " sealed. A score is standard normal where a video was not drawn from the noise; found is what is"
                f" beyond chance at {FALSE_POSITIVE_RATE:.0e} over all noises that the registry knows.",
                "",
                "| model | attack | mean score | least | found among 1 | found among 1,000 |",
                "|---|---|---|---|---|---|",
                *rows,
                "",
                f"{len(chance):,} scores of other noises: standard deviation {np.std(chance):.3f}, highest"
                f" {max(chance):.2f}; a normal variable exceeds that in {_expected(chance):.1f} of so many on average."
                f" {np.mean(spent):.1f} s of CPU time for one video and {1 + OTHERS:,} noises.",
            ]
        )
        + "\n",
        encoding="utf-8",
    )


def _videos(model: str, count: int, folder: Path, settings: Settings) -> list[tuple[Path, str]]:
    """Sealed videos and the noise of each."""
    rng = np.random.default_rng(0)
    studio, sealed = Studio(model, settings=settings), []
    for number in range(count):
        prompt = prompt_for(random_spec(rng, held_out=False), "en", rng)
        request = GenerationRequest(prompt=prompt, seed=number)
        video = studio.generate(request, folder / f"{number}.mp4")
        with open_registry(settings) as registry:
            entry = registry.find_video(video.video_id)
        assert entry is not None
        assert entry.noise is not None
        sealed.append((video.path, entry.noise))
    return sealed


def _expected(scores: list[float]) -> float:
    """How many of so many standard normal values exceed the highest of ``scores``."""
    return len(scores) * float(torch.special.ndtr(torch.tensor(-max(scores), dtype=torch.float64)))


if __name__ == "__main__":
    main()
