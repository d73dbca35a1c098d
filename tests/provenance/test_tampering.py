"""Files that were changed after they were signed, and manifests that contradict what they are bound to."""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import c2pa
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from drawn_clip import ORIGIN, SIDE, SPEC, Case, draw, make_settings
from found import one, statuses
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from issued import issue

from countermark.core.errors import ManifestError
from countermark.core.media import VideoWriter, transcode
from countermark.core.settings import Settings
from provenance import credentials as credentials_module
from provenance import reader
from provenance.bmff import C2PA_UUID, manifest_store, top_level_boxes
from provenance.credentials import load_or_create_credentials
from provenance.judgement import judge
from provenance.manifest import new_context, sign
from provenance.origin import Origin
from provenance.reader import UnreadableManifestError, read_report
from provenance.registry import RegistryEntry, open_registry
from provenance.statements import SoftBinding, definition
from provenance.trust import Anchors, load_anchors
from provenance.verify import verify
from provenance.watermark import ALGORITHM_ID, Payload, SpreadSpectrum, load_or_create_key

pytestmark = pytest.mark.usefixtures("quick_decoding")


def flipped(case: Case, where: int, bit: int = 0) -> Path:
    data = bytearray(case.sealed.path.read_bytes())
    data[where] ^= 1 << bit
    path = case.folder / "flipped.mp4"
    path.write_bytes(data)
    return path


def box_of(path: Path, kind: bytes) -> tuple[int, int]:
    with path.open("rb") as file:
        box = next(b for b in top_level_boxes(file) if b.kind == kind)
    return box.offset + box.header, box.size - box.header


@pytest.mark.parametrize("position", [0.3, 0.999])
def test_flipped_bit_in_the_media_is_tampered(case: Case, position: float) -> None:
    start, length = box_of(case.sealed.path, b"mdat")
    result = verify(flipped(case, start + int(length * position)), settings=case.settings)
    assert result.conclusion == "tampered"
    assert one(result, "integrity").code == "assertion.bmffHash.mismatch"
    assert statuses(result)["trust"] == {"pass"}  # trust is another question
    assert "changed after it was signed" in result.summary


@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_of_media_or_index_is_noticed(case: Case, data: st.DataObject) -> None:
    """The reader alone, without decoding."""
    anchor = load_or_create_credentials(case.settings).root_pem
    start, length = box_of(case.sealed.path, data.draw(st.sampled_from([b"mdat", b"moov"])))
    path = flipped(case, start + data.draw(st.integers(0, length - 1)), data.draw(st.integers(0, 7)))
    try:
        report = read_report(path, anchor)
    except UnreadableManifestError:
        return
    assert report is not None
    assert not judge(report, anchors=Anchors.local(anchor)).intact


def test_changed_label_is_tampered(case: Case) -> None:
    data = case.sealed.path.read_bytes()
    assert data.count(b'"Label":"1"') == 1
    changed = case.folder / "label.mp4"
    changed.write_bytes(data.replace(b'"Label":"1"', b'"Label":"3"'))
    assert verify(changed, settings=case.settings).conclusion == "tampered"


def test_changed_statement_is_tampered(case: Case) -> None:
    data = case.sealed.path.read_bytes()
    changed = case.folder / "statement.mp4"
    changed.write_bytes(data.replace(b"trainedAlgorithmicMedia", b"trainedAlgorithmicMedla", 1))
    result = verify(changed, settings=case.settings)
    assert result.conclusion == "tampered"
    assert "fail" in statuses(result)["integrity"]


def test_damaged_signature_is_tampered(case: Case) -> None:
    data = bytearray(case.sealed.path.read_bytes())
    at = data.rfind(b"c2pa.signature", 0, box_of(case.sealed.path, b"moov")[0])
    data[at + 60] ^= 0xFF
    changed = case.folder / "signature.mp4"
    changed.write_bytes(data)
    assert verify(changed, settings=case.settings).conclusion == "tampered"


def test_hidden_data_in_a_free_box_is_tampered(case: Case) -> None:
    changed = case.folder / "free.mp4"
    changed.write_bytes(case.sealed.path.read_bytes() + b"\0\0\0\x18free" + b"hidden message  ")
    assert verify(changed, settings=case.settings).conclusion == "tampered"


def test_second_manifest_box_is_tampered(case: Case) -> None:
    store = manifest_store(case.sealed.path)
    assert store is not None
    body = C2PA_UUID + b"\0\0\0\0manifest\0" + b"\0" * 8 + store
    changed = case.folder / "second.mp4"
    changed.write_bytes(case.sealed.path.read_bytes() + struct.pack(">I4s", 8 + len(body), b"uuid") + body)
    assert verify(changed, settings=case.settings).conclusion == "tampered"


def test_a_store_that_the_sdk_passes_over_lends_its_signer_to_nobody(
    case: Case, make: Maker, settings: Settings
) -> None:
    """The SDK does not look into boxes with a size of 64 bits: what stands there is not what it judged."""
    store, stranger = manifest_store(case.sealed.path), make_settings(settings.home.parent / "stranger")
    assert store is not None
    forged = make(
        edit=lambda manifest: manifest.update(label=case.sealed.manifest_id),
        credentials=lambda: load_or_create_credentials(stranger),
    )
    body = C2PA_UUID + b"\0\0\0\0manifest\0" + b"\0" * 8 + store
    ours = struct.pack(">I4sQ", 1, b"uuid", 16 + len(body)) + body
    data = forged.read_bytes()
    start = int.from_bytes(data[:4])  # behind ftyp
    forged.write_bytes(data[:start] + ours + data[start:])
    anchors = load_anchors(case.settings)
    report = read_report(forged, anchors.pem)
    assert report is not None
    assert (report.manifest_id, report.store, report.signed) == (case.sealed.manifest_id, store, None)
    judgement = judge(report, anchors=anchors)
    assert not judgement.trusted
    assert {finding.status for finding in judgement.findings if finding.axis == "trust"} == {"fail"}


@pytest.mark.parametrize(
    "claim",
    [
        None,
        [],
        {"assertions": 5},
        {"assertions": [5]},
        {"assertions": [{}]},
        {"assertions": [{"url": "u", "hash": [1]}]},
    ],
)
def test_a_report_of_another_form_lends_no_signer(case: Case, monkeypatch: pytest.MonkeyPatch, claim: object) -> None:
    documents = reader._documents

    def changed(*arguments: Any) -> tuple[Any, Any]:
        document, judged = documents(*arguments)
        judged["manifests"][case.sealed.manifest_id]["claim"] = claim
        return document, judged

    monkeypatch.setattr(reader, "_documents", changed)
    report = read_report(case.sealed.path, None)
    assert report is not None
    assert report.signed is None
    assert "cannot be compared" in (report.signed_problem or "")


Maker = Callable[..., Path]


@pytest.fixture
def make(settings: Settings, tmp_path: Path) -> Maker:
    """Makes a signed file by hand: a watermark, a soft binding, a signer; each may be at odds with the others."""

    def run(
        *,
        marked: Payload | None = None,
        bound: str | None = None,
        origin: Origin = ORIGIN,
        edit: Callable[[dict[str, Any]], None] | None = None,
        credentials: Callable[[], credentials_module.Credentials] | None = None,
    ) -> Path:
        number = len(list(tmp_path.glob("made-*")))
        source, target = tmp_path / f"source-{number}.mp4", tmp_path / f"made-{number}.mp4"
        key = load_or_create_key(settings.keys_dir, settings.issuer)
        embedder = marked and SpreadSpectrum(key).embedder(marked.to_bits(), width=SIDE, height=SIDE)
        with VideoWriter(source, SPEC) as writer:
            for frames in draw():
                writer.write(embedder.process(frames) if embedder else frames)
        binding = SoftBinding(ALGORITHM_ID, bound or "0" * 16, 700)
        manifest = definition(origin, binding, title="t", file_format="video/mp4", when=datetime.now(UTC))
        if bound is None:
            manifest["assertions"].pop(1)
            manifest["assertions"][0]["data"]["actions"].pop()
        if edit is not None:
            edit(manifest)
        signer = credentials() if credentials else load_or_create_credentials(settings)
        sign(source, target, manifest, signer, origin=origin)
        return target

    return run


def test_manifest_moved_to_another_marked_video_is_tampered(make: Maker, settings: Settings) -> None:
    marked, bound = Payload.new(1), Payload.new(1)
    result = verify(make(marked=marked, bound=bound.video_id), settings=settings)
    assert result.conclusion == "tampered"
    assert one(result, "watermark").code == "countermark.watermark.contradiction"
    assert statuses(result)["integrity"] == {"pass"}


@pytest.mark.parametrize("blocks", [5, True, "text", {"value": "x"}, [7]])
def test_soft_bindings_without_a_list_of_blocks_bind_nothing(make: Maker, settings: Settings, blocks: object) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        manifest["assertions"][1]["data"]["blocks"] = blocks

    try:
        path = make(bound="0" * 16, edit=edit)
    except ManifestError:
        pytest.skip("the SDK does not sign it")
    assert one(verify(path, settings=settings), "watermark").code == "countermark.watermark.absent"


def test_soft_binding_in_base64_is_understood(make: Maker, settings: Settings) -> None:
    payload = Payload.new(1)
    value = base64.b64encode(bytes.fromhex(payload.video_id)).decode()
    result = verify(make(marked=payload, bound=value), settings=settings)
    assert one(result, "watermark").code == "countermark.watermark.match"


def test_watermark_that_the_manifest_does_not_mention_is_a_warning(make: Maker, settings: Settings) -> None:
    result = verify(make(marked=Payload.new(1)), settings=settings)
    assert result.conclusion == "verified"
    assert one(result, "watermark").status == "warn"


def test_promised_watermark_that_is_missing_is_a_warning(make: Maker, settings: Settings) -> None:
    result = verify(make(bound=Payload.new(1).video_id), settings=settings)
    assert one(result, "watermark").code == "countermark.watermark.unread"
    assert one(result, "watermark").status == "warn"


def test_invented_source_type_is_a_warning(make: Maker, settings: Settings) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        manifest["assertions"][0]["data"]["actions"][0]["digitalSourceType"] = "http://example.com/realCamera"

    result = verify(make(edit=edit), settings=settings)
    assert [f.status for f in result.findings if f.code == "countermark.digitalSourceType.unknown"] == ["warn"]


@pytest.mark.parametrize("algorithm", [None, "", "nodot"])
def test_soft_binding_without_a_proper_algorithm_is_a_warning(
    make: Maker, settings: Settings, algorithm: object
) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        manifest["assertions"][1]["data"]["alg"] = algorithm

    result = verify(make(bound="0" * 16, edit=edit), settings=settings)
    assert [f.status for f in result.findings if f.code == "countermark.softBinding.algorithm"] == ["warn"]


def test_certificate_for_time_stamps_is_not_trusted_to_sign(make: Maker, settings: Settings) -> None:
    """The SDK calls this file trusted."""
    path = make(credentials=lambda: issue(settings, usages=[ExtendedKeyUsageOID.TIME_STAMPING]))
    with c2pa.Reader(str(path), context=new_context(load_or_create_credentials(settings).root_pem)) as reader:
        assert reader.get_validation_state() == "Trusted"
    result = verify(path, settings=settings)
    assert result.conclusion == "untrusted"
    assert "time-stamping" in one(result, "trust").message


def test_expiry_is_a_matter_of_time_and_the_registry_can_vouch(make: Maker, settings: Settings) -> None:
    payload = Payload.new(1)
    path = make(
        marked=payload,
        bound=payload.video_id,
        credentials=lambda: issue(settings, usages=[credentials_module.C2PA_CLAIM_SIGNING], seconds=2),
    )
    signed_at = datetime.now(UTC)
    stripped = path.with_name("stripped.mp4")
    transcode(path, stripped, preset="ultrafast")
    # The SDK reads the clock, and validity ends on a whole second.
    time.sleep(max(0.1, 3.2 - (datetime.now(UTC) - signed_at).total_seconds()))

    result = verify(path, settings=settings)
    assert result.conclusion == "untrusted"
    assert statuses(result)["integrity"] == {"pass"}
    assert statuses(result)["trust"] == {"pass"}
    assert statuses(result)["time"] == {"fail"}
    assert "nothing shows" in result.summary

    report = read_report(path, load_or_create_credentials(settings).root_pem)
    assert report is not None
    assert report.signed is not None
    assert report.store is not None
    entry = RegistryEntry(
        video_id=payload.video_id,
        algorithm=ALGORITHM_ID,
        manifest_id=report.manifest_id,
        claim_sha256=report.signed.claim_sha256,
        file_sha256="0" * 64,
        file_bytes=1,
        kind="generated",
        generator="g",
        generator_version="1",
        title="t",
        prompt_sha256=None,
        policy={},
        signer="Test Studio",
        created_at=signed_at,
    )
    with open_registry(settings) as registry:
        registry.add(entry, report.store)
    result = verify(path, settings=settings)
    assert result.conclusion == "verified"
    assert statuses(result)["time"] == {"warn"}
    assert "registry recorded" in one(result, "time").message
    assert verify(stripped, settings=settings).conclusion == "recovered"


def test_broken_parent_is_found_under_a_fresh_signature(make: Maker, settings: Settings, tmp_path: Path) -> None:
    """The SDK calls this file trusted: a new signature over a tampered parent would launder it."""
    parent = make()
    data = bytearray(parent.read_bytes())
    start, length = box_of(parent, b"mdat")
    data[start + length // 2] ^= 1
    tampered = tmp_path / "tampered.mp4"
    tampered.write_bytes(data)
    laundered = make(origin=Origin("protected", "tool", "1", ingredients=(tampered,)))
    with c2pa.Reader(str(laundered), context=new_context(load_or_create_credentials(settings).root_pem)) as reader:
        assert reader.get_validation_state() == "Trusted"
    result = verify(laundered, settings=settings)
    assert result.conclusion == "tampered"
    assert statuses(result)["integrity"] == {"pass"}
    finding = one(result, "ingredients")
    assert finding.status == "fail"
    assert "tampered.mp4" in finding.message
    again = make(origin=Origin("protected", "tool", "1", ingredients=(laundered,)))
    assert verify(again, settings=settings).conclusion == "tampered"  # at any depth


def test_stranger_parent_is_a_warning(make: Maker, settings: Settings, tmp_path: Path) -> None:
    stranger = make_settings(tmp_path / "stranger")
    parent = make(credentials=lambda: load_or_create_credentials(stranger))
    result = verify(make(origin=Origin("protected", "tool", "1", ingredients=(parent,))), settings=settings)
    assert result.conclusion == "verified"
    assert one(result, "ingredients").status == "warn"


def test_it_never_says_fake_or_not_ai(
    case: Case, plain: Path, transcoded: Path, make: Maker, settings: Settings
) -> None:
    start, _ = box_of(case.sealed.path, b"mdat")
    results = [
        verify(path, settings=case.settings)
        for path in (case.sealed.path, plain, transcoded, flipped(case, start + 900))
    ]
    results.append(verify(make(), settings=make_settings(case.folder / "elsewhere")))
    for result in results:
        text = " ".join([result.summary, *(f.message for f in result.findings)]).lower()
        for word in ("fake", "not ai", "not generated", "authentic", "genuine", "is real"):
            assert word not in text
