"""Rotation and revocation of this machine's own certificates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from drawn_clip import ORIGIN, SPEC, draw, make_settings

from countermark.core.errors import CredentialError, UsageError
from countermark.core.settings import Settings
from provenance.credentials import load_or_create_credentials
from provenance.registry import open_registry
from provenance.revocation import revoke, rotate
from provenance.seal import SealedVideo, seal
from provenance.verify import Verification, verify

pytestmark = pytest.mark.usefixtures("quick_decoding")


@pytest.fixture
def sealed(settings: Settings, tmp_path: Path) -> SealedVideo:
    return seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)


def serial(settings: Settings) -> int:
    return x509.load_pem_x509_certificate(load_or_create_credentials(settings).chain_pem.encode()).serial_number


def trust(result: Verification) -> list[tuple[str, str]]:
    return [(f.status, f.code) for f in result.findings if f.axis == "trust"]


def test_rotation_makes_a_new_key_and_keeps_what_was_signed(sealed: SealedVideo, settings: Settings) -> None:
    before = load_or_create_credentials(settings)
    after = rotate(settings)
    assert after.key_pem != before.key_pem
    assert after.root_pem == before.root_pem
    assert load_or_create_credentials(settings) == after
    assert verify(sealed.path, settings=settings).conclusion == "verified"


def test_revoked_certificate_is_replaced_and_older_signatures_stay_good(
    sealed: SealedVideo, settings: Settings, tmp_path: Path
) -> None:
    old = serial(settings)
    revoke(old, "superseded", settings, now=datetime.now(UTC) + timedelta(seconds=2))
    assert serial(settings) != old
    result = verify(sealed.path, settings=settings)  # the registry shows that it was signed before
    assert result.conclusion == "verified"
    assert trust(result) == [("pass", "signingCredential.trusted"), ("warn", "countermark.trust.revoked")]
    with open_registry(settings) as registry:
        registry.withdraw(sealed.video_id)
    result = verify(sealed.path, settings=settings)  # and now nothing does
    assert result.conclusion == "untrusted"
    assert trust(result) == [("fail", "countermark.trust.revoked")]
    fresh = seal(draw(), SPEC, tmp_path / "new.mp4", origin=ORIGIN, settings=settings)
    assert verify(fresh.path, settings=settings).conclusion == "verified"


def test_after_a_key_compromise_nothing_is_trusted(sealed: SealedVideo, settings: Settings) -> None:
    revoke(serial(settings), "key_compromise", settings, now=datetime.now(UTC) + timedelta(seconds=2))
    result = verify(sealed.path, settings=settings)
    assert result.conclusion == "untrusted"
    assert "key compromise" in next(f.message for f in result.findings if f.axis == "trust")


def test_list_grows_and_must_be_ours_and_whole(sealed: SealedVideo, settings: Settings, tmp_path: Path) -> None:
    first = serial(settings)
    revoke(first, "superseded", settings)
    revoke(serial(settings), "superseded", settings)
    path = settings.keys_dir / "revoked.crl"
    assert len(list(x509.load_pem_x509_crl(path.read_bytes()))) == 2
    with pytest.raises(UsageError, match="already"):
        revoke(first, "superseded", settings)
    stranger = make_settings(tmp_path / "stranger")
    load_or_create_credentials(stranger)
    revoke(first, "key_compromise", stranger)
    path.write_bytes((stranger.keys_dir / "revoked.crl").read_bytes())  # the same name, another key
    assert trust(verify(sealed.path, settings=settings)) == [("pass", "signingCredential.trusted")]
    path.write_text("damaged")
    with pytest.raises(CredentialError, match="revocation list"):
        verify(sealed.path, settings=settings)
