"""The watermark benchmark measures what it says, goes on where it stopped, and writes one table."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from moving_clip import moving

from benchmarks.attacks import ATTACKS, Scene
from benchmarks.clips import MATERIALS, clips, files_of
from benchmarks.quality import psnr, quality
from benchmarks.watermark import Contender, Journal, chosen, judge, main, measure, parse, spread
from benchmarks.watermark_table import Record, page, wilson
from countermark.core.media import Frames, VideoSpec, VideoWriter
from provenance.watermark import Payload, Reading, SpreadSpectrum, WatermarkKey
from tests.provenance.graphic_clip import graphic_clip


def write(path, frames: Frames) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    spec = VideoSpec(frames.width, frames.height, Fraction(24), Fraction(1, 24), frames.colour, preset="ultrafast")
    with VideoWriter(path, spec) as writer:
        writer.write(frames)


def test_wilson_intervals():
    # 0 of 10 and 5 of 10: Brown, Cai and DasGupta, Statistical Science 16(2), 2001, and the closed form for 0.
    low, high = wilson(0, 10)
    assert low == 0
    assert high == pytest.approx(1.959964**2 / (10 + 1.959964**2))
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(10, 10)[1] == pytest.approx(1)


def test_what_a_register_finds_is_a_column_of_its_own():
    outcomes = ["exact", "recalled", "recalled", "absent"]
    records = [
        Record("drawn", str(i), 4, 4, name, 64, None, 44.0, 0.99, 40.0, 3.0, "identity", 0.75, outcome, 2.0)
        for name, seen in (("ours", outcomes), ("peer", ["absent"] * 4))
        for i, outcome in enumerate(seen)
    ]
    text = page(records, {"drawn": [attack for attack in ATTACKS if attack.name == "identity"]}, "command")
    assert "| ours: not found |" in text
    assert "peer: not found" not in text
    assert "| 0.750 | 0.75 (0.30-0.95) | 0.750 | 1.00 (0.51-1.00) | 1 of 4 |" in text


def test_quality_weighs_errors_by_what_hides_them():
    rng = np.random.default_rng(0)
    flat = Frames(np.full((4, 240, 320), 120, np.uint8), np.full((4, 2, 120, 160), 128, np.uint8), np.arange(4))
    busy = flat.with_luma(rng.integers(60, 180, flat.luma.shape, np.uint8))
    noise = rng.integers(-3, 4, flat.luma.shape)
    on_flat, on_busy = (quality(clip, clip.with_luma((clip.luma + noise).astype(np.uint8))) for clip in (flat, busy))
    assert on_flat.psnr == pytest.approx(on_busy.psnr, abs=1)
    assert on_flat.xpsnr < on_busy.xpsnr - 10
    assert on_flat.ssim < on_busy.ssim
    untouched = quality(flat, flat)
    assert (untouched.psnr, untouched.ssim, untouched.xpsnr) == (math.inf, 1.0, math.inf)


def test_psnr_is_of_the_whole_clip():
    clip = moving(64, 64, 2)
    grey = Frames.from_rgb(np.full((2, 64, 64, 3), 100, np.uint8), pts=np.arange(2))
    one = Frames(np.stack([grey.luma[0], grey.luma[1] + 10]), grey.chroma, grey.pts)
    error = np.mean((one.to_rgb().astype(float) - grey.to_rgb()) ** 2)
    assert psnr(grey, one) == pytest.approx(10 * np.log10(255**2 / error))
    assert psnr(clip, clip) == math.inf


class Painted:
    """A watermark of two bits that are the brightness of two corners; refuses narrow frames, counts embeddings."""

    name = "painted"
    algorithm_id = "test.painted"
    capacity = 2

    def __init__(self) -> None:
        self.embedded = 0

    def embedder(self, bits, *, width, height):
        self.embedded += 1
        self.bits = bits
        return self

    def process(self, frames):
        luma = frames.luma.copy()
        luma[:, :24, :24], luma[:, :24, -24:] = (40 + 160 * bit for bit in self.bits)
        return frames.with_luma(luma)

    def detector(self, *, width, height):
        return self

    def update(self, frames):
        self.seen = frames.luma[:, :8, :8].mean(), frames.luma[:, :8, -8:].mean()

    def result(self):
        bits = tuple(int(value > 120) for value in self.seen)
        sure = all(abs(value - 120) > 60 for value in self.seen)
        return Reading("test.painted", bits if sure else None, None, 0.0, 1, 1.0, best_bits=bits)


def test_judging_tells_exact_wrong_and_absent_apart():
    watermark = Painted()
    clip = watermark.embedder([1, 0], width=160, height=96).process(moving(count=2))
    assert judge(watermark, clip, np.array([1, 0]))[:2] == (1.0, "exact")
    assert judge(watermark, clip, np.array([1, 1]))[:2] == (0.5, "wrong")
    dim = clip.with_luma((clip.luma * 0.7).astype(np.uint8))
    assert judge(watermark, dim, np.array([1, 0]))[:2] == (1.0, "absent")


@pytest.mark.usefixtures("unsearched")
def test_a_mark_too_weak_to_read_is_recalled():
    clip, bits = graphic_clip(0), Payload(1, serial=7).to_bits()
    watermark = SpreadSpectrum(WatermarkKey(bytes([1]) * 32))
    embedder = watermark.embedder(bits, width=clip.width, height=clip.height, length=len(clip))
    mark = embedder.process(clip).luma.astype(float) - clip.luma
    noise = np.random.default_rng(0).normal(0, 3, mark.shape)

    def outcome(share: float) -> str:
        luma = np.rint(clip.luma + share * mark + noise).clip(0, 255).astype(np.uint8)
        return judge(watermark, clip.with_luma(luma), np.array(bits))[1]

    assert [outcome(share) for share in (0.3, 0.1, 0.0)] == ["exact", "recalled", "absent"]


def test_an_interrupted_run_goes_on(tmp_path):
    watermark, clip = Painted(), next(clips("drawn", tmp_path, count=1, length=4))
    contender = Contender("painted", lambda: watermark)
    attacks = [attack for attack in ATTACKS if attack.name in ("identity", "horizontal flip", "brightness .5")]
    scene = Scene(1, moving())

    def go(count: int, code: str) -> Journal:
        journal = Journal(tmp_path / "log.jsonl", code)
        measure("drawn", clip, 4, contender, attacks[:count], scene, journal)
        return journal

    assert len(go(2, "a").records) == 2
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"code": "a", "rec')  # cut short
    journal = go(3, "a")
    assert [record.attack for record in journal.records] == ["identity", "horizontal flip", "brightness .5"]
    assert watermark.embedded == 2
    go(3, "a")
    assert watermark.embedded == 2
    assert len(go(3, "b").records) == 3  # results of other code do not count
    assert watermark.embedded == 3


def grey(height: int, width: int, count: int) -> Frames:
    chroma = np.full((count, 2, height // 2, width // 2), 128, np.uint8)
    return Frames(np.full((count, height, width), 90, np.uint8), chroma, np.arange(count))


def test_materials(tmp_path):
    write(tmp_path / "wide.mp4", grey(480, 864, 5))
    write(tmp_path / "tall.mp4", grey(1280, 720, 3))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "notes.txt").write_text("no video either")

    def shapes(material: str, count: int = 9) -> list[tuple[int, ...]]:
        return [clip.frames.luma.shape for clip in clips(material, tmp_path, count=count, length=4)]

    assert shapes("hd") == [(3, 1280, 720), (4, 480, 864)]
    assert shapes("hd", 1) == [(3, 1280, 720)]
    assert shapes("360p") == [(4, 360, 648)]
    assert shapes("portrait") == [(3, 1280, 720)]
    assert shapes("256") == [(3, 256, 256), (4, 256, 256)]
    assert shapes("single") == [(1, 1280, 720), (1, 480, 864)]
    assert shapes("drawn", 2) == [(4, 256, 256)] * 2
    nested = tmp_path / "nested"
    write(nested / "deep" / "a.mp4", moving(64, 64, 2))
    assert [path.name for path in files_of(nested)] == ["a.mp4"]


def test_attacks_that_make_no_sense_or_cannot_be_done_are_left_out(tmp_path):
    everything = parse([str(tmp_path), "--taef2", str(tmp_path)])
    assert len(chosen("hd", everything)) == len(ATTACKS)
    assert {attack.name for attack in ATTACKS} - {attack.name for attack in chosen("single", everything)} == {
        "frames dropped 10 %", "frames dropped 50 %", "frames doubled 10 %", "24 to 30 frames a second",
        "excerpt of 1 s", "single frame",
    }  # fmt: skip
    assert not [attack for attack in chosen("hd", parse([str(tmp_path)])) if "TAEF2" in attack.name]
    some = chosen("hd", parse([str(tmp_path), "--attacks", "crop .5,rotate 9"]))
    assert [attack.name for attack in some] == ["rotate 90", "crop .55"]
    assert len(spread(moving(64, 64, 9), 4)) == 4
    assert len(spread(moving(64, 64, 3), 4)) == 3


@pytest.mark.usefixtures("unsearched")
def test_the_command_writes_a_table_and_a_journal(tmp_path, capsys):
    table, journal = tmp_path / "table.md", tmp_path / "log.jsonl"
    files = ["--table", str(table), "--results", str(journal)]
    few = ["--quick", "--material", "drawn", "--clips", "1", "--frames", "6", "--peers", "dwtDct"]
    main([str(tmp_path), *few, *files])
    text = table.read_text()
    assert f"`python -m benchmarks.watermark DATA {' '.join(few)} --table table.md --results log.jsonl`" in text
    assert str(tmp_path) not in text
    assert "| attack | Video Seal, published | ours: bit accuracy |" in text
    assert "| H.264 CRF 40 | .86 |" in text
    assert "dwtDct was given 4 evenly spaced frames" in text
    lines = [json.loads(line)["record"] for line in journal.read_text().splitlines()]
    identity = next(line for line in lines if (line["algorithm"], line["attack"]) == ("ours", "identity"))
    assert identity["outcome"] == "exact"
    assert identity["psnr"] > 40
    main([str(tmp_path), *few[:-1], "", "--attacks", "identity", *files])
    assert "dwtDct" not in table.read_text()
    assert "JPEG" not in table.read_text()
    assert len(journal.read_text().splitlines()) == len(lines)  # nothing was measured again
    for bad in (["--material", "4k"], ["--peers", "none"]):
        with pytest.raises(SystemExit):
            main([str(tmp_path), *bad, *files])
    assert set(MATERIALS) == {"hd", "360p", "portrait", "256", "drawn", "single"}
