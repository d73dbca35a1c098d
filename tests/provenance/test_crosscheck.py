"""The second validator: agreement on good and tampered files, a finding where they differ."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from drawn_clip import Case
from signed_clip import GENERATED, Signed

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Settings
from provenance.bmff import top_level_boxes
from provenance.crosscheck import second_opinion
from provenance.judgement import Finding, judge
from provenance.reader import UnreadableManifestError, read_report
from provenance.trust import Anchors, load_anchors

pytest.importorskip("encypher_c2pa", reason="the optional second validator is not installed")


def opinion(path: Path, anchors: Anchors) -> tuple[Finding, bool, bool]:
    """The second validator's finding, and whether the first calls the file intact and its signer trusted."""
    report = read_report(path, anchors.pem)
    assert report is not None
    judgement = judge(report, anchors=anchors)
    return second_opinion(path, report, judgement, anchors), judgement.intact, judgement.trusted


def test_both_agree_on_good_files(case: Case, settings: Settings) -> None:
    finding, intact, trusted = opinion(case.sealed.path, load_anchors(case.settings))
    assert (finding.code, intact, trusted) == ("countermark.validators.agreement", True, True)
    finding, intact, trusted = opinion(case.sealed.path, load_anchors(settings))
    assert (finding.code, intact, trusted) == ("countermark.validators.agreement", True, False)


def boxes(data: bytes, path: Path) -> dict[str, tuple[int, int]]:
    path.write_bytes(data)
    with path.open("rb") as file:
        return {box.kind.decode(): (box.offset + box.header, box.size - box.header) for box in top_level_boxes(file)}


TAMPERINGS = {
    "media flipped": lambda data, at: flip(data, at["mdat"][0] + at["mdat"][1] // 2),
    "first byte of the media": lambda data, at: flip(data, at["mdat"][0]),
    "last byte of the media": lambda data, at: flip(data, sum(at["mdat"]) - 1),
    "index flipped": lambda data, at: flip(data, at["moov"][0] + 60),
    "end of the index": lambda data, at: flip(data, sum(at["moov"]) - 1),
    "label changed": lambda data, at: data.replace(b'"Label":"1"', b'"Label":"3"'),
    "statement changed": lambda data, at: data.replace(b"trainedAlgorithmicMedia", b"trainedAlgorithmicMedla", 1),
    "free box appended": lambda data, at: data + struct.pack(">I4s", 16, b"free") + b"secret!!",
    "skip box appended": lambda data, at: data + struct.pack(">I4s", 16, b"skip") + b"secret!!",
    "uuid box appended": lambda data, at: data + struct.pack(">I4s", 32, b"uuid") + bytes(24),
    "mdat box appended": lambda data, at: data + struct.pack(">I4s", 16, b"mdat") + bytes(8),
    "xmp packet changed": lambda data, at: data.replace(b"xmp:CreatorTool", b"xmp:CreatorTooI"),
    "signature flipped": lambda data, at: flip(data, data.rfind(b"c2pa.signature", 0, at["moov"][0]) + 60),
}


def flip(data: bytes, where: int) -> bytes:
    return data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :]


@pytest.mark.parametrize("name", TAMPERINGS)
def test_both_agree_on_tampered_files(case: Case, tmp_path: Path, name: str) -> None:
    data = case.sealed.path.read_bytes()
    changed = TAMPERINGS[name](data, boxes(data, tmp_path / "original.mp4"))
    assert changed != data
    path = tmp_path / "tampered.mp4"
    path.write_bytes(changed)
    try:
        finding, intact, _ = opinion(path, load_anchors(case.settings))
    except UnreadableManifestError:
        return  # the first does not even get as far as a judgement, and neither is asked
    assert not intact
    assert finding.code == "countermark.validators.agreement"


def test_disagreement_is_a_finding(signed: Signed, settings: Settings) -> None:
    def edit(manifest):
        manifest["assertions"][0]["data"]["actions"][0]["digitalSourceType"] = "http://example.com/realCamera"

    path, _ = signed(GENERATED, edit)
    finding, intact, _ = opinion(path, load_anchors(settings))
    assert intact
    assert (finding.status, finding.code) == ("warn", "countermark.validators.disagreement")
    assert "not intact" in finding.message


def test_published_file_on_which_they_disagree(shared_data: Path) -> None:
    path = shared_data / "c2pa" / "fixtures" / "legacy.mp4"
    if not path.is_file():
        pytest.skip("the fixture is absent")
    assert opinion(path, Anchors())[0].code == "countermark.validators.disagreement"
    assert opinion(path.with_name("signed_test.mp4"), Anchors())[0].code == "countermark.validators.agreement"
    assert opinion(path.with_name("video1.mp4"), Anchors())[0].code == "countermark.validators.agreement"


def test_missing_validator_is_a_clear_error(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "encypher_c2pa", None)
    with pytest.raises(ConfigurationError, match="not installed"):
        opinion(case.sealed.path, load_anchors(case.settings))
