"""Is the watermark in the initial noise of the bundled model found again, never another, and at no cost to the picture?

``python -m benchmarks.generator_noise`` writes ``benchmarks/results/generator_noise.md``. Videos are generated and
sealed as a user has them, with the watermark in the pixels too, and looked at again after what platforms do to them;
and the same requests are drawn once more, unsealed, with the noise of the key and with that of their seeds.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import kstest

from benchmarks.generator import judged, prompt_for
from benchmarks.generator_clips import FRAMES, sampled, signal
from benchmarks.generator_fidelity import Looks, frechet, looks
from countermark.core.media import Limits, transcode
from countermark.core.settings import Settings
from generator import GenerationRequest, Studio
from generator.backends import BUNDLED, FAST
from generator.backends.bundled import BundledModel
from generator.dit.networks import load_networks
from generator.dit.noise import Draw, NoiseName, keyed, seeded
from generator.model import RGB
from generator.noise_mark import FALSE_POSITIVE_RATE, scores, whitened, z_score
from generator.world.clips import ClipSpec, random_spec, render
from generator.world.vocabulary import KINDS
from provenance.registry import open_registry
from provenance.watermark import WatermarkKey, load_or_create_key

RESULTS = Path(__file__).parent / "results" / "generator_noise.md"
OTHERS = 99  # noises of other videos that each copy is compared with
REGISTERED = (1, 1000)  # how many noises a registry may know: the more, the higher the threshold
LATENTS = (7, 24, 16, 16)  # of a clip of 25 frames and 256x256

Attack = Callable[[Path, Path], None]


def recoded(crf: int, size: tuple[int, int] | None = None) -> Attack:
    """H.264 at a rate factor, perhaps at another size; metadata is lost."""
    return lambda source, target: transcode(source, target, crf=crf, size=size)


def kept(source: Path, target: Path) -> None:
    """The file as it is."""
    shutil.copyfile(source, target)


ATTACKS: dict[str, Attack] = {
    "none: the sealed file": kept,
    "H.264 CRF 18": recoded(18),
    "H.264 CRF 23": recoded(23),
    "H.264 CRF 30": recoded(30),
    "H.264 CRF 40": recoded(40),
    "half size, H.264 CRF 23": recoded(23, (128, 128)),
    "480x480, H.264 CRF 23": recoded(23, (480, 480)),
}


@dataclass(frozen=True)
class Sealed:
    """A video that was generated for ``spec`` by ``request``, sealed at ``path``, and the name of its ``noise``."""

    spec: ClipSpec
    request: GenerationRequest
    path: Path
    noise: str


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=16, help="of each model")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found: list[str] = []
    quality: list[str] = []
    spent: list[float] = []
    values: list[Draw] = []
    chance: list[float] = []
    for model in (BUNDLED, FAST):
        with TemporaryDirectory() as place:
            folder = Path(place)
            settings = Settings(home=folder / "home", noise_watermark=True)
            sealed = _videos(model, args.clips, folder, settings)
            key = load_or_create_key(settings.keys_dir, settings.issuer)
            drawn = [_drawn(model, each, key) for each in sealed]
            right = [_score(frames, key, each.noise) for frames, each in zip(drawn, sealed, strict=True)]
            found.append(_row(model, "none: the frames, before seal and codec", right))
            for name, attack in ATTACKS.items():
                right = []
                for number, each in enumerate(sealed):
                    copy = folder / "copy.mp4"
                    attack(each.path, copy)
                    others = [f"{number:08x}{other:08x}{each.noise[16:]}" for other in range(OTHERS)]
                    begin = process_time()
                    fits = scores(copy, [each.noise, *others], (key,), Limits.from_settings(settings))
                    spent.append(process_time() - begin)
                    right.append(fits.pop(each.noise))
                    chance.extend(fits.values())
                found.append(_row(model, name, right))
                print(found[-1], flush=True)
            quality += _quality(model, sealed, drawn)
            print(*quality, sep="\n", flush=True)
            values += [keyed(key, NoiseName.parse(each.noise).name) for each in sealed]
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
                *found,
                "",
                f"{len(chance):,} scores of other noises: standard deviation {np.std(chance):.3f}, highest"
                f" {max(chance):.2f}; a normal variable exceeds that in {_expected(chance):.1f} of so many on average."
                f" {np.mean(spent):.1f} s of CPU time for one video and {1 + OTHERS:,} noises.",
                "",
                "## Does the mark change the picture?",
                "",
                "The same prompts with noise of the key, of their seeds, and of other seeds, which is how much chance"
                " does; as drawn. Read back by the networks as in `generator.md`; Fréchet distance of three frames a"
                " clip to renders of the same combinations. Those drawn anew have other places and sceneries, and say"
                f" what distance {3 * args.clips} pictures have that differ in nothing else.",
                "",
                f"| model | noise | {' | '.join(KINDS)} | all four | Fréchet distance |",
                "|---|---|" + "---|" * (len(KINDS) + 2),
                *quality,
                "",
                "Kolmogorov-Smirnov test of the noise itself against the standard normal:",
                "",
                "| noise | numbers | mean | variance | distance | p |",
                "|---|---|---|---|---|---|",
                _normality("of the key", values),
                _normality("of seeds", [seeded(seed) for seed in range(len(values))]),
            ]
        )
        + "\n",
        encoding="utf-8",
    )


def _videos(model: str, count: int, folder: Path, settings: Settings) -> list[Sealed]:
    rng = np.random.default_rng(0)
    studio, sealed = Studio(model, settings=settings), []
    for number in range(count):
        spec = random_spec(rng, held_out=False)
        request = GenerationRequest(prompt=prompt_for(spec, "en", rng), seed=number)
        video = studio.generate(request, folder / f"{number}.mp4")
        with open_registry(settings) as registry:
            entry = registry.find_video(video.video_id)
        assert entry is not None
        assert entry.noise is not None
        sealed.append(Sealed(spec, video.request, video.path, entry.noise))
    return sealed


def _drawn(model: str, video: Sealed, key: WatermarkKey | None, *, later: int = 0) -> RGB:
    """The frames of a video once more, as they were before they were sealed; without ``key`` from the noise of its
    seed, or of a ``later`` one.
    """
    request = video.request.model_copy(update={"seed": video.request.seed + later})
    drawing = BundledModel(fast=model == FAST, noise_key=key)
    assert key is None or drawing.noise_mark(request) == video.noise
    return sampled(request, model=drawing)


def _score(frames: RGB, key: WatermarkKey, noise: str) -> float:
    seen = whitened(load_networks(), signal(frames))
    return z_score(seen, keyed(key, NoiseName.parse(noise).name)(seen.shape))


def _row(model: str, attack: str, right: Sequence[float]) -> str:
    shares = [np.mean(np.array(right) > -ndtri(FALSE_POSITIVE_RATE / count)) for count in REGISTERED]
    cells = " | ".join(f"{share:.2f}" for share in shares)
    return f"| {model} | {attack} | {np.mean(right):.1f} | {min(right):.1f} | {cells} |"


def _quality(model: str, sealed: Sequence[Sealed], marked: Sequence[RGB]) -> Iterator[str]:
    """What is read back, and how far the looks are from those of renders, with each kind of noise."""
    specs = [each.spec for each in sealed]
    clips = {
        "of the key": marked,
        "of the seed": [_drawn(model, each, None) for each in sealed],
        "of another seed": [_drawn(model, each, None, later=len(sealed)) for each in sealed],
    }
    known = looks([render(spec, frames=FRAMES).frames for spec in specs])
    for name, made in clips.items():
        yield _quality_row(model, name, made, specs, known)
    if model == FAST:  # once
        anew = [render(replace(spec, seed=spec.seed ^ 1), frames=FRAMES).frames for spec in specs]
        yield _quality_row("renders", "drawn anew", anew, specs, known)


def _quality_row(model: str, noise: str, clips: Sequence[RGB], specs: Sequence[ClipSpec], known: Looks) -> str:
    read = " | ".join(f"{share:.2f}" for share in judged(clips, specs).values())
    return f"| {model} | {noise} | {read} | {frechet(looks(clips), known):.2f} |"


def _normality(name: str, draws: Sequence[Draw]) -> str:
    numbers = np.concatenate([draw(LATENTS).numpy().ravel() for draw in draws]).astype(np.float64)
    test = kstest(numbers, "norm")
    return (
        f"| {name} | {numbers.size:,} | {numbers.mean():.5f} | {numbers.var():.5f} | {test.statistic:.5f}"
        f" | {test.pvalue:.2f} |"
    )


def _expected(scores: list[float]) -> float:
    """How many of so many standard normal values exceed the highest of ``scores``."""
    return len(scores) * float(torch.special.ndtr(torch.tensor(-max(scores), dtype=torch.float64)))


if __name__ == "__main__":
    main()
