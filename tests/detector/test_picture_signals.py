"""The signals that look at the picture, with tokens made up so that the bundled heads see what is wanted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
from made_clip import MakeClip

from countermark.core.media import Frames, VideoReader, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from detector.clip import Clip
from detector.fusion import fusion_for
from detector.head import head_for
from detector.screen import examine, screen
from detector.signals import edits, faces, fingerprint, frames, motion, noise
from detector.tokens import LAYERS, Tokens
from detector.wording import say
from provenance.origin import Origin
from provenance.seal import seal


def tokens(settings: Settings, llrs: list[float]) -> Tokens:
    """Tokens of frames to which the bundled frame head gives these log-likelihood ratios, or as near as it can."""
    head = head_for("frames", settings)
    weight, centre = (v.reshape(len(head.card.layers), -1).astype(np.float64) for v in (head.weight, head.centre))
    unit = weight / np.linalg.norm(weight, axis=-1, keepdims=True)
    strengths = np.linspace(-0.95, 0.95, 381)
    candidates = centre + strengths[:, None, None] * unit
    rows = (candidates / np.linalg.norm(candidates, axis=-1, keepdims=True)).astype(np.float32)
    reached = np.array([head.llr(head.scores(row.reshape(1, -1))) for row in rows])
    chosen = rows[[int(np.abs(reached - llr).argmin()) for llr in llrs]]
    classes = np.ones((len(llrs), len(LAYERS), 768), np.float32)
    classes[:, [LAYERS.index(layer) for layer in head.card.layers]] = chosen
    grids = np.random.default_rng(0).normal(size=(len(llrs), 196, 768)).astype(np.float32)
    return Tokens(classes, grids)


class Lend:
    """Gives clips the tokens of frames with chosen ratios, as if there were an encoder."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings, self.patch = settings, monkeypatch

    def __call__(self, llrs: list[float]) -> None:
        lent = tokens(self.settings, llrs)
        self.patch.setattr(Clip, "encoder", SimpleNamespace(weights="made up"))
        self.patch.setattr(Clip, "tokens", property(lambda clip: _first(lent, len(clip.samples.times))))


def _first(found: Tokens, count: int) -> Tokens:
    def take(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return values[:count]

    return Tokens(take(found.classes), take(found.grids))


@pytest.fixture
def lend(settings: Settings, monkeypatch: pytest.MonkeyPatch, quick_look: None) -> Lend:
    return Lend(settings, monkeypatch)


def test_frames_that_look_generated_are_called_so_and_shown(
    make_clip: MakeClip, settings: Settings, lend: Lend
) -> None:
    lend([5.0] * 24)
    verdict = screen(make_clip(frames=24), settings=settings)
    assert verdict.conclusion == "generated"
    item = next(e for e in verdict.evidence if e.signal == "frames")
    assert item.said.code == "frames.high"
    assert len(item.heat_maps) == frames.HEAT_MAPS
    assert all(len(heat.llrs) == len(heat.llrs[0]) == 14 for heat in item.heat_maps)
    assert verdict.encoder == "made up"
    assert verdict.generated.band == "high"


def test_frames_that_do_not_are_not(make_clip: MakeClip, settings: Settings, lend: Lend) -> None:
    lend([-4.0] * 24)
    verdict = screen(make_clip(frames=24), settings=settings)
    assert verdict.conclusion == "no_sign_of_generation"
    assert (verdict.generated.log_likelihood_ratio or 0) >= -2.0


def test_a_black_clip_is_not_judged(settings: Settings, lend: Lend, tmp_path: Path) -> None:
    lend([-4.0] * 24)
    spec = VideoSpec(width=128, height=128, fps=Fraction(8), time_base=Fraction(1, 8), preset="ultrafast")
    with VideoWriter(tmp_path / "black.mp4", spec) as writer:
        writer.write(Frames.from_rgb(np.zeros((8, 128, 128, 3), np.uint8), pts=np.arange(8, dtype=np.int64)))
    verdict = screen(tmp_path / "black.mp4", settings=settings)
    assert {e.said.code for e in verdict.evidence if e.signal in ("frames", "edits")} == {"frames.blank"}
    assert verdict.conclusion == "inconclusive"


@pytest.mark.parametrize("blank", [0, 255])
def test_blank_frames_say_nothing(make_clip: MakeClip, settings: Settings, lend: Lend, blank: int) -> None:
    llrs = np.array([5.0, 4.5] + [-6.0] * 6 + [5.5] * 8)
    lend(list(llrs))
    clip = Clip(make_clip(frames=16 * 8, size=96), settings)
    clip.samples.normalised[2:8] = blank
    item = examine(frames, clip)
    assert item.llr == 4.6
    assert [segment.llr for segment in item.segments] == pytest.approx(np.maximum(llrs, 0), abs=0.3)
    assert item.said.facts["count"] == "10"
    assert examine(edits, clip).said.code == "edits.whole"
    clip.samples.normalised[2:] = blank
    assert len(examine(frames, clip).heat_maps) == 2
    assert examine(edits, clip).said.code == "edits.few"


def test_a_generated_insert_is_found_and_named(make_clip: MakeClip, settings: Settings, lend: Lend) -> None:
    lend([-3.0] * 7 + [6.0] * 4 + [-3.0] * 5)
    clip = make_clip(frames=16 * 8, size=96)  # sixteen seconds, a sample a second
    verdict = screen(clip, settings=settings)
    item = next(e for e in verdict.evidence if e.signal == "edits")
    assert [(round(s.start), round(s.end)) for s in item.segments] == [(0, 7), (7, 11), (11, 16)]
    assert item.said.code == "edits.part"
    assert verdict.conclusion == "generated"
    assert verdict.said.code == "verdict.part"
    assert "7.0–11.0 s" in verdict.summary


@pytest.mark.parametrize(("height", "count"), [(7.0, 2), (7.0, 3), (5.0, 4)])
def test_a_shot_that_stands_out_among_many_accuses_nobody(
    make_clip: MakeClip, settings: Settings, lend: Lend, height: float, count: int
) -> None:
    lend([-1.5] * 10 + [height] * count + [-1.5] * (14 - count))
    assert fusion_for(settings).part.threshold < height
    verdict = screen(make_clip(frames=24 * 8, size=96), settings=settings)
    assert verdict.conclusion == "inconclusive"


def test_a_weak_change_is_reported_but_accuses_nobody(make_clip: MakeClip, settings: Settings, lend: Lend) -> None:
    lend([-3.0] * 8 + [2.0] * 8)
    verdict = screen(make_clip(frames=16 * 8, size=96), settings=settings)
    item = next(e for e in verdict.evidence if e.signal == "edits")
    assert item.said.code == "edits.changes"
    assert max(s.llr for s in item.segments) < fusion_for(settings).part.threshold
    assert verdict.conclusion == "inconclusive"


@pytest.mark.parametrize("signal", [motion, noise])
def test_heads_that_are_no_better_than_chance_say_so(make_clip: MakeClip, settings: Settings, signal: object) -> None:
    item = examine(signal, Clip(make_clip(), settings))  # type: ignore[arg-type]
    assert item.status == "not_applicable"
    assert item.said.code == "head.rejected"
    assert "AUC" in item.explanation


def test_faces_are_looked_for_but_not_judged(
    make_clip: MakeClip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip(make_clip(size=256), settings)
    assert examine(faces, clip).said.code == "faces.none"
    box = np.array([[60, 60, 140, 150, 0.99], [0, 0, 50, 50, 0.95]], np.float32)
    monkeypatch.setattr(faces, "find_faces", lambda *_: box)
    item = examine(faces, clip)
    assert item.said.code == "faces.unable"
    assert (item.status, item.subject, item.llr) == ("not_applicable", "face_manipulated", None)
    assert faces.face_crops(list(clip.samples.full), settings).shape == (4, faces.CROP, faces.CROP, 3)
    monkeypatch.setattr(faces, "fusion_for", lambda _: fusion_for(settings).model_copy(update={"rejected": {}}))
    assert (faces.applicable(clip), examine(faces, clip).subject) == (say("head.missing"), "face_manipulated")


def test_too_few_frames_are_not_divided(make_clip: MakeClip, settings: Settings, lend: Lend) -> None:
    lend([0.0] * 24)
    assert examine(edits, Clip(make_clip(frames=3), settings)).said.code == "edits.few"


@pytest.mark.usefixtures("quick_look")
def test_a_copy_is_recognised_by_its_looks(make_clip: MakeClip, settings: Settings) -> None:
    source = make_clip(frames=24, size=256)
    assert examine(fingerprint, Clip(source, settings)).said.code == "fingerprint.empty"
    spec = VideoSpec(width=256, height=256, fps=Fraction(8), time_base=Fraction(1, 8))
    with VideoReader(source) as reader:
        origin = Origin("generated", "test model", "1", policy={"action": "allow"})
        seal(reader, spec, source.with_name("sealed.mp4"), origin=origin, settings=settings)
    item = examine(fingerprint, Clip(source, settings))  # the same picture without mark and credentials
    assert item.said.code == "fingerprint.found"
    assert 0 < (item.llr or 0) <= fingerprint.RESEMBLES
    assert examine(fingerprint, Clip(source.with_name("sealed.mp4"), settings)).said.code == "fingerprint.settled"
