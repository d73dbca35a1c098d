"""Protecting video that was made elsewhere."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from drawn_clip import FRAMES, SIDE, SPEC, Case, draw

from countermark.core.errors import ManifestError, MediaError, RegistryError, UsageError, WatermarkError
from countermark.core.media import Frames, VideoReader, VideoSpec, VideoWriter, probe, transcode
from countermark.core.settings import Settings
from provenance import protect as protect_module
from provenance.protect import protect
from provenance.registry import Registry, open_registry
from provenance.verify import verify

pytestmark = pytest.mark.usefixtures("quick_decoding")


@pytest.fixture
def source(plain: Path, tmp_path: Path) -> Path:
    path = tmp_path / "holiday.mp4"
    path.write_bytes(plain.read_bytes())
    return path


def luma(path: Path) -> np.ndarray:
    with VideoReader(path, isolated=False) as reader:
        return np.concatenate([frames.luma for frames in reader]).astype(np.float64)


def test_protected_video_is_verified_and_claims_no_making(source: Path, settings: Settings, isolated: None) -> None:
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    sealed = protect(source, settings=settings)
    assert sealed.path == source.with_name("holiday.sealed.mp4")
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    result = verify(sealed.path, settings=settings)
    assert result.conclusion == "verified"
    assert result.manifest is not None
    assert result.manifest.actions == ("c2pa.opened", "c2pa.transcoded", "c2pa.watermarked.bound")
    assert result.manifest.digital_source_type is None
    assert result.manifest.ingredients == ("holiday.mp4",)
    assert "not how it was made" in result.summary
    assert [f.code for f in result.findings if f.axis == "labels"] == ["countermark.labels.none"]
    transcode(sealed.path, source.with_name("shared.mp4"), crf=28)
    assert verify(source.with_name("shared.mp4"), settings=settings).video_id == sealed.video_id


def test_picture_stays_close(source: Path, settings: Settings) -> None:
    sealed = protect(source, settings=settings)
    error = np.mean((luma(source) - luma(sealed.path)) ** 2)
    assert 10 * np.log10(255**2 / error) > 38


def test_timing_geometry_and_tags_are_kept(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "turned.mov"
    spec = replace(SPEC, fps=Fraction(30000, 1001), time_base=Fraction(1, 30000), rotation=90)
    steps = np.cumsum([0, 1001, 1001, 2002, 1001, 1001, 3003, 1001])  # a variable frame rate
    with VideoWriter(path, spec, metadata={"title": "Our trip", "comment": "to the sea", "AIGC": '{"Label":"2"}'}) as w:
        w.write(replace(next(draw(8)), pts=steps))
    sealed = protect(path, settings=settings)
    assert sealed.path.suffix == ".mov"
    info = probe(sealed.path)
    assert info.rotation == 90
    assert info.metadata["title"] == "Our trip"
    assert info.metadata["comment"] == "to the sea"
    assert info.metadata["AIGC"] == '{"Label":"2"}'  # marks that others made are kept
    with VideoReader(sealed.path, isolated=False) as reader:
        pts = np.concatenate([frames.pts for frames in reader])
        assert [Fraction(int(p - pts[0])) * reader.info.time_base for p in pts] == [
            Fraction(int(s), 30000) for s in steps
        ]


def with_audio(path: Path, source: Path) -> Path:
    with av.open(str(path), "w") as container, av.open(str(source)) as original:
        video = container.add_stream_from_template(original.streams.video[0])
        audio = container.add_stream("aac", rate=48000)
        for packet in original.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
        samples = (np.sin(np.arange(1024 * 20) / 20) * 8000).astype(np.int16)
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_audio_is_copied_bit_for_bit(plain: Path, settings: Settings, tmp_path: Path) -> None:
    path = with_audio(tmp_path / "talk.mp4", plain)
    sealed = protect(path, settings=settings)
    assert audio_packets(sealed.path) == audio_packets(path)


def test_credentials_of_the_source_are_kept_as_parent(case: Case, tmp_path: Path) -> None:
    sealed = protect(case.sealed.path, tmp_path / "again.mp4", settings=case.settings)
    assert sealed.video_id != case.sealed.video_id
    result = verify(sealed.path, settings=case.settings)
    assert result.conclusion == "verified"
    assert result.video_id == sealed.video_id  # the newer mark replaces the older
    assert [f.code for f in result.findings if f.axis == "ingredients"] == ["ingredient.manifest.validated"]


def test_a_mark_that_leaves_no_room_for_another_is_named(
    case: Case, source: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(*_: object, **__: object) -> None:
        raise WatermarkError("The watermark does not read back.", remedy="Use more frames.")

    monkeypatch.setattr(protect_module, "seal", unread)
    monkeypatch.setattr(protect_module, "extract", partial(protect_module.extract, isolated=False, search=False))
    with pytest.raises(WatermarkError, match=f"carries our watermark {case.sealed.video_id} already"):
        protect(case.sealed.path, source.with_name("again.mp4"), settings=case.settings)
    with pytest.raises(WatermarkError, match="does not read back"):
        protect(source, settings=settings)


def test_broken_credentials_are_not_laundered(case: Case, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    data = bytearray(case.sealed.path.read_bytes())
    data[data.find(b"mdat") + 500] ^= 1
    path.write_bytes(data)
    with pytest.raises(ManifestError, match="broken"):
        protect(path, settings=settings)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "home") == ["broken.mp4"]


def test_failure_leaves_nothing(source: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise RegistryError("x", remedy="y")

    monkeypatch.setattr(Registry, "add", fail)
    with pytest.raises(RegistryError):
        protect(source, settings=settings)
    monkeypatch.undo()
    assert sorted(p.name for p in source.parent.iterdir() if p.name != "home") == ["holiday.mp4"]
    with open_registry(settings) as registry:
        assert registry.count() == 0


def test_wrong_use_is_refused(source: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="also an input"):
        protect(source, source, settings=settings, overwrite=True)
    with pytest.raises(UsageError, match="cannot be protected"):
        protect(tmp_path / "clip.webm", settings=settings)
    with pytest.raises(UsageError, match="clip, which names no type of file, cannot be protected"):
        protect(tmp_path / "clip", settings=settings)
    for folder in (tmp_path, Path()):
        with pytest.raises(MediaError, match="is a folder"):
            protect(folder, settings=settings)
    with pytest.raises(MediaError):
        protect(tmp_path / "missing.mp4", settings=settings)
    text = tmp_path / "text.mp4"
    text.write_text("hello")
    with pytest.raises(MediaError):
        protect(text, settings=settings)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(source.read_bytes()[:-2000])
    with pytest.raises(MediaError):
        protect(cut, settings=settings)
    assert not (tmp_path / "cut.sealed.mp4").exists()


def test_hdr_is_refused(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "hdr.mp4"
    colour = replace(SPEC.colour, primaries=9, transfer=16)
    with VideoWriter(path, replace(SPEC, colour=colour)) as writer:
        for frames in draw():
            writer.write(replace(frames, colour=colour))
    with pytest.raises(MediaError, match="HDR"):
        protect(path, settings=settings)


def test_result_is_json(source: Path, settings: Settings) -> None:
    record = json.loads(protect(source, settings=settings).model_dump_json())
    assert (record["frames"], record["width"], record["height"]) == (FRAMES, SIDE, SIDE)


def test_what_phones_film_keeps_its_size_timing_orientation_and_sound(settings: Settings, tmp_path: Path) -> None:
    """4K, a variable frame rate, turned by 90 degrees, with sound: a few frames of it."""
    width, height, steps = 3840, 2160, np.array([0, 1001, 4004])
    y, x = np.arange(height)[:, None], np.arange(width)[None]
    noise = np.random.default_rng(0).normal(0, 4, (height, width))
    colourless = np.full((1, 2, height // 2, width // 2), 128, np.uint8)
    spec = VideoSpec(width, height, Fraction(30000, 1001), Fraction(1, 30000), rotation=90, preset="ultrafast")
    with VideoWriter(tmp_path / "silent.mov", spec) as writer:
        for step in steps:
            grey = 120 + 35 * np.sin((x + step / 80) / 90) * np.cos(y / 70) + noise
            writer.write(Frames(grey.clip(16, 235).astype(np.uint8)[None], colourless, np.array([step])))
    path = with_audio(tmp_path / "phone.mov", tmp_path / "silent.mov")
    sealed = protect(path, settings=settings)
    before, after = probe(path), probe(sealed.path)
    assert (after.width, after.height, after.rotation, after.frame_count) == (
        width,
        height,
        before.rotation,
        len(steps),
    )
    assert audio_packets(sealed.path) == audio_packets(path)
    with VideoReader(sealed.path, isolated=False) as reader:
        pts = np.concatenate([frames.pts for frames in reader])
        assert [(int(p - pts[0]) * reader.info.time_base) for p in pts] == [Fraction(int(s), 30000) for s in steps]
    result = verify(sealed.path, settings=settings)
    assert (result.conclusion, result.video_id) == ("verified", sealed.video_id)
