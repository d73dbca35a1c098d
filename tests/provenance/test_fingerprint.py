"""The fingerprint: what it survives, what it tells apart, its index, and recovery by it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from drawn_clip import ORIGIN, SPEC, Case, draw
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_watermark import textured_clip

from countermark.core.errors import RegistryError
from countermark.core.media import Frames, Limits, VideoReader, VideoSpec, VideoWriter, transcode
from countermark.core.settings import Settings
from provenance import lookalikes
from provenance import verify as verify_module
from provenance.fingerprint import MAX_DISTANCE, Index, fingerprint, from_value, queries, similarity, to_value
from provenance.lookalikes import find_lookalikes
from provenance.registry import open_registry
from provenance.seal import seal
from provenance.tables import SketchRow
from provenance.verify import verify
from provenance.watermark import Reading
from provenance.watermark.detector import ALGORITHM_ID, SpreadSpectrumDetector


@pytest.fixture(autouse=True)
def quick_fingerprints(quick_decoding: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "queries", partial(verify_module.queries, isolated=False))


@pytest.fixture
def mirrored(tmp_path: Path) -> Path:
    """Another video: the clip upside down, which PDQ does not take for the same."""
    path = tmp_path / "mirrored.mp4"
    with VideoWriter(path, SPEC) as writer:
        for frames in draw():
            writer.write(frames.with_luma(np.ascontiguousarray(frames.luma[:, ::-1])))
    return path


search = partial(queries, limits=Limits.from_settings(Settings()), isolated=False)
take = partial(fingerprint, limits=Limits.from_settings(Settings()), isolated=False)


def test_transcoding_and_scaling_are_survived(case: Case, mirrored: Path, tmp_path: Path) -> None:
    original = take(case.sealed.path)
    assert len(original) == 1  # the clip lasts less than a second
    for number, changes in enumerate(({"crf": 34}, {"crf": 28, "size": (192, 192)})):
        transcode(case.sealed.path, tmp_path / f"{number}.mp4", **changes)
        assert similarity(take(tmp_path / f"{number}.mp4"), original) == 100
    assert similarity(take(mirrored), original) == 0
    assert similarity((), original) == similarity(original, ()) == 0


def test_value_is_hashes_in_hex(case: Case) -> None:
    original = take(case.sealed.path)
    assert from_value(to_value(original)) == original
    with open_registry(case.settings) as registry:
        kept = registry.fingerprint(case.sealed.video_id)
    assert from_value(to_value(kept)) == kept
    assert similarity(kept, original) == 100  # taken before encoding, so not the same bit for bit
    for wrong in ("", "ab", "zz" * 32, b"x" * 33):
        with pytest.raises(ValueError, match=r"fingerprint|non-hex"):
            from_value(wrong)


@hypothesis_settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 400), flips=st.integers(0, 60))
def test_index_finds_exactly_what_is_near(seed: int, count: int, flips: int) -> None:
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 256, (count, 32), dtype=np.uint8)
    query = np.unpackbits(hashes[count // 2] if count else np.zeros(32, np.uint8))
    query[random.choice(256, flips, replace=False)] ^= 1
    packed = np.packbits(query)
    distances = np.unpackbits(hashes ^ packed, axis=1).sum(axis=1) if count else np.empty(0)
    assert set(Index(hashes).near(packed.tobytes())) == set(np.flatnonzero(distances <= MAX_DISTANCE))


def test_copy_without_watermark_is_recovered_by_its_looks_if_asked(case: Case, plain: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    transcode(plain, copy, crf=34)  # the same pictures, never marked
    assert verify(copy, settings=case.settings).conclusion == "no_credentials"
    result = verify(copy, similar=True, settings=case.settings)
    assert (result.conclusion, result.similarity) == ("recovered", 100)
    assert result.recovered is not None
    assert result.recovered.video_id == case.sealed.video_id
    assert result.video_id is None  # that would be the watermark's word
    (finding,) = [f for f in result.findings if f.axis == "recovery"]
    assert (finding.status, finding.code) == ("warn", "countermark.recovery.similar")
    assert "no proof" in finding.message
    assert "resembles" in result.summary
    assert "trust" not in {f.axis for f in result.findings}


def test_mark_too_weak_for_the_register_is_told_from_those_of_lookalikes(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.mp4"
    transcode(case.sealed.path, copy, crf=30)
    result = SpreadSpectrumDetector.result
    monkeypatch.setattr(SpreadSpectrumDetector, "result", lambda self, **_: replace(result(self), payload=None))
    found = verify(copy, settings=case.settings)
    assert (found.conclusion, found.video_id) == ("recovered", case.sealed.video_id)


def test_mark_of_a_cropped_copy_is_found_by_the_sketch_of_the_original(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = textured_clip()  # which moves; a small lively still may not read
    spec = VideoSpec(640, 360, Fraction(24), Fraction(1, 24), crf=8, preset="veryfast")
    sealed = seal([clip], spec, tmp_path / "sealed.mp4", origin=ORIGIN, settings=settings)
    with VideoWriter(tmp_path / "plain.mp4", spec) as writer:
        writer.write(clip)
    none = partial(Reading, ALGORITHM_ID, None, None, 0.0, 17, 0.0)
    monkeypatch.setattr(SpreadSpectrumDetector, "result", lambda *_, **__: none())
    monkeypatch.setattr(SpreadSpectrumDetector, "compare", lambda *_: none())
    for name in ("sealed", "plain"):
        with VideoReader(tmp_path / f"{name}.mp4", isolated=False) as reader:
            frames = Frames.joined(reader)
        part = Frames(frames.luma[:, 18:306, 64:576], frames.chroma[:, :, 9:153, 32:288], frames.pts, frames.colour)
        with VideoWriter(tmp_path / f"{name}-cut.mp4", replace(spec, width=512, height=288)) as writer:
            writer.write(part)
    found = verify(tmp_path / "sealed-cut.mp4", settings=settings)
    assert (found.conclusion, found.video_id) == ("recovered", sealed.video_id)
    assert verify(tmp_path / "plain-cut.mp4", settings=settings).conclusion == "no_credentials"


def test_damaged_sketch_is_an_error_that_names_it(case: Case, mirrored: Path) -> None:
    with open_registry(case.settings) as registry, registry.session("written") as session:
        row = session.get_one(SketchRow, case.sealed.video_id)
        whole, row.data = row.data, b"damaged"
        session.commit()
    try:
        with pytest.raises(RegistryError, match=f"sketch of video {case.sealed.video_id} cannot be read"):
            verify(mirrored, settings=case.settings)
    finally:
        with open_registry(case.settings) as registry, registry.session("written") as session:
            session.get_one(SketchRow, case.sealed.video_id).data = whole
            session.commit()


@pytest.mark.parametrize("cut", [(0.025,) * 4, (0.05, 0, 0, 0), (0.04, 0.04, 0.04, 0.04)])
def test_cropped_copies_are_found_and_others_not(case: Case, plain: Path, mirrored: Path, cut, tmp_path: Path) -> None:
    from benchmarks.fingerprint import cropped

    copy, other = tmp_path / "copy.mp4", tmp_path / "other.mp4"
    cropped(plain, copy, cut)
    cropped(mirrored, other, cut)
    with open_registry(case.settings) as registry:
        found = {alike.entry.video_id: alike.similarity for alike in find_lookalikes(registry, *search(copy))}
        assert found[case.sealed.video_id] == 100  # other tests may have sealed the same pictures again
        assert find_lookalikes(registry, *search(other)) == []


def test_other_videos_are_not_recovered(case: Case, mirrored: Path, settings: Settings) -> None:
    assert verify(mirrored, similar=True, settings=case.settings).conclusion == "no_credentials"
    assert verify(mirrored, similar=True, settings=settings).conclusion == "no_credentials"


def test_doctored_fingerprints_lead_nowhere(case: Case, plain: Path, mirrored: Path, settings: Settings) -> None:
    """Hashes in the registry that the signed manifest does not state are not believed."""
    with open_registry(case.settings) as registry:
        entry, store = registry.find_video(case.sealed.video_id), registry.manifest(case.sealed.video_id)
    settings.keys_dir.mkdir(parents=True)
    for name in ("root.pem",):
        (settings.keys_dir / name).write_bytes((case.settings.keys_dir / name).read_bytes())
    assert entry is not None
    with open_registry(settings) as registry:
        registry.add(entry, store, take(mirrored))
        assert len(find_lookalikes(registry, take(mirrored))) == 1
    assert verify(mirrored, similar=True, settings=settings).conclusion == "no_credentials"


def test_new_and_withdrawn_videos_are_noticed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from test_registry import entry

    random = np.random.default_rng(0)
    prints = [tuple(random.bytes(32) for _ in range(4)) for _ in range(12)]
    monkeypatch.setattr(lookalikes, "_REBUILD_ABOVE", 10)
    with open_registry(settings) as registry:
        for number, hashes in enumerate(prints):
            registry.add(entry(f"{number:016x}"), b"m", hashes)
            (found,) = find_lookalikes(registry, hashes)
            assert (found.entry.video_id, found.similarity) == (f"{number:016x}", 100)
        (found,) = find_lookalikes(registry, (*prints[3][:2], random.bytes(32), random.bytes(32)))
        assert (found.entry.video_id, found.similarity) == (f"{3:016x}", 50)
        assert find_lookalikes(registry, (prints[3][0], random.bytes(32), random.bytes(32))) == []
        registry.withdraw(f"{5:016x}")
        assert find_lookalikes(registry, prints[5]) == []
        registry.erase(f"{6:016x}", manifest=True)
        assert find_lookalikes(registry, prints[6]) == []
        assert find_lookalikes(registry, ()) == []


def test_entries_after_a_withdrawn_one_are_found_by_a_process_that_knew_it(
    plain: Path, settings: Settings, tmp_path: Path
) -> None:
    """SQLite gives them the numbers of those that are gone."""
    for name in ("first.mp4", "second.mp4"):
        sealed = seal(draw(), SPEC, tmp_path / name, origin=ORIGIN, settings=settings)
        with open_registry(settings) as registry:
            assert [alike.entry.video_id for alike in find_lookalikes(registry, *search(plain))] == [sealed.video_id]
            registry.erase(sealed.video_id, manifest=True)
            assert find_lookalikes(registry, *search(plain)) == []
