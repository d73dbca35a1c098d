"""Files that the C2PA project publishes: each gives a sensible report or a clear error."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from countermark.core.errors import MediaError
from countermark.core.settings import Settings
from provenance import extract as extract_module
from provenance import verify as verify_module
from provenance.judgement import judge
from provenance.reader import read_report
from provenance.trust import Anchors
from provenance.verify import verify


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("c.mov", "no_credentials"),
        ("dash1.m4s", "media error"),
        ("dashinit.mp4", "media error"),
        ("legacy.mp4", "untrusted"),
        ("nested_moov_1000.mp4", "media error"),
        ("signed_test.mp4", "untrusted"),
        ("test.avi", "no_credentials"),
        ("video1.mp4", "untrusted"),
        ("video1_no_manifest.mp4", "no_credentials"),
    ],
)
def test_published_fixtures_give_a_report_or_a_clear_error(
    shared_data: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, outcome: str
) -> None:
    path = shared_data / "c2pa" / "fixtures" / name
    if not path.is_file():
        pytest.skip("the fixture is absent")
    # The opening frames are enough here: it is about the credentials.
    monkeypatch.setattr(extract_module, "_MOST", 49)
    monkeypatch.setattr(extract_module, "_OPENING", 49)
    monkeypatch.setattr(extract_module, "_WINDOWS", 0)
    monkeypatch.setattr(verify_module, "extract", partial(verify_module.extract, search=False))
    try:
        found: str = verify(path, settings=settings).conclusion
    except MediaError as error:
        found = "media error"
        assert error.remedy
    assert found == outcome


@pytest.mark.parametrize("name", ["legacy.mp4", "video1.mp4"])
def test_manifests_of_older_versions_are_judged(shared_data: Path, name: str) -> None:
    path = shared_data / "c2pa" / "fixtures" / name
    if not path.is_file():
        pytest.skip("the fixture is absent")
    report = read_report(path, None)
    assert report is not None
    judgement = judge(report, anchors=Anchors())
    assert judgement.intact
    assert not judgement.trusted
    assert {f.status for f in judgement.findings if f.axis == "ingredients"} == {"warn"}
