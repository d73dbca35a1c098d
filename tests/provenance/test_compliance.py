"""Regional labels: what a file carries, what it lacks, and the label that people see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_clip import ORIGIN, SPEC, Case, draw

from countermark.core.errors import ConfigurationError, UsageError
from countermark.core.media import Frames, VideoSpec, transcode
from countermark.core.settings import Settings
from provenance import visible
from provenance.compliance import PROFILES, check_compliance
from provenance.labels import read_labels
from provenance.protect import protect
from provenance.seal import seal
from provenance.verify import verify
from provenance.visible import MIN_HEIGHT, VisibleLabel, labelled

pytestmark = pytest.mark.usefixtures("quick_decoding")


@pytest.fixture
def label(settings: Settings) -> VisibleLabel:
    try:
        found = VisibleLabel.from_settings(settings.model_copy(update={"visible_label": "AI"}))
    except ConfigurationError:
        pytest.skip("no font is installed")
    assert found is not None
    return found


def missing(path: Path, settings: Settings, *profiles: str) -> list[tuple[str, str]]:
    found = check_compliance(path, profiles or PROFILES, settings=settings)
    return [(item.profile, item.name) for item in found.requirements if not item.present]


def test_sealed_video_lacks_only_what_is_optional(case: Case) -> None:
    assert missing(case.sealed.path, case.settings) == [
        ("eu", "first layer: time-stamped"),
        ("cn", "explicit: text at the start of the video"),
        ("in", "prominent label"),
    ]


def test_visible_label_is_stated_and_read_back(label: VisibleLabel, settings: Settings, tmp_path: Path) -> None:
    wanted = settings.model_copy(update={"visible_label": label.text})
    sealed = seal(draw(), replace(SPEC, crf=14), tmp_path / "o.mp4", origin=ORIGIN, settings=wanted)
    assert verify(sealed.path, settings=settings).conclusion == "verified"
    assert missing(sealed.path, settings, "cn", "in", "kr") == []
    assert check_compliance(sealed.path, ["cn"], settings=settings).complete


def test_what_a_platform_strips_is_missing(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "transcoded.mp4"
    transcode(case.sealed.path, path, crf=28)
    lacking = missing(path, case.settings)
    assert ("eu", "first layer: digitally signed metadata") in lacking
    assert ("cn", "implicit: AIGC record in the container") in lacking
    assert ("iptc", "DigitalSourceType in XMP") in lacking
    assert ("eu", "second layer: imperceptible watermark") not in lacking
    assert ("in", "permanent metadata with a unique identifier") not in lacking


def test_unsigned_statements_do_not_count(case: Case, tmp_path: Path) -> None:
    data = bytearray(case.sealed.path.read_bytes())
    data[-1500] ^= 1
    path = tmp_path / "tampered.mp4"
    path.write_bytes(data)
    lacking = missing(path, case.settings, "us-ca", "eu")
    assert ("us-ca", "latent: name of the provider") in lacking
    assert ("eu", "machine-readable statement that it is generated") in lacking


def test_protected_video_states_nothing(plain: Path, settings: Settings, tmp_path: Path) -> None:
    wanted = settings.model_copy(update={"visible_label": "AI"})
    sealed = protect(plain, tmp_path / "p.mp4", settings=wanted)
    lacking = missing(sealed.path, settings)
    assert ("kr", "machine-readable or visible label") in lacking
    assert ("cn", "explicit: text at the start of the video") in lacking


def test_a_second_record_is_noticed(case: Case, tmp_path: Path) -> None:
    data = case.sealed.path.read_bytes()
    path = tmp_path / "two.mp4"
    path.write_bytes(data.replace(b"mdtaAIGC", b"mdtaAIGC", 1))
    tags = {"AIGC": json.dumps({"Label": "1"})}
    assert read_labels(path, tags).aigc_records == 1
    path.write_bytes(data.replace(b"isomiso2avc1mp41", b"mdtaAIGCavc1mp41", 1))  # outside the index it is no record
    assert read_labels(path, tags).aigc_records == 1
    start = data.index(b"mvhd")
    path.write_bytes(data[: start + 20] + b"mdtaAIGC" + data[start + 28 :])
    assert read_labels(path, tags).aigc_records == 2


def test_unknown_profiles_are_refused(case: Case) -> None:
    for profiles in (["eu", "mars"], []):
        with pytest.raises(UsageError, match="no profile"):
            check_compliance(case.sealed.path, profiles, settings=case.settings)


def changed(before: Frames, after: Frames) -> np.ndarray:
    return np.abs(after.luma.astype(int) - before.luma) > 60


@pytest.mark.parametrize(("rotation", "mirrored"), [(0, False), (90, False), (180, True), (270, False)])
def test_label_is_upright_large_enough_and_only_at_the_start(
    label: VisibleLabel, rotation: int, mirrored: bool
) -> None:
    width, height, count = 320, 200, 60
    grey = Frames(
        np.full((count, height, width), 100, np.uint8),
        np.full((count, 2, height // 2, width // 2), 90, np.uint8),
        np.arange(count),
    )
    spec = VideoSpec(width, height, SPEC.fps, SPEC.time_base, rotation=rotation, mirrored=mirrored)
    (after,) = labelled(iter([grey]), spec, replace(label, seconds=2.0))
    assert after.luma.shape == grey.luma.shape
    touched = (after.luma != grey.luma).any(axis=(1, 2))
    assert touched[:48].all()
    assert not touched[48:].any()  # 24 frames a second
    shown = np.rot90(changed(grey, after)[0], rotation // 90)
    if mirrored:
        shown = np.fliplr(shown)
    rows, columns = np.nonzero(shown)
    assert rows.max() < shown.shape[0] / 3
    assert columns.min() < shown.shape[1] / 4
    assert rows.max() - rows.min() + 1 >= MIN_HEIGHT * min(width, height)
    assert columns.max() - columns.min() > 0.6 * (rows.max() - rows.min())  # "AI" lies, it does not stand
    assert abs(int(after.chroma[0].max()) - 90) <= 38


def test_fonts_must_be_able_to_show_the_words(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert VisibleLabel.from_settings(settings) is None
    monkeypatch.setattr(visible, "_FOLDERS", (str(tmp_path),))
    with pytest.raises(ConfigurationError, match="No font"):
        VisibleLabel.from_settings(settings.model_copy(update={"visible_label": "AI生成"}))
    (tmp_path / "junk.ttf").write_bytes(b"junk")
    chosen = {"visible_label": "AI", "visible_label_font": tmp_path / "junk.ttf"}
    with pytest.raises(ConfigurationError, match="not a usable font"):
        VisibleLabel.from_settings(settings.model_copy(update=chosen))


def test_a_broken_manifest_states_no_label(label: VisibleLabel, settings: Settings, tmp_path: Path) -> None:
    wanted = settings.model_copy(update={"visible_label": label.text})
    sealed = seal(draw(), replace(SPEC, crf=14), tmp_path / "o.mp4", origin=ORIGIN, settings=wanted)
    data = bytearray(sealed.path.read_bytes())
    data[-1500] ^= 1
    sealed.path.write_bytes(data)
    assert ("cn", "explicit: text at the start of the video") in missing(sealed.path, settings, "cn")
