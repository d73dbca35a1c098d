"""What is written is what is read: counts, sizes, rates, stamps, colour, geometry, tags and audio."""

from __future__ import annotations

import os
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from media_clips import clip, encode, packets, spec, tones, write

from countermark.core.errors import MediaError, UsageError
from countermark.core.media import (
    Colour,
    Frames,
    VideoReader,
    VideoSpec,
    VideoWriter,
    probe,
    remux_without_metadata,
    transcode,
)
from countermark.core.media.planes import video_frame
from countermark.core.media.round_trip import round_trip


def read(path: Path, **options: object) -> Frames:
    with VideoReader(path, **options) as reader:
        chunks = list(reader)
    return Frames(
        np.concatenate([c.luma for c in chunks]),
        np.concatenate([c.chroma for c in chunks]),
        np.concatenate([c.pts for c in chunks]),
        chunks[0].colour,
    )


def error(one: Frames, other: Frames) -> float:
    return float(
        np.abs(one.luma.astype(int) - other.luma).mean() + np.abs(one.chroma.astype(int) - other.chroma).mean()
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(16, 70),
    height=st.integers(16, 70),
    fps=st.sampled_from([Fraction(30000, 1001), Fraction(24), Fraction(50), Fraction(25, 2)]),
    steps=st.lists(st.integers(1, 20_000), min_size=0, max_size=12),
    first=st.integers(0, 100_000),
    scale=st.sampled_from([25, 1000, 12_800, 30_000, 90_000]),
    chunk=st.integers(1, 5),
)
@example(width=17, height=19, fps=Fraction(24), steps=[1], first=7, scale=90_000, chunk=1)
def test_counts_sizes_and_stamps_survive(
    width: int, height: int, fps: Fraction, steps: list[int], first: int, scale: int, chunk: int
) -> None:
    pts = np.cumsum([first, *steps]).tolist()
    frames = clip(len(pts), width, height, pts=pts)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "clip.mp4", frames, fps=fps, time_base=Fraction(1, scale))
        with VideoReader(path, chunk=chunk, isolated=False) as reader:
            chunks = list(reader)
            info = reader.info
    assert [len(c) for c in chunks[:-1]] == [chunk] * (len(chunks) - 1)
    assert np.concatenate([c.pts for c in chunks]).tolist() == pts
    assert (info.width, info.height) == (width + width % 2, height + height % 2)
    assert info.time_base == Fraction(1, scale)
    assert info.frame_count == len(pts)
    luma = np.concatenate([c.luma for c in chunks])[:, :height, :width]
    assert np.abs(luma.astype(int) - frames.luma).mean() < 4


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libsvtav1"])
def test_odd_sizes_stay_odd_where_the_codec_can_hold_them(tmp_path: Path, codec: str) -> None:
    frames = clip(4, 131, 97)
    path = write(tmp_path / "odd.mp4", frames, codec=codec, crf=20)
    back = read(path)
    assert (back.width, back.height) == (131, 97)
    assert error(back, frames) < 4


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "libsvtav1"])
def test_every_codec_keeps_frames_stamps_and_colour(tmp_path: Path, codec: str) -> None:
    colour = Colour("bt601", full_range=False, primaries=6, transfer=6)
    frames = clip(9, 96, 64, pts=[0, 1, 2, 4, 8, 9, 10, 30, 31], colour=colour)
    path = write(tmp_path / "clip.mp4", frames, codec=codec, crf=20)
    back = read(path)
    assert back.pts.tolist() == frames.pts.tolist()
    assert back.colour == Colour("bt601", full_range=False, primaries=6, transfer=6, coefficients=6)
    assert error(back, frames) < 4


@pytest.mark.skipif(not Path("/proc/self/task").is_dir() or os.geteuid() != 0, reason="takes root on Linux")
def test_av1_encoding_leaves_no_thread_with_real_time_priority(tmp_path: Path) -> None:
    def real_time() -> set[str]:
        tasks = Path("/proc/self/task").iterdir()
        return {task.name for task in tasks if os.sched_getscheduler(int(task.name)) != os.SCHED_OTHER}

    spec, frames = VideoSpec(96, 64, Fraction(24), Fraction(1, 24), codec="libsvtav1"), clip(2, 96, 64)
    assert real_time() == set()
    with VideoWriter(tmp_path / "clip.mp4", spec) as writer:
        writer.write(frames)
        assert real_time() == set()
    round_trip(frames, "libsvtav1", {"crf": "40"})
    assert real_time() == set()


@pytest.mark.parametrize(
    ("colour", "code"),
    [
        (Colour(), 1),
        (Colour("bt709", full_range=True, primaries=1, transfer=13), 1),
        (Colour("bt601", primaries=5, transfer=6), 5),
        (Colour("bt601", primaries=6, transfer=6), 6),
        (Colour("bt2020", primaries=9, transfer=14), 9),
        (Colour("bt601", coefficients=2), 2),
    ],
)
def test_colour_description_survives(tmp_path: Path, colour: Colour, code: int) -> None:
    path = write(tmp_path / "clip.mp4", clip(2, 64, 64, colour=colour))
    expected = Colour(colour.matrix, colour.full_range, colour.primaries, colour.transfer, code)
    info = probe(path)
    assert info.colour == expected
    again = tmp_path / "again.mp4"
    transcode(path, again, preset="ultrafast")
    assert probe(again).colour == expected


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_orientation_survives(tmp_path: Path, rotation: int, mirrored: bool) -> None:
    frames = clip(2, 64, 48)
    info = probe(write(tmp_path / "turned.mp4", frames, rotation=rotation, mirrored=mirrored))
    assert (info.rotation, info.mirrored) == (rotation, mirrored)
    assert (info.width, info.height) == (64, 48)
    with VideoWriter(tmp_path / "again.mp4", VideoSpec.like(info, preset="ultrafast")) as writer:
        writer.write(frames.__class__(frames.luma, frames.chroma, frames.pts))
    with av.open(str(tmp_path / "turned.mp4")) as one, av.open(str(tmp_path / "again.mp4")) as other:
        matrices = [bytes(next(c.decode(video=0)).side_data.get("DISPLAYMATRIX", b"")) for c in (one, other)]
    assert matrices[0] == matrices[1]


def test_shape_of_pixels_and_tags_survive(tmp_path: Path) -> None:
    frames = clip(3, 64, 48)
    path = tmp_path / "tags.mp4"
    tags = {"title": "Ein Märchen", "org.example.id": "77", "comment": "画"}
    with VideoWriter(path, spec(64, 48, sample_aspect_ratio=Fraction(4, 3)), metadata=tags) as writer:
        writer.write(frames)
    info = probe(path)
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert tags.items() <= info.metadata.items()
    assert info.encoder is not None
    assert info.encoder.startswith("x264")
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")  # a player can start before the file is there


@pytest.mark.parametrize("audio_codec", ["aac", "flac"])
def test_audio_is_copied_bit_for_bit_with_its_timing(tmp_path: Path, audio_codec: str) -> None:
    source = tones(tmp_path / "source.mp4", audio_codec, ("deu", 2.0), ("fra", 1.0))
    path = tmp_path / "out.mp4"
    frames = clip(40, 64, 48, pts=[3 + 2 * i for i in range(40)])
    with VideoWriter(path, spec(64, 48, rotation=90), audio_from=source, metadata={"k": "v"}) as writer:
        writer.write(frames)
    before, after = packets(source, "audio"), packets(path, "audio")
    for track in (0, 1):
        # Track 0 of the output is the video.
        assert [p[1:] for p in after if p[0] == track + 1] == [p[1:] for p in before if p[0] == track]
    info = probe(path)
    assert read(path).pts.tolist() == frames.pts.tolist()
    assert info.rotation == 90
    assert info.metadata["k"] == "v"
    assert info.audio is not None
    assert (info.audio.codec, info.audio.sample_rate, info.audio.channels) == (audio_codec, 44100, 1)
    assert info.audio.language == "deu"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "source.mp4"]


def test_remux_drops_tags_and_keeps_every_packet(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    sound = tones(tmp_path / "tone.mp4", "aac", ("deu", 1.0))
    with VideoWriter(source, spec(64, 48, rotation=270), audio_from=sound, metadata={"k": "v"}) as writer:
        writer.write(clip(30, 64, 48))
    copy = tmp_path / "copy.mp4"
    remux_without_metadata(source, copy)
    assert packets(copy, "video") == packets(source, "video")
    assert packets(copy, "audio") == packets(source, "audio")
    info = probe(copy)
    assert set(info.metadata) == {"major_brand", "minor_version", "compatible_brands", "encoder"}
    assert (info.rotation, info.frame_count) == (270, 30)


def test_packets_without_decoding_times_are_copied_too(tmp_path: Path) -> None:
    frames = clip(20, 64, 48)
    source = write(tmp_path / "source.mkv", frames, preset="slow")
    with av.open(str(source)) as container:
        assert next(container.demux(video=0)).dts is None  # what this is about
    copy = tmp_path / "copy.mp4"
    remux_without_metadata(source, copy)
    assert read(copy).pts.tolist() == read(source).pts.tolist() == [40 * i for i in range(20)]


def test_what_a_container_cannot_hold_is_said(tmp_path: Path) -> None:
    source = encode(tmp_path / "clip.gif", clip(3, 64, 48), "gif", "rgb8")
    with pytest.raises(MediaError, match=r"The video of .* \(gif\) has no place in mp4"):
        remux_without_metadata(source, tmp_path / "copy.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["clip.gif"]
    transcode(source, tmp_path / "copy.mp4", preset="ultrafast")
    assert probe(tmp_path / "copy.mp4").frame_count == 3


def test_transcode_scales_and_drops_tags(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    with VideoWriter(source, spec(128, 96), metadata={"k": "v"}) as writer:
        writer.write(clip(10, 128, 96))
    transcode(source, tmp_path / "small.mp4", crf=28, preset="ultrafast", size=(64, 48))
    info = probe(tmp_path / "small.mp4")
    assert (info.width, info.height, info.frame_count) == (64, 48, 10)
    assert "k" not in info.metadata


@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv422p", "yuv420p10le", "yuvj420p"])
def test_other_pixel_formats_become_420_in_the_same_range(tmp_path: Path, pixel_format: str) -> None:
    frames = clip(3, 64, 48)
    full = pixel_format == "yuvj420p"
    path = encode(tmp_path / "clip.mp4", frames, "libx264", pixel_format, color_range=2 if full else 1, colorspace=1)
    with av.open(str(path)) as container:
        expected = [f.reformat(format="gray" if full else "yuv420p") for f in container.decode(video=0)]
    back = read(path)
    assert back.colour.full_range is full
    assert probe(path).pixel_format == pixel_format
    rows = [np.frombuffer(f.planes[0], np.uint8).reshape(-1, f.planes[0].line_size)[:48, :64] for f in expected]
    assert np.abs(back.luma.astype(int) - np.stack(rows)).mean() < 1


@pytest.mark.parametrize("pixel_format", ["bgr0", "gray"])
def test_rgb_and_grey_pictures_are_read(tmp_path: Path, pixel_format: str) -> None:
    frames = clip(3, 63, 47)
    path = encode(tmp_path / "clip.mkv", frames, "ffv1", pixel_format)
    back = read(path)
    assert (back.width, back.height, back.colour.matrix) == (63, 47, "bt709" if pixel_format == "bgr0" else "bt601")
    if pixel_format == "bgr0":
        assert np.abs(back.to_rgb().astype(int) - frames.to_rgb()).mean() < 6
    else:
        assert np.abs(back.luma.astype(int) - frames.luma).mean() < 3
        assert np.all(back.chroma == 128)


def test_hdr_is_recognised(tmp_path: Path) -> None:
    tags = {"color_primaries": 9, "colorspace": 9, "color_range": 1}
    for transfer, hdr in ((16, True), (18, True), (14, False)):
        path = encode(
            tmp_path / f"{transfer}.mp4", clip(5, 64, 48), "libx265", "yuv420p10le", color_trc=transfer, **tags
        )
        info = probe(path)
        assert info.hdr is hdr
        assert info.colour.transfer == transfer


def test_parts_of_a_video(tmp_path: Path) -> None:
    frames = clip(60, 64, 48)
    path = write(tmp_path / "clip.mp4", frames)
    assert read(path, start=1.0, stop=1.4).pts.tolist() == list(range(25, 35))
    assert read(path, stride=7).pts.tolist() == list(range(0, 60, 7))
    assert read(path, start=0.4, stride=5, max_frames=3).pts.tolist() == [10, 15, 20]
    assert read(path, max_frames=2, chunk=1, isolated=False).pts.tolist() == [0, 1]
    with VideoReader(path, start=10.0) as reader:
        assert list(reader) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".frag.mp4", ".flv"])
def test_a_start_is_exact_in_every_container(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    options = {"movflags": "frag_keyframe+empty_moov"} if suffix == ".frag.mp4" else {}
    frames = clip(100, 64, 48)
    with av.open(str(path), "w", container_options=options) as container:
        groups = {"preset": "medium", "x264-params": "keyint=13:min-keyint=13:bframes=3:scenecut=0"}
        stream = container.add_stream("libx264", rate=25, options=groups)
        stream.width, stream.height = 64, 48
        for index, (luma, chroma) in enumerate(zip(frames.luma, frames.chroma, strict=True)):
            frame = video_frame(luma, chroma)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    everything = read(path, isolated=False)
    assert len(everything) == 100
    for first in (1, 26, 38, 51, 64, 77, 99):
        part = read(path, isolated=False, start=first / 25, max_frames=1)
        assert part.pts.tolist() == [everything.pts[first]]
        assert np.array_equal(part.luma[0], everything.luma[first])


@pytest.mark.parametrize("name", ["a:b.mp4", "-rf %03d.mp4", "http:x.mp4", "画 'ü'.mp4", "x" * 230 + ".mp4"])
def test_any_file_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    sound = tones(Path("http:tone.mp4"), "aac", ("deu", 0.2))
    with VideoWriter(name, spec(64, 48), audio_from=sound) as writer:
        writer.write(clip(3, 64, 48))
    assert len(read(Path(name))) == 3


def test_isolated_and_in_process_decoding_agree(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", clip(20, 65, 47))
    one, other = read(path), read(path, isolated=False)
    assert np.array_equal(one.luma, other.luma)
    assert np.array_equal(one.chroma, other.chroma)


def test_a_timeline_that_starts_anywhere_is_read_from_zero(tmp_path: Path) -> None:
    path = tmp_path / "clip.ts"
    with av.open(str(path), "w", container_options={"output_ts_offset": "36000"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index, rgb in enumerate(clip(12, 64, 48).to_rgb()):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert read(path).pts.tolist() == [3600 * i for i in range(12)]
    copy = tmp_path / "copy.mp4"
    remux_without_metadata(path, copy)
    assert read(copy).pts.tolist() == [3600 * i for i in range(12)]


def test_a_live_recording_without_a_duration_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "live.webm"
    with av.open(str(path), "w", container_options={"live": "1"}) as container:
        stream = container.add_stream("libvpx-vp9", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index, rgb in enumerate(clip(25, 64, 48).to_rgb()):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    info = probe(path)
    assert info.frame_count is None
    assert info.duration == pytest.approx(1.0, abs=0.05)


def test_an_edited_video_is_not_called_truncated(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", clip(50, 64, 48))
    cut = tmp_path / "cut.mp4"
    with av.open(str(path)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.dts, packet.pts, packet.stream = packet.dts - 30, packet.pts - 30, stream
                target.mux(packet)
    back = read(cut)
    assert len(back) == probe(cut).frame_count == 20


def test_a_failure_leaves_nothing_and_an_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="elsewhere"), VideoWriter(path, spec(64, 48)) as writer:
        writer.write(clip(3, 64, 48))
        raise RuntimeError("elsewhere")
    with pytest.raises(MediaError, match="No frames"), VideoWriter(path, spec(64, 48)):
        pass
    (tmp_path / "text.mp4").write_text("no audio here")
    with (
        pytest.raises(MediaError, match=r"text\.mp4"),
        VideoWriter(path, spec(64, 48), audio_from=tmp_path / "text.mp4") as writer,
    ):
        writer.write(clip(3, 64, 48))
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "text.mp4"]


def test_frames_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", spec(64, 48)) as writer:
        writer.write(clip(2, 64, 48))
        with pytest.raises(ValueError, match="opened for 64x48"):
            writer.write(clip(2, 48, 64, pts=[2, 3]))
        with pytest.raises(ValueError, match="does not come after"):
            writer.write(clip(2, 64, 48))


def test_wrong_use_of_the_writer(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="suffix"):
        VideoWriter(tmp_path / "out.txt", spec(64, 48))
    with pytest.raises(UsageError, match="webm"):
        VideoWriter(tmp_path / "out.webm", spec(64, 48))
    with pytest.raises(UsageError, match="preset"):
        VideoWriter(tmp_path / "out.mp4", spec(64, 48, preset="warp"))
    with pytest.raises(MediaError, match="cannot be written"):
        VideoWriter(tmp_path / "absent" / "out.mp4", spec(64, 48))
    assert list(tmp_path.iterdir()) == []
