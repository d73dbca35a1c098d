"""Labels in the container."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

from drawn_clip import ORIGIN, Case
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from countermark.core.media import probe
from provenance.labels import AIGC_KEY, append_xmp, container_metadata, read_labels
from provenance.origin import Origin
from provenance.statements import TRAINED_ALGORITHMIC_MEDIA

PROTECTED = Origin(kind="protected", generator="countermark", version="1")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def test_sealed_video_carries_both_labels(case: Case) -> None:
    labels = read_labels(case.sealed.path, probe(case.sealed.path).metadata)
    assert labels.aigc_problem is None
    assert labels.aigc is not None
    assert labels.aigc["Label"] == "1"
    assert labels.aigc["ContentProducer"] == "Test_Studio"
    assert labels.aigc["ProduceID"] == case.sealed.video_id
    assert labels.digital_source_type == TRAINED_ALGORITHMIC_MEDIA


def test_label_is_there_exactly_once(case: Case) -> None:
    assert case.sealed.path.read_bytes().count(b'"ProduceID"') == 1


@hypothesis_settings(max_examples=25)
@given(st.text(max_size=80))
def test_aigc_record_has_seven_keys_and_only_allowed_characters(producer: str) -> None:
    text = container_metadata(ORIGIN, video_id="10010000000000aa", producer=producer)[AIGC_KEY]
    record = json.loads(text)
    assert list(record) == [
        "Label",
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    ]
    for value in record.values():
        assert re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]*", value)


def test_video_made_elsewhere_gets_no_label(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.mp4"
    path.write_bytes(plain.read_bytes())
    append_xmp(path, PROTECTED, title="t")
    assert path.read_bytes() == plain.read_bytes()
    assert container_metadata(PROTECTED, video_id="1", producer="x") == {}


def test_title_cannot_break_out_of_the_packet(plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(plain.read_bytes())
    append_xmp(path, ORIGIN, title="</rdf:li><Iptc4xmpExt:DigitalSourceType>digitalCapture & more")
    assert read_labels(path, {}).digital_source_type == TRAINED_ALGORITHMIC_MEDIA
    assert path.read_bytes().count(b"Iptc4xmpExt:DigitalSourceType=") == 1
    assert b"<Iptc4xmpExt:DigitalSourceType>" not in path.read_bytes()


def test_malformed_records_are_described() -> None:
    def problem(text: str) -> str | None:
        return read_labels(Path(__file__), {AIGC_KEY: text}).aigc_problem

    assert "JSON" in (problem("{") or "")
    assert "object" in (problem("[1]") or "")
    assert "object" in (problem('{"Label": 1}') or "")
    assert "Label" in (problem('{"Label": "9"}') or "")
    assert "lacks" in (problem('{"Label": "1"}') or "")
    assert "longer" in (problem('"' + "x" * 70_000 + '"') or "")
    assert "JSON" in (problem("[" * 60_000) or "")


@hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_hostile_xmp_never_raises(tmp_path: Path, packet: bytes) -> None:
    path = tmp_path / "hostile.mp4"
    path.write_bytes(struct.pack(">I4s", 24 + len(packet), b"uuid") + XMP_UUID + packet)
    read_labels(path, {})


def test_attribute_form_is_read(tmp_path: Path) -> None:
    packet = b'<rdf:Description Iptc4xmpExt:DigitalSourceType="http://x/compositeSynthetic"/>'
    path = tmp_path / "a.mp4"
    path.write_bytes(struct.pack(">I4s", 24 + len(packet), b"uuid") + XMP_UUID + packet)
    assert read_labels(path, {}).digital_source_type == "http://x/compositeSynthetic"
