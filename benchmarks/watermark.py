"""How well watermarks survive: ours and the runnable peers, side by side on the same clips.

    python -m benchmarks.watermark DATA [--quick] [--peers dwtDct,dwtDctSvd,rivaGan]

DATA is a folder of clips. Writes `benchmarks/results/watermark.md`. Three materials: drawn graphic clips of 256x256,
the clips of DATA scaled to 360 lines (all algorithms), and the clips of DATA as they are (ours only: the peers need
seconds a frame). Every clip gets a fresh key and message. Run from the repository's root.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np

from countermark.core.media import Frames, VideoReader, VideoSpec, VideoWriter, transcode
from provenance.watermark import InvisibleWatermark, SpreadSpectrum, Watermark, WatermarkKey
from provenance.watermark.grid import resize
from provenance.watermark.invisible import Method
from tests.provenance.graphic_clip import graphic_clip

RESULTS = Path(__file__).parent / "results" / "watermark.md"
Attack = Callable[[Frames, Path], Frames]


def spec(frames: Frames, crf: int) -> VideoSpec:
    return VideoSpec(frames.width, frames.height, Fraction(24), Fraction(1, 24), frames.colour, crf=crf)


def read(path: Path, limit: int | None = None) -> Frames:
    with VideoReader(path, max_frames=limit) as reader:
        parts = list(reader)
    return Frames(
        np.concatenate([part.luma for part in parts]),
        np.concatenate([part.chroma for part in parts]),
        np.arange(sum(len(part) for part in parts)),
        parts[0].colour,
    )


def coded(crf: int, codec: str = "libx264") -> Attack:
    def attack(frames: Frames, folder: Path) -> Frames:
        master, copy = folder / "master.mp4", folder / "copy.mp4"
        with VideoWriter(master, spec(frames, 18)) as writer:
            writer.write(frames)
        transcode(master, copy, crf=crf, codec=codec)  # type: ignore[arg-type]
        return read(copy)

    return attack


def resized(share: float) -> Attack:
    def attack(frames: Frames, folder: Path) -> Frames:
        master, copy = folder / "master.mp4", folder / "copy.mp4"
        with VideoWriter(master, spec(frames, 18)) as writer:
            writer.write(frames)
        size = (int(frames.width * share) // 2 * 2, int(frames.height * share) // 2 * 2)
        transcode(master, copy, crf=23, size=size)
        return read(copy)

    return attack


def bright(factor: float) -> Attack:
    def attack(frames: Frames, _: Path) -> Frames:
        rgb = np.rint(np.clip(frames.to_rgb() * factor, 0, 255)).astype(np.uint8)
        return Frames.from_rgb(rgb, pts=frames.pts, colour=frames.colour)

    return attack


def one_frame(frames: Frames, _: Path) -> Frames:
    return Frames(frames.luma[4:5], frames.chroma[4:5], frames.pts[4:5], frames.colour)


def cropped(share: float) -> Attack:
    def attack(frames: Frames, _: Path) -> Frames:
        h, w = (int(side * share) // 2 * 2 for side in frames.luma.shape[1:])
        return Frames(frames.luma[:, -h:, -w:], frames.chroma[:, :, -h // 2 :, -w // 2 :], frames.pts, frames.colour)

    return attack


ATTACKS: dict[str, Attack] = {
    "none": lambda frames, _: frames,
    "one frame alone": one_frame,
    "H.264 18, then 23": coded(23),
    "H.264 18, then 28": coded(28),
    "H.264 18, then 32": coded(32),
    "H.264 18, then 34": coded(34),
    "H.264 18, then 40": coded(40),
    "H.265 30": coded(30, "libx265"),
    "resize .71, H.264 23": resized(0.71),
    "resize .55, H.264 23": resized(0.55),
    "brightness .5": bright(0.5),
    "brightness 1.5": bright(1.5),
    "crop .71 (no search for geometry yet)": cropped(0.71),
}
QUICK = ("none", "one frame alone", "H.264 18, then 28", "H.264 18, then 34", "resize .55, H.264 23", "brightness .5")


@dataclass
class Score:
    """Outcomes over the clips of one material."""

    accuracy: list[float] = field(default_factory=list)
    exact: list[bool] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    embed_ms: list[float] = field(default_factory=list)
    detect_ms: list[float] = field(default_factory=list)


def watermarks(peers: list[str]) -> dict[str, Callable[[], Watermark]]:
    """A maker for each algorithm: ours takes a new key for every clip."""
    made: dict[str, Callable[[], Watermark]] = {"ours, 64 bits": lambda: SpreadSpectrum(WatermarkKey.new())}
    for peer in peers:
        method = cast(Method, peer)
        made[f"{peer}, 32 bits"] = lambda method=method: InvisibleWatermark(method, 32)  # type: ignore[misc]
    return made


def measure(
    clips: list[Frames], makers: dict[str, Callable[[], Watermark]], attacks: list[str]
) -> dict[tuple[str, str], Score]:
    scores: dict[tuple[str, str], Score] = {}
    rng = np.random.default_rng(0)
    for number, clip in enumerate(clips):
        for name, make in makers.items():
            watermark = make()
            bits = rng.integers(0, 2, watermark.capacity)
            embedder = watermark.embedder(bits.tolist(), width=clip.width, height=clip.height)
            begin = time.process_time()
            marked = embedder.process(clip)
            embed_ms = (time.process_time() - begin) * 1e3 / len(clip)
            quality = psnr(clip, marked)
            for attack in attacks:
                score = scores.setdefault((name, attack), Score())
                with tempfile.TemporaryDirectory() as folder:
                    received = ATTACKS[attack](marked, Path(folder))
                accuracy, exact, detect_ms = judge(watermark, received, bits)
                score.accuracy.append(accuracy)
                score.exact.append(exact)
                score.psnr.append(quality)
                score.embed_ms.append(embed_ms)
                score.detect_ms.append(detect_ms)
            print(f"clip {number + 1} of {len(clips)}, {name}", flush=True)
    return scores


def psnr(one: Frames, other: Frames) -> float:
    """Peak signal-to-noise ratio over the whole clip, in dB, on R'G'B'."""
    pairs = zip(one.to_rgb(), other.to_rgb(), strict=True)
    return float(10 * np.log10(255**2 / np.mean([np.mean((a.astype(np.float32) - b) ** 2) for a, b in pairs])))


def judge(watermark: Watermark, received: Frames, bits: np.ndarray) -> tuple[float, bool, float]:
    """Bit accuracy (an absent message counts as coin tosses), whether it is exact, and CPU ms a frame."""
    if received.width * received.height < 256 * 256 and isinstance(watermark, InvisibleWatermark):
        return 0.5, False, 0.0  # the package refuses frames this small
    detector = watermark.detector(width=received.width, height=received.height)
    begin = time.process_time()
    detector.update(received)
    reading = detector.result()
    spent = (time.process_time() - begin) * 1e3 / len(received)
    if reading.payload_bits is None:
        return 0.5, False, spent
    matches = np.array(reading.payload_bits) == bits
    return float(matches.mean()), bool(matches.all()), spent


def table(scores: dict[tuple[str, str], Score], names: list[str], attacks: list[str]) -> Iterator[str]:
    yield "| attack | " + " | ".join(f"{name}: bit accuracy | word error" for name in names) + " |"
    yield "|---" * (1 + 2 * len(names)) + "|"
    for attack in attacks:
        cells = []
        for name in names:
            score = scores[name, attack]
            cells += [f"{np.mean(score.accuracy):.3f}", f"{1 - np.mean(score.exact):.2f}"]
        yield f"| {attack} | " + " | ".join(cells) + " |"
    yield ""
    for name in names:
        score = scores[name, attacks[0]]
        yield (
            f"{name}: PSNR mean {np.mean(score.psnr):.1f} dB, least {np.min(score.psnr):.1f} dB; median CPU a frame "
            f"{np.median(score.embed_ms):.1f} ms to embed, {np.median(score.detect_ms):.1f} ms to detect.\n"
        )


def scaled(frames: Frames, height: int) -> Frames:
    """Luma and chroma resized to ``height`` lines (smaller clips stay)."""
    if frames.height <= height:
        return frames
    width = frames.width * height // frames.height // 2 * 2
    luma = np.stack([resize(plane.astype(np.float32), height, width) for plane in frames.luma])
    chroma = np.stack([[resize(p.astype(np.float32), height // 2, width // 2) for p in pair] for pair in frames.chroma])
    return Frames(np.rint(luma).astype(np.uint8), np.rint(chroma).astype(np.uint8), frames.pts, frames.colour)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of clips")
    parser.add_argument("--quick", action="store_true", help="fewer clips, frames and attacks: some minutes")
    parser.add_argument("--peers", default="dwtDct,dwtDctSvd", help="methods of invisible-watermark, comma-separated")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--graphic", type=int, default=50, help="number of drawn clips")
    parser.add_argument("--clips", type=int, default=None, help="at most so many clips of the folder")
    options = parser.parse_args()
    files = sorted(path for path in options.data.iterdir() if path.suffix in {".mp4", ".mov"})
    if options.quick:
        options.frames, options.graphic, files = 12, 8, files[:: max(len(files) // 3, 1)][:3]
    files = files[: options.clips]
    attacks = list(QUICK if options.quick else ATTACKS)
    ours, everyone = watermarks([]), watermarks([peer for peer in options.peers.split(",") if peer])
    few = max(options.graphic // 5, 2)
    clips = [read(path, options.frames) for path in files]
    graphic = [graphic_clip(seed, (17, 25, 33)[seed % 3]) for seed in range(options.graphic)]
    materials = (
        (f"{len(graphic)} drawn graphic clips, 256x256, 17 to 33 frames", graphic, ours),
        (f"{few} of them, with peers", graphic[:few], everyone),
        (f"{len(clips)} clips at 360 lines, {options.frames} frames", [scaled(c, 360) for c in clips], everyone),
        (f"{len(clips)} clips as they are, {options.frames} frames", clips, ours),
    )
    lines = [
        "# Watermark robustness",
        "",
        "Made by `python -m benchmarks.watermark`. A word error is a message that is not exactly right; ours is then",
        "declared absent and counts as accuracy .5, the peers return wrong bits and cannot tell marked from unmarked.",
    ]
    for title, material, makers in materials:
        if material:
            scores = measure(material, makers, attacks)
            lines += ["", f"## {title}", "", *table(scores, list(makers), attacks)]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines) + "\n")
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
