"""Verification: each conclusion, each axis, and what it must never say."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import c2pa
import numpy as np
import pytest
from drawn_clip import ORIGIN, SPEC, Case, draw, make_settings
from found import one, statuses
from scipy.ndimage import rotate

from countermark.core.errors import CountermarkError, MediaError, RegistryError
from countermark.core.media import VideoReader, VideoWriter, remux_without_metadata
from countermark.core.settings import Settings
from provenance.bmff import manifest_store
from provenance.credentials import load_or_create_credentials
from provenance.manifest import new_context, sign
from provenance.registry import open_registry
from provenance.seal import seal
from provenance.statements import SoftBinding, definition
from provenance.verify import Verification, verify
from provenance.watermark import ALGORITHM_ID, Payload, load_or_create_key

pytestmark = pytest.mark.usefixtures("quick_decoding")


def test_sealed_video_is_verified_on_every_axis(case: Case, isolated: None) -> None:
    result = verify(case.sealed.path, settings=case.settings)
    assert result.conclusion == "verified"
    assert result.video_id == case.sealed.video_id
    assert statuses(result) == {
        "integrity": {"pass"},
        "trust": {"pass"},
        "time": {"info"},
        "watermark": {"pass"},
        "recovery": {"pass"},
        "labels": {"info"},
        "ingredients": {"not_applicable"},
    }
    assert result.manifest is not None
    assert result.manifest.embedded
    assert result.manifest.manifest_id == case.sealed.manifest_id
    assert result.manifest.actions == ("c2pa.created", "c2pa.watermarked.bound")
    assert result.manifest.software == "test-model 1.2"
    assert result.manifest.signer == "Test Studio"
    assert "this machine only" in one(result, "trust").message
    assert "this machine only" in result.summary
    assert "AI model" in result.summary


def test_result_survives_json(case: Case) -> None:
    result = verify(case.sealed.path, settings=case.settings)
    assert Verification.model_validate_json(result.model_dump_json()) == result


def test_stripped_and_transcoded_video_is_recovered(case: Case, transcoded: Path, isolated: None) -> None:
    assert manifest_store(transcoded) is None
    result = verify(transcoded, settings=case.settings)
    assert result.conclusion == "recovered"
    assert result.video_id == case.sealed.video_id
    assert result.recovered is not None
    assert result.recovered.manifest_id == case.sealed.manifest_id
    assert result.manifest is not None
    assert not result.manifest.embedded
    assert result.manifest.software == "test-model 1.2"
    assert one(result, "recovery").code == "countermark.recovery.softBindingsMatched"
    assert one(result, "integrity").status == "not_applicable"  # never "tampered" for what a platform did
    assert "trust" not in {f.axis for f in result.findings}


def test_turned_copy_is_searched_and_recovered(case: Case, tmp_path: Path, isolated: None) -> None:
    path = tmp_path / "turned.mp4"
    with VideoReader(case.sealed.path, isolated=False) as reader, VideoWriter(path, SPEC) as writer:
        for frames in reader:
            writer.write(frames.with_luma(rotate(frames.luma, 7, axes=(1, 2), reshape=False, order=1, cval=16)))
    result = verify(path, settings=case.settings)
    assert (result.conclusion, result.video_id) == ("recovered", case.sealed.video_id)


def test_elsewhere_the_same_file_is_not_trusted(case: Case, tmp_path: Path) -> None:
    result = verify(case.sealed.path, settings=make_settings(tmp_path))
    assert result.conclusion == "untrusted"
    assert statuses(result)["integrity"] == {"pass"}
    assert statuses(result)["trust"] == {"fail"}
    assert one(result, "watermark").code == "countermark.watermark.unread"  # another machine has another key
    assert "no reason to trust" in result.summary


def test_unmarked_video_has_no_credentials(case: Case, plain: Path, isolated: None) -> None:
    result = verify(plain, settings=case.settings)
    assert result.conclusion == "no_credentials"
    assert result.video_id is None
    assert result.manifest is None
    assert {f.status for f in result.findings} == {"not_applicable"}


def test_watermark_that_is_not_registered_names_issuer_and_serial(case: Case, tmp_path: Path, transcoded: Path) -> None:
    other = make_settings(tmp_path)
    key = load_or_create_key(case.settings.keys_dir, case.settings.issuer)
    other.keys_dir.mkdir(parents=True)
    (other.keys_dir / "watermark-0001.key").write_bytes(key.secret)
    (other.keys_dir / "watermark-0001.key").chmod(0o600)
    result = verify(transcoded, settings=other)
    assert result.conclusion == "no_credentials"
    assert result.video_id == case.sealed.video_id
    payload = Payload.from_video_id(case.sealed.video_id)
    watermark = one(result, "watermark")
    assert watermark.status == "info"
    assert f"issuer {payload.issuer}, serial {payload.serial:012x}" in watermark.message
    assert one(result, "recovery").status == "info"
    assert "registry does not know it" in result.summary


def test_credentials_replaced_by_a_stranger_lead_back_to_ours(case: Case, tmp_path: Path, transcoded: Path) -> None:
    stranger = load_or_create_credentials(make_settings(tmp_path))
    claims = replace(ORIGIN, generator="camera")
    manifest = definition(
        claims, SoftBinding("com.example.other", "x", 1), title="t", file_format="video/mp4", when=datetime.now(UTC)
    )
    sign(transcoded, tmp_path / "theirs.mp4", manifest, stranger, origin=claims)
    result = verify(tmp_path / "theirs.mp4", settings=case.settings)
    assert result.conclusion == "recovered"
    assert result.recovered is not None
    assert result.recovered.manifest_id == case.sealed.manifest_id
    assert result.manifest is not None
    assert (result.manifest.manifest_id, result.manifest.embedded) == (case.sealed.manifest_id, False)
    assert "own credentials are not trusted here" in result.summary
    assert one(result, "watermark").status == "warn"
    assert statuses(result)["trust"] == {"fail"}


def test_a_manifest_under_the_name_of_ours_is_not_ours(case: Case, tmp_path: Path, transcoded: Path) -> None:
    stranger = load_or_create_credentials(make_settings(tmp_path))
    claims = replace(ORIGIN, generator="camera")
    binding = SoftBinding(ALGORITHM_ID, case.sealed.video_id, 700)
    manifest = definition(claims, binding, title="t", file_format="video/mp4", when=datetime.now(UTC))
    manifest["label"] = case.sealed.manifest_id
    sign(transcoded, tmp_path / "theirs.mp4", manifest, stranger, origin=claims)
    result = verify(tmp_path / "theirs.mp4", settings=case.settings)
    assert result.conclusion == "recovered"
    assert one(result, "recovery").code == "countermark.recovery.softBindingsMatched"
    assert result.manifest is not None
    assert result.manifest.software == "test-model 1.2"


def test_a_copy_whose_manifest_was_erased_has_no_credentials(settings: Settings, tmp_path: Path) -> None:
    sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    stripped = tmp_path / "stripped.mp4"
    remux_without_metadata(sealed.path, stripped)
    with open_registry(settings) as registry:
        registry.erase(sealed.video_id, manifest=True)
    result = verify(stripped, settings=settings)
    assert result.conclusion == "no_credentials"
    assert (one(result, "recovery").status, one(result, "recovery").code) == ("info", "countermark.recovery.erased")
    assert "erased" in result.summary
    whole = verify(sealed.path, settings=settings)  # nothing leads back to it any more, and nobody says so
    assert (whole.conclusion, one(whole, "recovery").code) == ("verified", "countermark.recovery.erased")
    assert verify(stripped, similar=True, settings=settings).conclusion == "no_credentials"


def test_registry_entry_with_a_doctored_manifest_is_not_believed(case: Case, tmp_path: Path, transcoded: Path) -> None:
    settings = make_settings(tmp_path)
    settings.home.mkdir()
    for name in ("keys", "registry.db"):
        source = case.settings.home / name
        if source.is_dir():
            (settings.home / name).mkdir(mode=0o700)
            for file in source.iterdir():
                (settings.home / name / file.name).write_bytes(file.read_bytes())
                (settings.home / name / file.name).chmod(0o600)
    with open_registry(case.settings) as registry:
        entry = registry.find(ALGORITHM_ID, case.sealed.video_id)
        store = registry.manifest(case.sealed.video_id)
    assert entry is not None
    with open_registry(settings) as registry:
        registry.add(entry, store.replace(b"test-model", b"best-model"))
    result = verify(transcoded, settings=settings)
    assert result.conclusion == "no_credentials"
    assert one(result, "recovery").status == "fail"
    with open_registry(settings) as registry:
        registry.withdraw(entry.video_id)
        # Somebody else's manifest under this watermark: authentic, but bound to another payload.
        registry.add(entry.model_copy(update={"video_id": "1001" + "0" * 12}), store)
    with sqlite3.connect(settings.home / "registry.db") as database:
        database.execute("UPDATE seals SET video_id = ?", (Payload.new(1).video_id,))
    assert verify(transcoded, settings=settings).conclusion == "no_credentials"


def test_remote_credentials_are_not_fetched(settings: Settings, plain: Path, tmp_path: Path) -> None:
    made = load_or_create_credentials(settings)
    binding = SoftBinding(ALGORITHM_ID, "0" * 16, 700)
    manifest = definition(ORIGIN, binding, title="t", file_format="video/mp4", when=datetime.now(UTC))
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, made.chain_pem.encode(), made.key_pem.encode(), None)
    path = tmp_path / "remote.mp4"
    with (
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(manifest, new_context(made.root_pem)) as builder,
        plain.open("rb") as source,
        path.open("w+b") as target,
    ):
        builder.set_no_embed()
        builder.set_remote_url("http://127.0.0.1:9/manifest.c2pa")
        builder.sign(signer, "video/mp4", source, target)
    result = verify(path, settings=settings)
    assert result.conclusion == "no_credentials"
    assert one(result, "integrity").code == "manifest.inaccessible"


def test_what_cannot_be_read_is_a_media_error(settings: Settings, case: Case, tmp_path: Path) -> None:
    data = case.sealed.path.read_bytes()
    contents = {
        "text.mp4": b"hello, this is text",
        "empty.mp4": b"",
        "half.mp4": data[: len(data) // 2],
        "last byte gone.mp4": data[:-1],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(MediaError):
            verify(tmp_path / name, settings=settings)
    with pytest.raises(CountermarkError):
        verify(tmp_path / "missing.mp4", settings=settings)


def test_broken_registry_is_said_and_not_passed_over(settings: Settings, plain: Path) -> None:
    settings.home.mkdir()
    (settings.home / "registry.db").write_bytes(b"junk" * 1000)
    with pytest.raises(RegistryError):
        verify(plain, settings=settings)


def test_frames_too_small_for_a_watermark_are_still_verified(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "small.mp4"
    with VideoWriter(path, replace(SPEC, width=32, height=32)) as writer:
        for frames in draw(side=32):
            writer.write(frames)
    result = verify(path, settings=settings)
    assert result.conclusion == "no_credentials"
    assert one(result, "watermark").code == "countermark.watermark.unsupported"


@pytest.mark.parametrize(("length", "looked_at"), [(480, 480), (800, 624)])
def test_every_frame_of_a_short_unmarked_video_is_looked_at_and_some_of_a_long_one(
    settings: Settings, tmp_path: Path, length: int, looked_at: int
) -> None:
    path = tmp_path / "long.mp4"
    still = next(draw(8, side=128))
    with VideoWriter(path, replace(SPEC, width=128, height=128)) as writer:
        for start in range(0, length, 8):
            writer.write(replace(still, pts=np.arange(start, start + 8)))
    result = verify(path, settings=settings)
    assert result.conclusion == "no_credentials"
    assert f"{looked_at} frames" in one(result, "watermark").message
