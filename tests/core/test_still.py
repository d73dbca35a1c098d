"""Pictures as videos of one frame: read in the confined child, written by us, and what is refused."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from countermark.core.errors import MediaError, MediaLimitError, UsageError
from countermark.core.media import Frames, Limits, StillWriter, VideoReader, VideoSpec, names_still, probe

WIDTH, HEIGHT = 60, 41


def picture(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 4 % 256, y * 5 % 256, 255 - x * 2 % 256], axis=-1).astype(np.uint8))


def frame(path: Path, **changes: int) -> np.ndarray:
    with VideoReader(path, Limits(**changes)) as reader:
        (frames,) = list(reader)
    assert len(frames) == 1
    return frames.to_rgb()[0]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_a_video_of_one_frame(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "p"  # the name says nothing
    picture().save(path, kind, **({"lossless": True} if kind == "WEBP" else {}))
    info = probe(path)
    assert (info.still, info.format, info.width, info.height) == (True, kind.lower(), WIDTH, HEIGHT)
    assert (info.frame_count, info.duration, info.metadata) == (1, 0.0, {})
    assert np.abs(frame(path).astype(int) - np.asarray(picture())).mean() < 6  # colour is halved, luma is not


def test_orientation_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(path, exif=exif, quality=95)
    assert frame(path).shape == (WIDTH, HEIGHT, 3)


def test_grey_of_16_bits_keeps_its_shades(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    grey = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint16)
    Image.fromarray(grey).save(path)
    assert np.abs(frame(path)[..., 0].astype(int) - grey // 256).max() <= 2


@pytest.mark.parametrize("name", ["p.png", "p.jpg", "P.JPEG"])
def test_what_is_written_reads_back(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    written = Frames.from_rgb(np.asarray(picture())[None], pts=np.zeros(1, np.int64))
    spec = VideoSpec(WIDTH, HEIGHT, Fraction(1), Fraction(1))
    assert names_still(path)
    with StillWriter(path, spec) as writer:
        writer.write(written)
    with VideoReader(path, isolated=False) as reader:
        (read,) = list(reader)
    difference = np.abs(read.luma.astype(int) - written.luma)
    assert difference.mean() < (0.5 if name == "p.png" else 3)


def test_a_picture_takes_one_frame_and_leaves_nothing_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    spec = VideoSpec(WIDTH, HEIGHT, Fraction(1), Fraction(1))
    two = Frames.from_rgb(np.stack([np.asarray(picture())] * 2), pts=np.arange(2))
    with pytest.raises(UsageError, match="one frame"), StillWriter(path, spec) as writer:
        writer.write(two[:1])
        writer.write(two[1:])
    with pytest.raises(MediaError, match="No frames"), StillWriter(path, spec):
        pass
    with pytest.raises(UsageError):
        StillWriter(tmp_path / "p.gif", spec)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_picture_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(b"mine")
    two = Frames.from_rgb(np.stack([np.asarray(picture())] * 2), pts=np.arange(2))
    with pytest.raises(UsageError), StillWriter(path, VideoSpec(WIDTH, HEIGHT, Fraction(1), Fraction(1))) as writer:
        writer.write(two[:1])
        writer.write(two[1:])
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("p.png", b"mine")]


def test_a_picture_that_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.mkdir()
    spec = VideoSpec(WIDTH, HEIGHT, Fraction(1), Fraction(1))
    with pytest.raises(MediaError, match="could not be written"), StillWriter(path, spec) as writer:
        writer.write(Frames.from_rgb(np.asarray(picture())[None], pts=np.arange(1)))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_is_cut_short_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "p"
    picture(200, 200).save(path, kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match="not a picture that can be read"):
        probe(path)


def test_what_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    picture().save(path)
    with pytest.raises(MediaLimitError, match="pixels"):
        frame(path, max_pixels=WIDTH * HEIGHT - 1)
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)
    with pytest.raises(MediaLimitError, match="pixels"):
        probe(bomb)


def test_animated_pictures_are_refused(tmp_path: Path) -> None:
    for kind in ("PNG", "WEBP"):
        path = tmp_path / "p"
        other = Image.new("RGB", (WIDTH, HEIGHT), (200, 0, 0))
        picture().save(path, kind, save_all=True, append_images=[other])
        with pytest.raises(MediaError, match="animated"):
            probe(path)


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    damage=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8),
)
def test_damage_is_a_media_error_and_nothing_else(tmp_path: Path, kind: str, damage: list[tuple[int, int]]) -> None:
    buffer = io.BytesIO()
    picture().save(buffer, kind)
    data = bytearray(buffer.getvalue())
    for at, value in damage:
        data[12 + at % (len(data) - 12)] = value
    path = tmp_path / "p"
    path.write_bytes(data)
    try:
        assert frame(path).ndim == 3
    except MediaError as error:
        assert error.cause
        assert error.remedy
