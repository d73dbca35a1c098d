"""Where the manifest goes: a sidecar, an address, and containers that cannot hold one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from drawn_clip import ORIGIN, SPEC, draw

from countermark.core.errors import ManifestError, PolicyRefusedError, RegistryError, UsageError
from countermark.core.media import VideoWriter, probe, transcode
from countermark.core.settings import Settings
from provenance import verify as verify_module
from provenance.bmff import manifest_store, top_level_boxes
from provenance.fetching import FetchError
from provenance.protect import protect
from provenance.registry import Registry, open_registry
from provenance.seal import seal
from provenance.verify import verify

pytestmark = pytest.mark.usefixtures("quick_decoding")


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_sidecar_is_found_beside_the_video_and_binds_its_bytes(settings: Settings, tmp_path: Path, name: str) -> None:
    sealed = seal(draw(), SPEC, tmp_path / name, origin=ORIGIN, settings=settings, delivery="sidecar")
    assert sealed.sidecar == tmp_path / "clip.c2pa"
    assert {p.name for p in tmp_path.iterdir()} == {name, "clip.c2pa", "home"}
    if name.endswith("mp4"):
        assert manifest_store(sealed.path) is None
    result = verify(sealed.path, settings=settings)
    assert result.conclusion == "verified"
    assert result.manifest is not None
    assert not result.manifest.embedded
    assert result.manifest.manifest_id == sealed.manifest_id

    elsewhere = sealed.sidecar.rename(tmp_path / "elsewhere.c2pa")
    assert verify(sealed.path, settings=settings).conclusion == "recovered"
    assert verify(sealed.path, manifest=elsewhere, settings=settings).conclusion == "verified"
    data = bytearray(sealed.path.read_bytes())
    data[len(data) // 2] ^= 1
    sealed.path.write_bytes(data)
    assert verify(sealed.path, manifest=elsewhere, settings=settings).conclusion == "tampered"


def test_an_unknown_delivery_leaves_no_file(settings: Settings, plain: Path, tmp_path: Path) -> None:
    """As remote it would leave a file that says nowhere where its manifest is."""
    with pytest.raises(UsageError, match="no delivery 'side-car'"):
        protect(plain, tmp_path / "out.mp4", settings=settings, delivery="side-car")  # type: ignore[arg-type]
    assert not (tmp_path / "out.mp4").exists()


def test_a_namesakes_sidecar_accuses_nobody(settings: Settings, plain: Path, tmp_path: Path) -> None:
    sealed = seal(draw(), SPEC, tmp_path / "clip.mkv", origin=ORIGIN, settings=settings, delivery="sidecar")
    other, converted = tmp_path / "clip.mov", tmp_path / "clip.mp4"
    other.write_bytes(plain.read_bytes())
    transcode(sealed.path, converted)
    for path, conclusion in ((other, "no_credentials"), (converted, "recovered")):
        result = verify(path, settings=settings)
        assert result.conclusion == conclusion
        (finding,) = [f for f in result.findings if f.axis == "integrity"]
        assert (finding.status, "not of this file" in finding.message) == ("warn", True)
        assert verify(path, manifest=sealed.sidecar, settings=settings).conclusion == "tampered"


def test_unusable_manifest_files_are_clear_errors(settings: Settings, plain: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        verify(plain, manifest=tmp_path / "missing.c2pa", settings=settings)
    junk = tmp_path / "junk.c2pa"
    junk.write_bytes(b"junk" * 100)
    result = verify(plain, manifest=junk, settings=settings)
    assert result.conclusion == "tampered"
    assert [f.code for f in result.findings if f.status == "fail"] == ["countermark.manifest.unreadable"]


def test_a_pair_is_never_replaced_and_never_left_half(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = partial(seal, spec=SPEC, output=tmp_path / "clip.mp4", origin=ORIGIN, settings=settings, delivery="sidecar")
    (tmp_path / "clip.c2pa").write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        run(draw(), overwrite=True)
    assert (tmp_path / "clip.c2pa").read_bytes() == b"precious"
    (tmp_path / "clip.c2pa").unlink()

    def appear(name: str, _detail: str) -> None:
        if name == "register":
            (tmp_path / "clip.mp4").write_bytes(b"precious")

    with pytest.raises(UsageError, match="appeared"):
        run(draw(), on_step=appear)
    assert not (tmp_path / "clip.c2pa").exists()
    (tmp_path / "clip.mp4").unlink()
    monkeypatch.setattr(Registry, "add", lambda *_: (_ for _ in ()).throw(RegistryError("x", remedy="y")))
    with pytest.raises(RegistryError):
        run(draw())
    assert {p.name for p in tmp_path.iterdir()} == {"home"}


def test_remote_manifest_is_named_in_the_file_and_kept_in_the_registry(settings: Settings, tmp_path: Path) -> None:
    run = partial(seal, spec=SPEC, output=tmp_path / "clip.mp4", origin=ORIGIN, delivery="remote")
    with pytest.raises(UsageError, match="address"):
        run(draw(), settings=settings)
    sealed = run(draw(), settings=settings.model_copy(update={"manifest_url": "https://video.example/c2pa/"}))
    assert sealed.remote == f"https://video.example/c2pa/manifests/{sealed.manifest_id}"
    assert manifest_store(sealed.path) is None
    assert sealed.remote.encode() in sealed.path.read_bytes()
    with sealed.path.open("rb") as file:  # the address joins the labels' packet
        assert [box.kind for box in top_level_boxes(file)].count(b"uuid") == 1
    with open_registry(settings) as registry:
        store = registry.manifest(sealed.video_id)
    (tmp_path / "fetched.c2pa").write_bytes(store)
    assert verify(sealed.path, manifest=tmp_path / "fetched.c2pa", settings=settings).conclusion == "verified"
    result = verify(sealed.path, settings=settings)  # nothing is fetched, but the watermark leads to it
    assert result.conclusion == "recovered"
    assert "manifest.inaccessible" in {f.code for f in result.findings}


def test_matroska_is_refused_or_becomes_mp4_on_request(settings: Settings, tmp_path: Path) -> None:
    source = tmp_path / "clip.mkv"
    with VideoWriter(source, SPEC) as writer:
        for frames in draw():
            writer.write(frames)
    with pytest.raises(UsageError, match="cannot be protected") as caught:
        protect(source, settings=settings)
    assert "--remux" in caught.value.remedy
    with pytest.raises(UsageError, match="cannot be embedded"):
        protect(source, tmp_path / "out.mkv", settings=settings, remux=True)
    sealed = protect(source, settings=settings, remux=True)
    assert sealed.path == tmp_path / "clip.sealed.mp4"
    assert "mp4" in probe(sealed.path).format
    result = verify(sealed.path, settings=settings)
    assert result.conclusion == "verified"
    assert result.manifest is not None
    assert result.manifest.ingredients == ("clip.mkv",)


def test_edited_video_needs_policy_parent_and_a_sound_one(settings: Settings, tmp_path: Path) -> None:
    parent = seal(draw(), SPEC, tmp_path / "parent.mp4", origin=ORIGIN, settings=settings).path
    edited = replace(ORIGIN, kind="edited", ingredients=(parent,))
    run = partial(seal, spec=SPEC, output=tmp_path / "edited.mp4", settings=settings)
    with pytest.raises(UsageError, match="has a parent"):
        run(draw(), origin=replace(edited, ingredients=()))
    with pytest.raises(PolicyRefusedError):
        run(draw(), origin=replace(edited, policy={"action": "block"}))
    result = verify(run(draw(), origin=edited).path, settings=settings)
    assert result.conclusion == "verified"
    assert "changed or extended" in result.summary
    data = bytearray(parent.read_bytes())
    data[-2000] ^= 1
    parent.write_bytes(data)
    with pytest.raises(ManifestError, match="broken"):
        run(draw(), origin=edited, overwrite=True)


def test_remote_manifest_is_fetched_only_when_asked(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = settings.model_copy(update={"manifest_url": "https://video.example/v1"})
    sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=place, delivery="remote")
    with open_registry(settings) as registry:
        store = registry.manifest(sealed.video_id)
    asked = []

    def answer(url: str, target: Path, *, limit: int) -> None:
        asked.append(url)
        target.write_bytes(store)

    monkeypatch.setattr(verify_module, "fetch_public", answer)
    assert verify(sealed.path, settings=settings).conclusion == "recovered"
    assert asked == []
    result = verify(sealed.path, fetch=True, settings=settings)
    assert (result.conclusion, asked) == ("verified", [sealed.remote])
    store = b"junk"
    result = verify(sealed.path, fetch=True, settings=settings)
    assert [f.code for f in result.findings if f.axis == "integrity"] == ["countermark.manifest.unreadable"]
    monkeypatch.undo()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.1", 443))])
    with pytest.raises(FetchError, match="not on the public network"):
        verify(sealed.path, fetch=True, settings=settings)
