"""The local certificate authority."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from countermark.core.errors import ConfigurationError, CredentialError
from countermark.core.settings import Settings
from provenance.credentials import (
    C2PA_CLAIM_SIGNING,
    EMAIL_PROTECTION,
    leaf_problem,
    load_or_create_credentials,
    load_trust_anchor,
)


def certificates(pem: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem.encode())


def test_first_use_makes_a_chain_that_says_what_it_is(settings: Settings) -> None:
    assert load_trust_anchor(settings) is None
    made = load_or_create_credentials(settings)
    leaf, root = certificates(made.chain_pem)
    leaf.verify_directly_issued_by(root)
    assert load_trust_anchor(settings) == made.root_pem
    for certificate in (leaf, root):
        common_name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        assert "not publicly trusted" in str(common_name)
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {C2PA_CLAIM_SIGNING, EMAIL_PROTECTION}
    assert timedelta(days=85) < leaf.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=90)
    assert made.key_pem.startswith("-----BEGIN PRIVATE KEY-----")  # PKCS#8; the SDK rejects SEC1
    assert "PRIVATE" not in repr(made)


def test_private_files_are_for_the_owner_only(settings: Settings) -> None:
    load_or_create_credentials(settings)
    assert stat.S_IMODE(settings.keys_dir.stat().st_mode) == 0o700
    for name in ("authority.pem", "signer.pem"):
        assert stat.S_IMODE((settings.keys_dir / name).stat().st_mode) == 0o600
    assert "PRIVATE" not in (settings.keys_dir / "root.pem").read_text()
    assert not list(settings.keys_dir.glob(".*.pem*"))


def test_second_use_gives_the_same(settings: Settings) -> None:
    assert load_or_create_credentials(settings) == load_or_create_credentials(settings)


def test_leaf_is_renewed_before_it_runs_out_and_the_root_stays(settings: Settings) -> None:
    first = load_or_create_credentials(settings)
    same = load_or_create_credentials(settings, now=datetime.now(UTC) + timedelta(days=55))
    later = load_or_create_credentials(settings, now=datetime.now(UTC) + timedelta(days=65))
    assert same.chain_pem == first.chain_pem
    assert later.chain_pem != first.chain_pem
    assert later.root_pem == first.root_pem
    assert later.not_after > first.not_after


def test_leaf_is_renewed_when_the_issuer_is_renamed(settings: Settings) -> None:
    first = load_or_create_credentials(settings)
    renamed = load_or_create_credentials(settings.model_copy(update={"issuer_name": "Other Studio"}))
    assert renamed.name == "Other Studio"
    assert renamed.chain_pem != first.chain_pem
    assert renamed.root_pem == first.root_pem


def test_processes_that_start_together_agree(settings: Settings) -> None:
    script = (
        "import sys; from pathlib import Path; from countermark.core.settings import Settings;"
        "from provenance.credentials import load_or_create_credentials as load;"
        "print(load(Settings(home=Path(sys.argv[1]), issuer_name='Test Studio')).chain_pem)"
    )

    def run(_: int) -> str:
        command = [sys.executable, "-c", script, str(settings.home)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(3) as pool:
        chains = set(pool.map(run, range(3)))
    assert len(chains) == 1


@pytest.mark.parametrize("name", ["authority.pem", "signer.pem"])
def test_exposed_key_is_refused(settings: Settings, name: str) -> None:
    load_or_create_credentials(settings)
    (settings.keys_dir / name).chmod(0o640)
    with pytest.raises(CredentialError, match="read by other users") as caught:
        load_or_create_credentials(settings)
    assert "chmod 600" in caught.value.remedy


@pytest.mark.parametrize("name", ["authority.pem", "signer.pem"])
def test_garbage_is_refused(settings: Settings, name: str) -> None:
    load_or_create_credentials(settings)
    (settings.keys_dir / name).write_text("not a key")
    with pytest.raises(CredentialError):
        load_or_create_credentials(settings)


def test_key_of_another_certificate_is_refused(settings: Settings, tmp_path: Path) -> None:
    other = settings.model_copy(update={"home": tmp_path / "other"})
    mine, theirs = load_or_create_credentials(settings), load_or_create_credentials(other)
    (settings.keys_dir / "signer.pem").write_text(theirs.key_pem + mine.chain_pem)
    with pytest.raises(CredentialError, match="do not belong together"):
        load_or_create_credentials(settings)


def test_leaf_of_a_replaced_authority_is_reissued(settings: Settings) -> None:
    first = load_or_create_credentials(settings)
    (settings.keys_dir / "authority.pem").unlink()
    second = load_or_create_credentials(settings)
    leaf, root = certificates(second.chain_pem)
    leaf.verify_directly_issued_by(root)
    assert second.root_pem != first.root_pem
    assert load_trust_anchor(settings) == second.root_pem


def test_expired_root_is_refused(settings: Settings) -> None:
    load_or_create_credentials(settings)
    with pytest.raises(CredentialError, match="not today"):
        load_or_create_credentials(settings, now=datetime.now(UTC) + timedelta(days=3660))


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_unfit_issuer_name_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(ConfigurationError, match="ISSUER_NAME"):
        load_or_create_credentials(settings.model_copy(update={"issuer_name": name}))


def test_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CredentialError, match="cannot be read or written"):
        load_or_create_credentials(Settings(home=tmp_path / "file"))


def test_damaged_trust_anchor_is_a_clear_error(settings: Settings) -> None:
    load_or_create_credentials(settings)
    (settings.keys_dir / "root.pem").write_text("garbage")
    with pytest.raises(CredentialError, match="trust anchor"):
        load_trust_anchor(settings)


def certificate_with(usages: list[x509.ObjectIdentifier] | None) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    if usages is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(key, hashes.SHA256())


@pytest.mark.parametrize(
    ("usages", "problem"),
    [
        ([C2PA_CLAIM_SIGNING], None),
        ([EMAIL_PROTECTION], None),
        (None, "no extended key usage"),
        ([ExtendedKeyUsageOID.TIME_STAMPING], "time-stamping"),
        ([C2PA_CLAIM_SIGNING, ExtendedKeyUsageOID.OCSP_SIGNING], "OCSP"),
        ([C2PA_CLAIM_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], "any"),
        ([ExtendedKeyUsageOID.SERVER_AUTH], "does not include"),
    ],
)
def test_leaf_problem(usages: list[x509.ObjectIdentifier] | None, problem: str | None) -> None:
    found = leaf_problem(certificate_with(usages))
    assert found is None if problem is None else problem in (found or "")
