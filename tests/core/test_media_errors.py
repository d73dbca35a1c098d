"""Every kind of bad file gives one clear error that says what is wrong and what to do."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_clips import clip, encode, tones, write

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media import Limits, VideoReader, probe, transcode
from countermark.core.media.extent import declared_size


def remuxed(source: Path, target: Path, **options: str) -> Path:
    with av.open(str(source)) as one, av.open(str(target), "w", container_options=options) as other:
        stream = other.add_stream_from_template(one.streams.video[0])
        for packet in one.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                other.mux(packet)
    return target


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    target = path.with_name(f"cut-{path.name}")
    target.write_bytes(data[: int(len(data) * share)])
    return target


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("whole") / "clip.mp4", clip(100, 64, 48))


def text(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("This is not a video.\n" * 50)
    return path


def empty(folder: Path) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def missing(folder: Path) -> Path:
    return folder / "missing.mp4"


def a_folder(folder: Path) -> Path:
    return folder


def a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def playlist(folder: Path) -> Path:
    write(folder / "piece.mp4", clip(5, 64, 48))
    path = folder / "playlist.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npiece.mp4\n#EXT-X-ENDLIST\n")
    return path


def audio_only(folder: Path) -> Path:
    return tones(folder / "sound.mp4", "aac", ("deu", 0.5))


def headers_only(folder: Path) -> Path:
    data = write(folder / "clip.mp4", clip(5, 64, 48)).read_bytes()
    path = folder / "ftyp.mp4"
    path.write_bytes(data[:64])
    return path


def unknown_codec(folder: Path) -> Path:
    path = write(folder / "clip.mp4", clip(5, 64, 48))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz").replace(b"avcC", b"zzzC"))
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (text, "is not a video that can be read"),
        (empty, r"is empty \(0 bytes\)"),
        (missing, "does not exist"),
        (a_folder, "is a folder"),
        (a_pipe, "is not a regular file"),
        (playlist, "is not a video that can be read"),
        (audio_only, "holds only audio"),
        (headers_only, r"index \(moov\) cannot be read"),
        (unknown_codec, "no decoder here can read"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    path = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    for attempt in (
        lambda: probe(path),
        lambda: VideoReader(path),
        lambda: VideoReader(path, isolated=False),
        lambda: transcode(path, tmp_path / "out.mp4"),
    ):
        with pytest.raises(MediaError, match=says) as caught:
            attempt()
        assert caught.value.code == "media"
        assert caught.value.remedy.endswith(".")
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".frag.mp4"])
@pytest.mark.parametrize("share", [0.97, 0.5])
def test_a_file_cut_short_is_told_from_a_whole_one(tmp_path: Path, whole: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"clip{suffix}"
    if suffix == ".avi":
        encode(path, clip(100, 64, 48), "mpeg4", "yuv420p")
    elif suffix == ".frag.mp4":
        remuxed(whole, path, movflags="frag_keyframe+empty_moov+default_base_moof", frag_duration="400000")
    else:
        remuxed(whole, path, movflags="faststart") if suffix == ".mp4" else remuxed(whole, path)
    probe(path)
    with pytest.raises(MediaError, match=r"cut short or damaged: \d+ of \d+ (frames|bytes)"):
        probe(cut(path, share))


def test_a_truncation_names_the_frames_that_are_there(whole: Path) -> None:
    with pytest.raises(MediaError, match=r"cut short or damaged: (\d+) of 100 frames are in the file") as caught:
        VideoReader(cut(whole, 0.5))
    assert 30 < int(caught.value.cause.split("damaged: ")[1].split(" of ")[0]) < 70


def test_an_index_behind_the_media_is_lost_with_the_end(tmp_path: Path, whole: Path) -> None:
    late = remuxed(whole, tmp_path / "late.mp4")
    with pytest.raises(MediaError, match=r"index \(moov\) cannot be read"):
        probe(cut(late, 0.9))


def test_media_overwritten_with_zeros_raises_after_the_last_readable_frame(tmp_path: Path, whole: Path) -> None:
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    data[middle:] = bytes(len(data) - middle)
    path = tmp_path / "zeros.mp4"
    path.write_bytes(data)
    count = 0
    with pytest.raises(MediaError, match=r"\d+ of 100 frames could be read"), VideoReader(path, chunk=16) as reader:
        for frames in reader:
            count += len(frames)
    assert 10 < count < 90


def test_one_flipped_byte_is_read_through(tmp_path: Path, whole: Path) -> None:
    data = bytearray(whole.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "flipped.mp4"
    path.write_bytes(data)
    with VideoReader(path) as reader:
        assert sum(len(frames) for frames in reader) > 90


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(max_pixels=64 * 48 - 1), "64x48, over the limit"),
        (Limits(max_seconds=3.9), "over the limit of 3.9 s"),
        (Limits(max_bytes=1000), "over the limit of 1000"),
    ],
)
def test_limits_are_kept(whole: Path, limits: Limits, says: str) -> None:
    for attempt in (lambda: probe(whole, limits=limits), lambda: VideoReader(whole, limits, isolated=False)):
        with pytest.raises(MediaLimitError, match=says):
            attempt()
    generous = Limits(max_pixels=64 * 48, max_seconds=4.0, max_bytes=whole.stat().st_size)
    assert probe(whole, limits=generous).frame_count == 100


def test_a_duration_that_lies_is_caught_while_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", clip(50, 64, 48, pts=[i * 10 for i in range(50)]), time_base=Fraction(1, 100))
    data = bytearray(path.read_bytes())
    for box in (b"mvhd", b"tkhd", b"mdhd"):  # version 0: the duration field of each, ISO/IEC 14496-12 section 8
        at = data.index(box) + {b"mvhd": 20, b"tkhd": 24, b"mdhd": 20}[box]
        data[at : at + 4] = struct.pack(">I", 10)
    path.write_bytes(data)
    with pytest.raises(MediaLimitError, match="over the limit of 2 s"), VideoReader(path, Limits(max_seconds=2)) as r:
        list(r)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_never_gives_another_kind_of_error(whole: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        with VideoReader(path, isolated=False) as reader:
            for frames in reader:
                assert frames.luma.shape[1:] == (reader.info.height, reader.info.width)
    except MediaError as error:
        assert error.remedy


@given(content=st.binary(max_size=200), name=st.sampled_from(["mov,mp4", "matroska,webm", "avi", "mpegts"]))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_have_a_declared_size_or_none(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(content)
    size = declared_size(path, name)
    assert size is None or size >= 0
