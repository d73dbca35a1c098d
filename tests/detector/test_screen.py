from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_clip import MakeClip
from PIL import Image

import detector.clip
from countermark.core.errors import MediaError, WeightsError
from countermark.core.media import Frames, Limits, VideoReader, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from countermark.service.pictures import write_stills
from detector import Verdict, screen
from detector.clip import Clip, sample_count
from detector.report import summary_lines, write_html
from detector.screen import SIGNALS, Depth, examine
from detector.signals import frames


@pytest.mark.usefixtures("quick_look")
def test_missing_weights_are_said_and_never_pass(make_clip: MakeClip, settings: Settings) -> None:
    verdict = screen(make_clip(), settings=settings)
    item = next(e for e in verdict.evidence if e.signal == "frames")
    assert item.status == "not_applicable"
    assert "`countermark weights fetch`" in item.explanation
    assert verdict.conclusion == "inconclusive"
    assert verdict.generated.probability is None
    assert verdict.encoder is None
    assert verdict.face_manipulated.band == "not_applicable"


@pytest.mark.usefixtures("quick_look")
def test_a_labelled_file_is_called_generated(make_clip: MakeClip, settings: Settings) -> None:
    graph = json.dumps({"1": {"class_type": "KSampler"}})
    steps: list[str] = []
    verdict = screen(
        make_clip(metadata={"prompt": graph}), settings=settings, on_step=lambda name, _: steps.append(name)
    )
    assert verdict.conclusion == "generated"
    assert steps == [signal.NAME for signal in SIGNALS]
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


@pytest.mark.parametrize("content", [b"", b"this is text, not a video\n" * 50])
def test_what_is_no_video_is_an_error(tmp_path: Path, settings: Settings, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError):
        screen(path, settings=settings)


def test_a_picture_is_to_be_verified_not_screened(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "p.png"
    Image.new("RGB", (256, 256)).save(path)
    with pytest.raises(MediaError, match="picture") as caught:
        screen(path, settings=settings)
    assert "Verify" in caught.value.remedy


def test_frames_too_small_are_not_judged(make_clip: MakeClip, settings: Settings) -> None:
    evidence = examine(frames, Clip(make_clip(size=64), settings))
    assert evidence.status == "not_applicable"
    assert "64x64" in evidence.explanation


def test_a_signal_that_fails_is_reported_and_weighs_nothing(
    make_clip: MakeClip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise WeightsError("The head is damaged.", remedy="Reinstall.")

    monkeypatch.setattr(Clip, "encoder", None)
    monkeypatch.setattr(frames, "head_for", broken)
    evidence = examine(frames, Clip(make_clip(), settings))
    assert evidence.status == "failed"
    assert evidence.llr is None
    assert "damaged" in evidence.explanation


def test_samples_are_spread_and_upright(make_clip: MakeClip, settings: Settings) -> None:
    samples = Clip(make_clip(frames=40), settings).samples
    assert samples.normalised.shape == (8, 224, 224, 3)
    assert len(samples.thumbnails) == 8
    assert samples.full.shape == (4, 128, 128, 3)
    assert np.all(np.diff(samples.times) > 0)
    assert 0 <= samples.times[0] < 0.7
    assert 4.0 < samples.times[-1] <= 5.0


def test_of_few_frames_far_between_the_end_is_seen_too(make_clip: MakeClip, settings: Settings) -> None:
    assert Clip(make_clip(frames=23, fps=2), settings).samples.times == pytest.approx(np.arange(0.5, 11.5), abs=0.55)


def test_a_video_is_looked_at_as_a_player_shows_it(settings: Settings, tmp_path: Path) -> None:
    path, rgb = tmp_path / "clip.mp4", np.zeros((8, 64, 96, 3), np.uint8)
    rgb[:, :32, :48] = 200  # the first quarter as coded: turned, it is below, and then at the right
    tick = Fraction(1, 8)
    with VideoWriter(
        path, VideoSpec(width=96, height=64, fps=1 / tick, time_base=tick, rotation=90, mirrored=True)
    ) as writer:
        writer.write(Frames.from_rgb(rgb, pts=np.arange(8, dtype=np.int64)))
    write_stills(path, tmp_path / "thumbnail", tmp_path / "sheet", Limits())
    clip = Clip(path, settings)
    still = np.asarray(Image.open(tmp_path / "thumbnail").convert("RGB"))
    for picture in (clip.samples.full[0], clip.burst.crops[0], still):
        assert picture.shape == (96, 64, 3)
        assert picture[60:, 40:].mean() > 150
        assert picture[:40].mean() < 50


def test_a_clip_of_one_frame_can_be_sampled(make_clip: MakeClip, settings: Settings) -> None:
    assert len(Clip(make_clip(frames=1), settings).samples.times) == 1


def test_a_recording_that_counts_no_frames_is_sampled_by_time(tmp_path: Path, settings: Settings) -> None:
    path, tick = tmp_path / "recorded.webm", Fraction(1, 1000)  # as browsers do
    with av.open(str(path), "w", container_options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=1000)
        stream.width, stream.height, stream.codec_context.time_base = 128, 128, tick
        for index in range(100):
            frame = av.VideoFrame.from_ndarray(np.full((128, 128, 3), 2 * index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = 100 * index, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    clip = Clip(path, settings)
    assert (clip.info.frame_rate, clip.info.frame_count) == (1000, None)
    assert clip.samples.times == pytest.approx(np.arange(0.5, 10), abs=0.11)
    assert np.diff([picture.mean() for picture in clip.samples.thumbnails]) == pytest.approx(20, abs=3)
    assert clip.burst.times == pytest.approx(np.arange(4.5, 5.5, 0.125), abs=0.11)


@pytest.mark.parametrize("stated", [{"duration": 50, "frame_count": None}, {"duration": 5000}, {"frame_count": 999}])
@pytest.mark.parametrize("frames", [2, 40])
def test_a_header_that_overstates_does_not_make_one_frame_stand_for_all(
    make_clip: MakeClip, settings: Settings, monkeypatch: pytest.MonkeyPatch, stated: dict[str, float], frames: int
) -> None:
    opened = []

    def reader(*file: Path, **options: float) -> VideoReader:
        opened.append(file)
        return VideoReader(*file, **options)

    clip = Clip(make_clip(frames=frames), settings)
    clip.info = clip.info.model_copy(update=stated)
    monkeypatch.setattr(detector.clip, "VideoReader", reader)
    assert len(clip.samples.times) >= min(frames, 4)
    assert np.ptp(clip.samples.times) >= 0.75 * (frames - 1) / 8
    assert len(opened) <= 3


def test_what_cannot_be_decoded_is_tried_once(
    make_clip: MakeClip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    monkeypatch.setattr("detector.clip.sample_frames", lambda *_: iter(tried.append(1) or ()))
    clip = Clip(make_clip(), settings)
    for _ in range(3):
        with pytest.raises(MediaError, match="no frame"):
            clip.samples  # noqa: B018
    assert len(tried) == 1


def test_the_number_of_samples_is_bounded() -> None:
    assert [sample_count(d) for d in (0.1, 10, 30, 7200)] == [8, 10, 24, 24]


@pytest.mark.usefixtures("quick_look")
def test_the_page_is_self_contained_and_escapes_what_the_file_says(
    make_clip: MakeClip, settings: Settings, tmp_path: Path
) -> None:
    hostile = "<script>alert(1)</script>"
    path = make_clip(f"{hostile.replace('/', '_')}.mp4", metadata={"encoder": f"ComfyUI {hostile}"})
    verdict = screen(path, settings=settings)
    target = tmp_path / "report.html"
    write_html(verdict, path, target, settings=settings)
    page = target.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert verdict.summary.split(":")[0] in page
    assert "$" not in page.replace("$1", "")


@pytest.mark.usefixtures("quick_look")
def test_the_terminal_summary_has_a_line_for_each_signal(make_clip: MakeClip, settings: Settings) -> None:
    lines = summary_lines(screen(make_clip(), settings=settings))
    assert lines[0].startswith("Inconclusive: ")
    assert len(lines) == 3 + len(SIGNALS)


@pytest.mark.usefixtures("quick_look")
@pytest.mark.parametrize(("depth", "code"), [("settled", "skipped.settled"), ("fast", "skipped.fast")])
def test_the_picture_is_left_alone_once_a_label_settles_it(
    make_clip: MakeClip, settings: Settings, depth: Depth, code: str
) -> None:
    labelled = screen(make_clip(metadata={"software": "ComfyUI 0.3"}), depth=depth, settings=settings)
    assert labelled.conclusion == "generated"
    assert {e.said.code for e in labelled.evidence if e.signal in ("frames", "edits", "faces")} == {code}


@pytest.mark.usefixtures("quick_look")
def test_an_unlabelled_file_is_looked_at_unless_only_the_fast_path_was_asked_for(
    make_clip: MakeClip, settings: Settings
) -> None:
    path = make_clip()
    codes = {e.signal: e.said.code for e in screen(path, depth="settled", settings=settings).evidence}
    assert codes["frames"] == "encoder.missing"
    quick = screen(path, depth="fast", settings=settings)
    assert quick.conclusion == "inconclusive"
    assert quick.said.code == "verdict.fast"
    assert {e.signal for e in quick.evidence if e.status == "measured"} == {"watermark", "container"}


def test_sealed_video_has_a_verified_origin(make_clip: MakeClip, settings: Settings) -> None:
    from fractions import Fraction

    from countermark.core.media import VideoReader, VideoSpec, transcode
    from provenance.origin import Origin
    from provenance.seal import seal

    source = make_clip(frames=24, size=256)
    sealed, copy = source.with_name("sealed.mp4"), source.with_name("copy.mp4")
    spec = VideoSpec(width=256, height=256, fps=Fraction(8), time_base=Fraction(1, 8))
    with VideoReader(source) as reader:
        origin = Origin("generated", "test model", "1", policy={"action": "allow"})
        seal(reader, spec, sealed, origin=origin, settings=settings)
    transcode(sealed, copy, crf=20)  # a clip this smooth keeps little of its mark at high CRF
    for path, depth in ((sealed, "full"), (copy, "full"), (copy, "fast")):
        verdict = screen(path, depth=depth, settings=settings)
        assert verdict.conclusion == "verified_origin", path
        assert "generated by an AI model" in verdict.summary
        assert verdict.generated.band == "high"
