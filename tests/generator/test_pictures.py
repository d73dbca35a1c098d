from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countermark.core.errors import MediaError, MediaLimitError, UsageError
from countermark.core.media import Frames, Limits, VideoSpec, VideoWriter
from generator.pictures import is_still, outside, read_still, read_video

LIMITS = Limits(max_pixels=512 * 512)


def picture(path: Path, size: tuple[int, int], colours: list[tuple[int, int, int]], **options: object) -> Path:
    """A picture whose columns are equal bands of ``colours``."""
    bands = np.repeat(np.array(colours, np.uint8), -(-size[0] // len(colours)), axis=0)[: size[0]]
    Image.fromarray(np.broadcast_to(bands, (size[1], *bands.shape)).copy()).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_picture_is_scaled_to_cover_and_cut_evenly(tmp_path, suffix):
    path = picture(tmp_path / f"wide.{suffix}", (300, 100), [(250, 0, 0), (0, 250, 0), (0, 0, 250)])
    assert is_still(path)
    frame = read_still(path, 32, 32, LIMITS)
    assert frame.shape == (1, 32, 32, 3)
    assert frame[0, 16, 16, 1] > 200  # the middle band fills the square
    assert frame[0, 16, 1, 1] > 150


def test_a_picture_lies_as_its_camera_was_held(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by half
    path = picture(tmp_path / "turned.jpg", (64, 64), [(250, 0, 0), (0, 0, 250)], exif=exif)
    frame = read_still(path, 64, 64, LIMITS)
    assert frame[0, 32, 8, 2] > 150
    assert frame[0, 32, 56, 0] > 150


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n but no more", b"#!/bin/sh\n", b"GIF89a" + b"\0" * 50])
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="not a picture"):
        read_still(path, 32, 32, LIMITS)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("L", (9000, 9000)).save(path)
    assert path.stat().st_size < 300_000
    with pytest.raises(MediaLimitError, match="pixels"):
        read_still(path, 32, 32, LIMITS)


def clip(path: Path, frames: int, fps: int, rotation: int = 0) -> Path:
    """A clip whose brightness says which frame it is."""
    levels = np.linspace(40, 200, frames).astype(np.uint8)
    rgb = np.broadcast_to(levels[:, None, None, None], (frames, 48, 64, 3)).copy()
    rgb[:, :8] = 0  # a dark bar along the top
    spec = VideoSpec(width=64, height=48, fps=Fraction(fps), time_base=Fraction(1, fps), rotation=rotation)
    with VideoWriter(path, spec) as writer:
        writer.write(Frames.from_rgb(rgb, pts=np.arange(frames)))
    return path


@pytest.mark.parametrize("fps", [6, 12, 25, 30])
def test_a_video_is_read_at_the_models_rate(tmp_path, fps):
    path = clip(tmp_path / "clip.mp4", frames=2 * fps, fps=fps)
    frames = np.concatenate(list(read_video(path, 32, 32, Fraction(12), LIMITS)))
    assert len(frames) == pytest.approx(24, abs=1)
    levels = frames[:, 20, 16, 0].astype(int)
    assert (np.diff(levels) >= 0).all()
    assert np.allclose(levels, np.linspace(levels[0], levels[-1], len(levels)), atol=160 / fps)


@pytest.mark.parametrize("size", [(96, 48), (48, 96), (33, 70), (64, 48)])
def test_a_video_stands_whole_inside_a_picture_of_another_shape(tmp_path, size):
    width, height = size
    path = clip(tmp_path / "c.mp4", 12, 12)
    frame = next(iter(read_video(path, width, height, Fraction(12), LIMITS, inside=True)))[0]
    assert frame.shape == (height, width, 3)
    if size == (64, 48):
        with pytest.raises(UsageError, match="nothing to make around"):
            outside(path, width, height, LIMITS)
        return
    mask = outside(path, width, height, LIMITS)
    rows, columns = (~mask).any(1).nonzero()[0], (~mask).any(0).nonzero()[0]
    assert len(columns) / len(rows) == pytest.approx(64 / 48, abs=0.1)
    assert not mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].any()
    assert frame[rows[0] + 1, width // 2, 0] < 20  # the bar along the top of the given video
    assert frame[rows[-1] - 1, width // 2, 0] > 30


def test_a_long_gap_between_two_frames_is_filled_piece_by_piece(tmp_path):
    spec = VideoSpec(width=64, height=48, fps=Fraction(1), time_base=Fraction(1))
    with VideoWriter(tmp_path / "gap.mp4", spec) as writer:
        writer.write(Frames.from_rgb(np.full((2, 48, 64, 3), 90, np.uint8), pts=np.array([0, 600])))
    lengths = [len(chunk) for chunk in read_video(tmp_path / "gap.mp4", 32, 32, Fraction(12), LIMITS)]
    assert (sum(lengths), max(lengths)) == (7201, 16)


def test_a_turned_video_is_read_upright(tmp_path):
    (frames,) = [next(iter(read_video(clip(tmp_path / "t.mp4", 12, 12, rotation=180), 64, 48, Fraction(12), LIMITS)))]
    assert frames[0, -4, 32, 0] < 20
    assert frames[0, 4, 32, 0] > 30
