"""How well watermarks survive: ours and the runnable peers, side by side on the same clips in one run.

    python -m benchmarks.watermark DATA [--quick] [--material hd,360p,portrait,256,drawn,single] [--attacks crop,rotate]
        [--closed-loop] [--peers dwtDct,dwtDctSvd,rivaGan] [--videoseal FILE] [--trustmark FOLDER] [--taef2 FOLDER]

DATA is a folder of clips. Every algorithm marks every clip, with a fresh message (and ours with a fresh key); every
attack of `benchmarks/attacks` is done to every marked clip. Results are added to a JSON-lines file as they come, so
that a run that was interrupted goes on where it stopped; results of other code than today's do not count. The table
goes to `benchmarks/results/watermark.md`. Run from the repository's root.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import cast, get_args

import numpy as np

from benchmarks.attacks import ATTACKS, Attack, Scene, attacked
from benchmarks.attacks.regeneration import Regenerate
from benchmarks.attacks.scene import taken
from benchmarks.attacks.timing import Drop, Duplicate, Excerpt, Retime
from benchmarks.clips import MATERIALS, Clip, clips, read
from benchmarks.quality import quality
from benchmarks.watermark_table import Record, page
from countermark.core.errors import CountermarkError, WatermarkError
from countermark.core.media import Frames
from provenance.fingerprint import Sampler, similarity
from provenance.lookalikes import MIN_SIMILARITY
from provenance.watermark import (
    Embedder,
    InvisibleWatermark,
    Payload,
    SpreadSpectrum,
    TrustMark,
    VideoSeal,
    Watermark,
    WatermarkKey,
)
from provenance.watermark.detector import SpreadSpectrumDetector, known_bits
from provenance.watermark.invisible import Method
from provenance.watermark.sketch import Sketch
from tests.provenance.graphic_clip import graphic_clip

__all__ = ["main", "read"]

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
OURS = "ours"
CLOSED_LOOP_CRF = 40
REGISTERED = 1000  # payloads that a mark too weak to read is compared with
QUICK = ("identity", "single frame", "resize .55", "brightness .5", "JPEG 40", "H.264 CRF 23", "H.264 CRF 40",
         "H.265 CRF 30", "rotate 10", "crop .71", "perspective .5", "combined: H.264 CRF 23, crop .71, brightness .5",
         "frames dropped 50 %", "logo and subtitle")  # fmt: skip
QUICK_READ = 4  # frames that peers read then
QUICK_SECONDS = 240.0  # nothing is begun after this; what is under way takes less than a minute


@dataclass(frozen=True)
class Contender:
    """An algorithm: ``make`` gives it for one clip. Its detector reads ``frames`` evenly spaced frames, or all."""

    name: str
    make: Callable[[], Watermark]
    frames: int | None = None


class Journal:
    """Results in a JSON-lines file, one line an attack on a marked clip."""

    def __init__(self, path: Path, code: str) -> None:
        self._path, self._code = path, code
        text = path.read_text() if path.exists() else ""
        whole, _, rest = text.rpartition("\n")
        if rest:  # a line cut short when a run was interrupted
            path.write_text(whole + "\n" if whole else "")
        known = [json.loads(line) for line in whole.splitlines()]
        self.records = [Record(**entry["record"]) for entry in known if entry["code"] == code]

    def of(self, material: str, clip: str, length: int, contender: Contender) -> dict[str, Record]:
        """What is known of one marked clip, by attack."""
        place = (material, clip, length, contender.name, contender.frames)
        known = ((r.material, r.clip, r.length, r.algorithm, r.read_frames) for r in self.records)
        return {r.attack: r for r, key in zip(self.records, known, strict=True) if key == place}

    def add(self, record: Record) -> None:
        """Write one result to the disk."""
        self.records.append(record)
        with self._path.open("a") as file:
            file.write(json.dumps({"code": self._code, "record": asdict(record)}) + "\n")


def measure(
    material: str, clip: Clip, length: int, contender: Contender, attacks: Sequence[Attack], scene: Scene,
    journal: Journal, *, until: float = float("inf"),
) -> None:  # fmt: skip
    """Mark the clip, attack it, and note what can be read; skips what the journal has, stops at time ``until``."""
    finished = journal.of(material, clip.name, length, contender)
    open_attacks = [attack for attack in attacks if attack.name not in finished]
    if not open_attacks or time.monotonic() > until:
        return
    watermark = contender.make()
    bits = message(watermark, np.random.default_rng(scene.seed))
    try:
        embedder = embedder_for(watermark, bits.tolist(), clip.frames)
        begin = time.process_time()
        marked = embedder.process(clip.frames)
    except WatermarkError as error:
        print(f"{contender.name} cannot mark {clip.name}: {error}", flush=True)
        return
    embed_ms = (time.process_time() - begin) * 1e3 / len(marked)
    seen, register = quality(clip.frames, marked), Registered.of(clip.frames, marked)
    note = Record(
        material=material, clip=clip.name, length=length, frames=len(marked), algorithm=contender.name,
        bits=watermark.capacity, read_frames=contender.frames, attack="", embed_ms=embed_ms, **asdict(seen),
    )  # fmt: skip
    for attack, received in attacked(marked, open_attacks, scene):
        heard = received if contender.frames is None else spread(received, contender.frames)
        accuracy, outcome, detect_ms = judge(watermark, heard, bits, register)
        journal.add(replace(note, attack=attack.name, accuracy=accuracy, outcome=outcome, detect_ms=detect_ms))
        if time.monotonic() > until:
            return


def message(watermark: Watermark, rng: np.random.Generator) -> np.ndarray:
    """Random payload bits; ours begin with the version and the issuer that belong to the key."""
    bits = rng.integers(0, 2, watermark.capacity)
    if isinstance(watermark, SpreadSpectrum):
        known = known_bits(watermark.key)
        bits[: len(known)] = known
    return bits


def embedder_for(watermark: Watermark, bits: Sequence[int], frames: Frames) -> Embedder:
    """An embedder for the clip; ours is told its length, as sealing tells it."""
    if isinstance(watermark, SpreadSpectrum):
        return watermark.embedder(bits, width=frames.width, height=frames.height, length=len(frames))
    return watermark.embedder(bits, width=frames.width, height=frames.height)


@dataclass(frozen=True)
class Registered:
    """What sealing keeps of a clip: the fingerprint of the marked one, and a sketch of the original."""

    fingerprint: Sequence[bytes]
    sketch: Sketch

    @classmethod
    def of(cls, original: Frames, marked: Frames) -> Registered:
        detector = SpreadSpectrumDetector((), (original.height, original.width))
        detector.update(original)
        return cls(looks(marked), Sketch.of(detector.evidence.detail, detector.aspect))


def judge(
    watermark: Watermark, received: Frames, bits: np.ndarray, register: Registered | None = None
) -> tuple[float, str, float]:
    """Bit accuracy, the outcome (see `Record`), and CPU ms a frame without the register.

    Where there is no exact message the likeliest bits count for accuracy; where there are none, coin tosses do. Bits
    that the key gives away, as ours gives version and issuer, are not counted.
    """
    begin = time.process_time()
    try:
        detector = watermark.detector(width=received.width, height=received.height)
        detector.update(received)
        reading = detector.result()
    except WatermarkError:  # frames that the algorithm refuses
        return 0.5, "absent", 0.0
    spent = (time.process_time() - begin) * 1e3 / len(received)
    likeliest = reading.payload_bits or reading.best_bits
    given = len(known_bits(watermark.key)) if isinstance(watermark, SpreadSpectrum) else 0
    accuracy = 0.5 if likeliest is None else float(np.mean(np.array(likeliest)[given:] == bits[given:]))
    if reading.payload_bits is not None:
        return accuracy, "exact" if np.array_equal(reading.payload_bits, bits) else "wrong", spent
    if not isinstance(detector, SpreadSpectrumDetector):
        return accuracy, "absent", spent
    payload = Payload.from_bits(bits.tolist())
    others = [Payload.new(payload.issuer) for _ in range(REGISTERED - 1)]
    recalled = detector.result(register=[*others, payload]).payload
    if recalled is None and register is not None:
        if similarity(looks(received), register.fingerprint) >= MIN_SIMILARITY:
            recalled = detector.compare([payload]).payload
        if recalled is None:
            recalled = detector.laid_over([(payload, register.sketch)]).payload
    return accuracy, "absent" if recalled is None else "recalled" if recalled == payload else "wrong", spent


def looks(frames: Frames) -> list[bytes]:
    """The fingerprint of a clip of 24 frames a second."""
    sampler = Sampler(Fraction(1, 24))
    sampler.add(frames)
    return sampler.hashes


def spread(frames: Frames, count: int) -> Frames:
    """``count`` evenly spaced frames, or all where there are fewer."""
    return taken(frames, np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int)))


def contenders(options: argparse.Namespace) -> list[Contender]:
    """Ours first, then the peers that the user asks for or that run here."""
    found = [Contender(OURS, lambda: SpreadSpectrum(WatermarkKey.new()))]
    if options.closed_loop:
        loop = partial(SpreadSpectrum, closed_loop_crf=CLOSED_LOOP_CRF)
        found.append(Contender(f"{OURS}, closed loop", lambda: loop(WatermarkKey.new())))
    for name in filter(None, options.peers.split(",")):
        if name not in get_args(Method):
            raise SystemExit(f"There is no peer {name}: use some of {', '.join(get_args(Method))}.")
        few = 8 if name == "rivaGan" else None  # which takes seconds a frame
        make = partial(InvisibleWatermark, cast(Method, name), 32)
        found.append(Contender(name, make, QUICK_READ if options.quick else few))
    few = QUICK_READ if options.quick else None
    if options.videoseal:
        found.append(Contender("Video Seal", partial(VideoSeal, options.videoseal), few))
    if options.trustmark:
        found.append(Contender("TrustMark Q", partial(TrustMark, options.trustmark), few))
    return found


def chosen(material: str, options: argparse.Namespace) -> list[Attack]:
    """The attacks that make sense for a material and can be done with what the user has."""
    temporal = (Drop, Duplicate, Excerpt, Retime)
    attacks = [attack for attack in ATTACKS if not options.quick or attack.name in QUICK]
    if options.attacks:
        attacks = [attack for attack in attacks if any(part in attack.name for part in options.attacks.split(","))]
    if material == "single":
        attacks = [attack for attack in attacks if not any(isinstance(step, temporal) for step in attack.steps)]
    if options.taef2 is None:
        attacks = [attack for attack in attacks if not any(isinstance(step, Regenerate) for step in attack.steps)]
    return attacks


def code_version() -> str:
    """What the results depend on: a digest of the algorithms and the attacks."""
    digest = hashlib.sha256()
    for folder in (HERE.parent / "provenance" / "watermark", HERE / "attacks"):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watermark", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of clips")
    parser.add_argument("--quick", action="store_true", help="few clips, frames and attacks: under five minutes")
    parser.add_argument("--material", default="hd", help=f"some of {','.join(MATERIALS)}; default: hd")
    parser.add_argument("--clips", type=int, default=16, help="at most so many of each material")
    parser.add_argument("--frames", type=int, default=72, help="at most so many of each clip")
    parser.add_argument("--attacks", help="only attacks whose names contain one of these, comma-separated")
    parser.add_argument("--peers", default="dwtDct,dwtDctSvd", help="methods of invisible-watermark, comma-separated")
    parser.add_argument("--closed-loop", action="store_true", help="have our closed loop at CRF 40 beside the rest")
    parser.add_argument("--videoseal", type=Path, help="Video Seal's TorchScript file, to have it among the peers")
    parser.add_argument("--trustmark", type=Path, help="folder with TrustMark's variant Q, to have it among the peers")
    parser.add_argument("--taef2", type=Path, help="folder with the weights of TAEF2, for the regeneration attack")
    parser.add_argument("--results", type=Path, default=RESULTS / "watermark.jsonl", help="journal of results")
    parser.add_argument("--table", type=Path, default=RESULTS / "watermark.md", help="where the table goes")
    options = parser.parse_args(arguments)
    if unknown := set(options.material.split(",")) - set(MATERIALS):
        parser.error(f"unknown material {', '.join(sorted(unknown))}: use some of {', '.join(MATERIALS)}")
    if not options.data.is_dir():
        parser.error(f"{options.data} is not a folder")
    if options.quick:
        options.clips, options.frames = min(options.clips, 3), min(options.frames, 24)
    return options


def command(options: argparse.Namespace, arguments: Sequence[str]) -> str:
    """What was typed, with names in place of this machine's paths."""
    named = [str(options.data), *(str(value) for value in vars(options).values() if isinstance(value, Path))]
    typed = ["DATA" if word == named[0] else Path(word).name if word in named else word for word in arguments]
    return shlex.join(["python", "-m", "benchmarks.watermark", *typed])


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    until = time.monotonic() + QUICK_SECONDS if options.quick else float("inf")
    options.results.parent.mkdir(parents=True, exist_ok=True)
    journal = Journal(options.results, code_version())
    attacks: dict[str, Sequence[Attack]] = {m: chosen(m, options) for m in options.material.split(",")}
    rivals, records = contenders(options), list[Record]()
    for material, wanted in attacks.items():
        backdrop = graphic_clip(0)
        for clip in clips(material, options.data, count=options.clips, length=options.frames):
            scene = Scene(zlib.crc32(clip.name.encode()), backdrop, options.taef2)
            for contender in rivals:
                measure(material, clip, options.frames, contender, wanted, scene, journal, until=until)
                known = journal.of(material, clip.name, options.frames, contender)
                records += [known[attack.name] for attack in wanted if attack.name in known]
                print(f"{material}: {clip.name}: {contender.name}", flush=True)
            backdrop = clip.frames
            options.table.write_text(page(records, attacks, command(options, arguments or sys.argv[1:])))
    if not records:
        raise SystemExit(f"Nothing in {options.data} could be measured.")
    print(f"wrote {options.table}")


if __name__ == "__main__":
    try:
        main()
    except CountermarkError as error:
        raise SystemExit(str(error)) from error
