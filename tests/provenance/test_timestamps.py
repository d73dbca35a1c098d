"""Time-stamps from a real authority on this machine (openssl)."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from drawn_clip import ORIGIN, SPEC, draw
from hypothesis import given
from hypothesis import strategies as st
from issued import issue
from local_tsa import TimeStampAuthority
from signed_clip import BINDING

from countermark.core.errors import TimeStampError
from countermark.core.settings import Settings
from provenance.credentials import C2PA_CLAIM_SIGNING
from provenance.judgement import Finding
from provenance.manifest import sign
from provenance.registry import open_registry
from provenance.seal import seal
from provenance.statements import definition
from provenance.timestamps import authority_chain
from provenance.trust import update_trust_lists
from provenance.verify import Verification, verify

pytestmark = [
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
    pytest.mark.usefixtures("quick_decoding"),
]
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TimeStampAuthority:
    return TimeStampAuthority(tmp_path_factory.mktemp("tsa") / "authority")


def with_stamp(settings: Settings, url: str, **changes: str) -> Settings:
    return settings.model_copy(update={"time_stamp_url": url, **changes})


def believe(authority: TimeStampAuthority, settings: Settings, kind: str) -> None:
    path = settings.home / "stamps.pem"
    path.write_text(authority.root.read_text())
    update_trust_lists([path], settings, kind=kind)


def on_time(verification: Verification) -> Finding:
    (finding,) = [f for f in verification.findings if f.axis == "time"]
    return finding


def test_sealed_video_carries_a_time_stamp(authority: TimeStampAuthority, settings: Settings, tmp_path: Path) -> None:
    with authority.serving() as url:
        sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=with_stamp(settings, url))
    assert sealed.time_stamp == "made"
    assert on_time(verify(sealed.path, settings=settings)).code == "timeStamp.validated"
    believe(authority, settings, "tsa")
    result = verify(sealed.path, settings=settings)
    assert result.conclusion == "verified"
    finding = on_time(result)
    assert (finding.status, finding.code) == ("pass", "timeStamp.trusted")
    assert f"{sealed.registered_at:%Y-%m-%d}" in finding.message
    assert "trust list stamps" in finding.message


def test_without_the_authority_nothing_is_sealed(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TimeStampError, match="No video was sealed") as caught:
        seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=with_stamp(settings, UNREACHABLE))
    assert "COUNTERMARK_TIME_STAMP=preferred" in caught.value.remedy
    assert {p.name for p in tmp_path.iterdir()} == {"home"}
    with open_registry(settings) as registry:
        assert registry.count() == 0


def test_unless_the_settings_allow_it_and_then_it_is_said(settings: Settings, tmp_path: Path) -> None:
    from countermark.cli.pages import sealed_page

    allowed = with_stamp(settings, UNREACHABLE, time_stamp="preferred")
    sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=allowed)
    assert sealed.time_stamp == "failed"
    (row,) = [row for row in sealed_page(sealed).rows if row.label == "time-stamp"]
    assert "none" in row.text
    assert on_time(verify(sealed.path, settings=settings)).code == "countermark.time.unstamped"


def test_time_stamp_outlives_the_certificate_if_its_authority_is_for_time_stamps(
    authority: TimeStampAuthority, settings: Settings, plain: Path, tmp_path: Path
) -> None:
    short = issue(settings, usages=[C2PA_CLAIM_SIGNING], seconds=2)
    manifest = definition(ORIGIN, BINDING, title="t", file_format="video/mp4", when=datetime.now(UTC))
    with authority.serving() as url:
        sign(plain, tmp_path / "stamped.mp4", manifest, short, origin=ORIGIN, time_stamp_url=url)
    time.sleep(3.1)  # validity ends on a whole second
    result = verify(tmp_path / "stamped.mp4", settings=settings)
    assert result.conclusion == "untrusted"
    assert "fail" in {f.status for f in result.findings if f.axis == "time"}
    believe(authority, settings, "signer")  # the SDK takes any anchor for time-stamps; we do not
    result = verify(tmp_path / "stamped.mp4", settings=settings)
    assert result.conclusion == "untrusted"
    assert [f.status for f in result.findings if f.axis == "trust"] == ["pass"]
    believe(authority, settings, "tsa")
    result = verify(tmp_path / "stamped.mp4", settings=settings)
    assert result.conclusion == "verified"
    assert on_time(result).code == "timeStamp.trusted"


@given(st.binary(max_size=200))
def test_junk_is_no_time_stamp(data: bytes) -> None:
    assert authority_chain(data) == []
