"""What the watermark costs: processor time, memory by the length of the clip, and what shows where nothing hides it.

    python -m benchmarks.watermark_cost [--repeat 3]

All material is made here. Times are those of one thread of the processor, the least of all repetitions: on a machine
that does other work as well, wall clock would say nothing. Each job runs in a process of its own, whose peak memory is
noted too. Writes `benchmarks/results/watermark_cost.md`. Run from the repository's root.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter, minimum_filter

from benchmarks.quality import quality
from countermark.core.media import Frames, Limits, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from provenance.extract import extract
from provenance.watermark import Payload, SpreadSpectrum, Timeline, WatermarkKey
from provenance.watermark.interface import Mark
from tests.provenance.graphic_clip import graphic_clip

RESULTS = Path(__file__).parent / "results" / "watermark_cost.md"
WIDTH, HEIGHT, FPS, CHUNK = 1920, 1080, 24, 24
KEY = WatermarkKey(bytes(range(32)))
PAYLOAD = Payload(KEY.issuer, serial=0x5EA1)
MARGIN = 48  # pixels around a point in which nothing is drawn, if it is flat; nearer, it is beside an edge
EVEN = 8  # codes between the lowest and the highest luma, in space and time, where nothing is drawn
ONSET = 12  # frames after which a scene has no more than its share
_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

HEAD = """\
Made by `python -m benchmarks.watermark_cost`, on an {processor}.
Processor time of one thread, the least of {repeat} runs (streams: one). The machine did other work as well,
so wall clock is not given, and less would be spent on a quiet one. Peak memory is that of the process, with the
interpreter and the chunks that it makes."""
SHOWN = """\
What shows, 72 frames each. The flat area is where nothing is drawn within {margin} pixels; nearer, it is beside edges.
The mark is measured in 8-bit luma codes: its rms, its highest value at any pixel, the rms of its change from frame
to frame (flicker), and that between the two frames where it changes most."""

UInt8 = npt.NDArray[np.uint8]


@cache
def cloud(height: int, width: int) -> npt.NDArray[np.float32]:
    """Noise whose amplitude falls with frequency, as that of natural pictures does: mean 0, deviation 1."""
    rng = np.random.default_rng(1)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / np.maximum(np.hypot(fy, fx), 1 / width)
    plane = np.fft.irfft2(spectrum, s=(height, width))
    return np.asarray(plane / plane.std(), np.float32)


def grey(luma: UInt8, start: int = 0) -> Frames:
    """Frames of this luma [T, H, W] without colour."""
    count, height, width = luma.shape
    chroma = np.full((count, 2, height // 2, width // 2), 128, np.uint8)
    return Frames(luma, chroma, np.arange(start, start + count))


def panning(seconds: float, contrast: float = 25) -> Iterator[Frames]:
    """1080p, a cloud that pans, in chunks of a second; with a contrast of 40 each frame changes as much as at a cut."""
    picture = (120 + contrast * cloud(HEIGHT, WIDTH)).clip(16, 235).astype(np.uint8)
    for start in range(0, round(seconds * FPS), CHUNK):
        yield grey(np.stack([np.roll(picture, 3 * (start + t), axis=1) for t in range(CHUNK)]), start)


# ---- time and memory


def embedding(contrast: float) -> float:
    """CPU ms a frame to mark two seconds."""
    clip = list(panning(2, contrast))
    watermark = SpreadSpectrum(KEY)
    first, embedder = (watermark.embedder(PAYLOAD.to_bits(), width=WIDTH, height=HEIGHT) for _ in range(2))
    first.process(clip[0][:1])  # what is made once per key and size is not counted
    return 1e3 / (2 * FPS) * spent(lambda: [embedder.process(frames) for frames in clip])


def detecting() -> float:
    """CPU ms a frame to read two marked seconds, without search, decoding included."""
    embedder = SpreadSpectrum(KEY).embedder(PAYLOAD.to_bits(), width=WIDTH, height=HEIGHT)
    clip = [embedder.process(frames) for frames in panning(2)]
    detector = SpreadSpectrum(KEY).detector(width=WIDTH, height=HEIGHT)

    def read() -> None:
        for frames in clip:
            detector.update(frames)
        assert detector.result(search=False).payload == PAYLOAD

    return 1e3 / (2 * FPS) * spent(read)


def searching(*, marked: bool) -> float:
    """CPU s to look at a file of ten seconds with the full search: one that is not marked, or cropped to .71 a side."""
    watermark = SpreadSpectrum(KEY)
    embedder = watermark.embedder(PAYLOAD.to_bits(), width=WIDTH, height=HEIGHT)
    height, width = int(0.71 * HEIGHT) // 2 * 2, int(0.71 * WIDTH) // 2 * 2
    size = (width, height) if marked else (WIDTH, HEIGHT)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with VideoWriter(path, VideoSpec(*size, Fraction(FPS), Fraction(1, FPS), crf=23, preset="ultrafast")) as writer:
            for frames in panning(10):
                if marked:
                    luma = embedder.process(frames).luma[:, 100 : 100 + height, 300 : 300 + width]
                    writer.write(grey(np.ascontiguousarray(luma), int(frames.pts[0])))
                else:
                    writer.write(frames)
        limits = Limits.from_settings(Settings(home=Path(folder)))

        def look() -> None:
            found = extract(path, watermark, limits, isolated=False)
            assert found.payload == (PAYLOAD if marked else None)
            assert found.frames == 10 * FPS

        return spent(look)


def streaming(seconds: float) -> float:
    """CPU s to mark and read a clip chunk by chunk, its timeline too; for the memory of it."""
    watermark = SpreadSpectrum(KEY)
    embedder = watermark.embedder(PAYLOAD.to_bits(), width=WIDTH, height=HEIGHT)
    detector = watermark.detector(width=WIDTH, height=HEIGHT)
    known = Mark(PAYLOAD, KEY, np.eye(3), 0.0)
    timeline = Timeline([KEY], (HEIGHT, WIDTH), search=False, known=known)

    def run() -> None:
        for frames in panning(seconds):
            marked = embedder.process(frames)
            detector.update(marked)
            timeline.update(marked, marked.pts / FPS)
        assert detector.result(search=False).payload == PAYLOAD
        assert [(found.start, found.end) for found in timeline.ranges()] == [(0, seconds)]

    return spent(run)


def spent(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


JOBS: dict[str, Callable[[], float]] = {
    "embed": lambda: embedding(25),
    "embed, fast pan": lambda: embedding(40),
    "detect": detecting,
    "search, not marked": lambda: searching(marked=False),
    "search, cropped": lambda: searching(marked=True),
    "stream 10 s": lambda: streaming(10),
    "stream 60 s": lambda: streaming(60),
}


def measure(job: str, repeat: int) -> tuple[float, float]:
    """The least processor time of a job, and the highest peak of memory in MB, in processes of its own."""
    command = [sys.executable, "-m", "benchmarks.watermark_cost", "--job", job]
    told = []
    for _ in range(repeat):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | _THREADS)
        told.append([float(word) for word in done.stdout.split()])
    return min(each[0] for each in told), max(each[1] for each in told)


# ---- what shows


def still() -> Frames:
    """A title card that stands still: three flat areas and bars with hard edges."""
    picture = np.full((720, 1280), 60, np.uint8)
    picture[:, 500:] = 128
    picture[480:] = 200
    picture[200:280, 100:420:8] = 235
    return grey(np.repeat(picture[None], 72, axis=0))


def dark() -> Frames:
    """A night scene: black to dark grey, a little grain that changes, a lamp that moves slowly."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:720, :1280].astype(np.float32)
    frames = []
    for t in range(72):
        lamp = 60 * np.exp(-((x - 300 - 4 * t) ** 2 + (y - 300) ** 2) / 4000)
        frames.append(18 + 18 * x / 1280 + lamp + rng.normal(0, 0.5, x.shape))
    return grey(np.stack(frames).clip(16, 235).astype(np.uint8))


def animated() -> Frames:
    """A drawn scene of flat shapes and gradients, in which one shape moves."""
    return graphic_clip(3, frames=72, side=720)


def textured() -> Frames:
    """A cloud that pans, which hides a mark: for comparison."""
    picture = (120 + 25 * cloud(720, 1280)).clip(16, 235).astype(np.uint8)
    return grey(np.stack([np.roll(picture, 3 * t, axis=1) for t in range(72)]))


def even(clip: Frames, margin: int) -> npt.NDArray[np.bool_]:
    """Points [H, W] with nothing drawn so many pixels around them in any frame."""
    highest, lowest = clip.luma.max(axis=0), clip.luma.min(axis=0)
    near = maximum_filter(highest, 2 * margin + 1).astype(np.int16) - minimum_filter(lowest, 2 * margin + 1)
    return np.asarray(near <= EVEN)


def rms(values: npt.NDArray[np.float32]) -> float:
    return float(np.mean(values**2) ** 0.5)


def shown(clip: Frames, marked: Frames) -> list[str]:
    """Cells of the table: of the flat area its share of the frame, the mark's rms, its highest, the rms of its change
    from frame to frame and that of the frames between which it is highest; beside edges the mark's rms in the first
    frame, and after the onset.
    """
    flat, beside = even(clip, MARGIN), even(clip, 1)
    beside &= ~flat
    if flat.mean() < 0.01:
        return ["-"] * 7
    mark = marked.luma.astype(np.float32) - clip.luma
    steps = [rms(step[flat]) for step in np.diff(mark, axis=0)]
    cells = [f"{flat.mean():.0%}", f"{rms(mark[:, flat]):.2f}", f"{abs(mark[:, flat]).max():.0f}"]
    cells += [f"{rms(np.array(steps, np.float32)):.3f}", f"{max(steps):.3f}"]
    return [*cells, f"{rms(mark[0, beside]):.2f}", f"{rms(mark[ONSET:, beside]):.2f}"]


def visibility() -> Iterator[str]:
    """A line of the table for each material."""
    for make in (still, dark, animated, textured):
        clip = make()
        size = {"width": clip.width, "height": clip.height, "length": len(clip)}
        marked = SpreadSpectrum(KEY).embedder(PAYLOAD.to_bits(), **size).process(clip)
        seen = quality(clip, marked)
        cells = [f"{make.__name__}, {clip.width}x{clip.height}", f"{seen.psnr:.1f}", f"{seen.ssim:.4f}"]
        yield "| " + " | ".join([*cells, f"{seen.xpsnr:.1f}", *shown(clip, marked)]) + " |"


def processor() -> str:
    """The name of this machine's processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def page(repeat: int) -> Iterator[str]:
    """The results, Markdown, line by line."""
    yield from ("# What the watermark costs", "")
    yield from HEAD.format(processor=processor(), repeat=repeat).splitlines()
    yield ""
    yield f"| {WIDTH}x{HEIGHT}, {FPS} frames a second | processor time | peak memory, MB |"
    yield "|---|---|---|"
    what = {
        "embed": "embed, 2 s, without closed loop | {:.1f} ms a frame",
        "embed, fast pan": "the same, where each frame changes as much as at a cut | {:.1f} ms a frame",
        "detect": "detect, 2 s, no search, decoding included | {:.1f} ms a frame",
        "search, not marked": "a file of 10 s that is not marked: decoding it, and the full search | {:.1f} s",
        "search, cropped": "a marked file of 10 s, cropped to .71 a side: decoding it, and the search | {:.1f} s",
        "stream 10 s": "mark 10 s, read them and their timeline | {:.1f} s",
        "stream 60 s": "mark 60 s, read them and their timeline | {:.1f} s",
    }
    for job, text in what.items():
        took, memory = measure(job, repeat if "stream" not in job else 1)
        print(f"{job}: {took:.2f}, {memory:.0f} MB", flush=True)
        yield f"| {text.format(took)} | {memory:.0f} |"
    yield ""
    yield from SHOWN.format(margin=MARGIN).splitlines()
    yield ""
    yield (
        "| material | PSNR, dB | SSIM | XPSNR, dB | flat area | rms | highest | flicker | most "
        f"| beside edges: rms, first frame | from frame {ONSET} on |"
    )
    yield "|---" * 11 + "|"
    yield from visibility()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.watermark_cost", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--repeat", type=int, default=3, help="of each measurement of time")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(JOBS[options.job](), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    RESULTS.write_text("\n".join(page(options.repeat)) + "\n")
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
