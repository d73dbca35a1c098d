"""Rotation and revocation of this machine's own signing certificates (a CRL, RFC 5280 section 5)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from countermark.core.errors import CredentialError, UsageError
from countermark.core.settings import Settings
from provenance.credentials import Credentials, load_authority, load_or_create_credentials
from provenance.x509 import pem_problem

Reason = Literal["unspecified", "key_compromise", "superseded", "cessation_of_operation"]
_CRL_DAYS = 3650  # read from disk by whoever trusts this machine, and never fetched


@dataclass(frozen=True)
class Revocation:
    """That a certificate was revoked: when, and why."""

    when: datetime
    reason: str


@dataclass(frozen=True)
class RevocationLists:
    """CRLs in force on this machine."""

    lists: tuple[x509.CertificateRevocationList, ...] = ()

    def find(self, chain: Sequence[x509.Certificate], issuers: Sequence[x509.Certificate]) -> Revocation | None:
        """The first revocation of a certificate of the chain, on a list that its issuer signed."""
        for certificate in chain:
            for crl in self.lists:
                entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
                if entry is None or crl.issuer != certificate.issuer or not _signed_by_any(crl, issuers):
                    continue
                return Revocation(entry.revocation_date_utc, _reason(entry))
        return None


def load_revocations(settings: Settings) -> RevocationLists:
    """The lists on this machine; raises `CredentialError` for a damaged one, which must not be passed over."""
    path = _path(settings)
    try:
        return RevocationLists((x509.load_pem_x509_crl(path.read_bytes()),))
    except FileNotFoundError:
        return RevocationLists()
    except (OSError, ValueError) as error:
        raise CredentialError(
            f"The revocation list {path} cannot be read: {pem_problem(error)}.", remedy="Restore it from a backup."
        ) from error


def rotate(settings: Settings) -> Credentials:
    """Replace this machine's signing key and certificate now, before its time. The old one stays valid."""
    load_or_create_credentials(settings)
    (settings.keys_dir / "signer.pem").unlink(missing_ok=True)
    return load_or_create_credentials(settings)


def revoke(serial: int, reason: Reason, settings: Settings, *, now: datetime | None = None) -> None:
    """Revoke one of this machine's signing certificates; if it is the current one, a new one takes its place.

    Signatures that are shown to be older than the revocation stay good, unless the key was compromised: then nothing
    that it signed is. Raises `UsageError` for a certificate that is revoked already, and `CredentialError`.
    """
    now = now or datetime.now(UTC)
    current = load_or_create_credentials(settings)
    key, root = load_authority(settings)
    known = [entry for crl in load_revocations(settings).lists for entry in crl]
    if any(entry.serial_number == serial for entry in known):
        raise UsageError(f"Certificate {serial:x} is revoked already.", remedy="Nothing is left to do.")
    builder = x509.CertificateRevocationListBuilder().issuer_name(root.subject).last_update(now)
    builder = builder.next_update(now + timedelta(days=_CRL_DAYS))
    for entry in known:
        builder = builder.add_revoked_certificate(entry)
    revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
    revoked = revoked.add_extension(x509.CRLReason(x509.ReasonFlags[reason]), critical=False)
    crl = builder.add_revoked_certificate(revoked.build()).sign(key, hashes.SHA256())
    path = _path(settings)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with partial.open("wb") as file:
        file.write(crl.public_bytes(serialization.Encoding.PEM))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    if x509.load_pem_x509_certificate(current.chain_pem.encode()).serial_number == serial:
        rotate(settings)


def _path(settings: Settings) -> Path:
    return settings.keys_dir / "revoked.crl"


def _signed_by_any(crl: x509.CertificateRevocationList, issuers: Sequence[x509.Certificate]) -> bool:
    keys = (issuer.public_key() for issuer in issuers if issuer.subject == crl.issuer)
    return any(crl.is_signature_valid(key) for key in keys)  # type: ignore[arg-type]  # an authority's key signs


def _reason(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.name
    except x509.ExtensionNotFound:
        return "unspecified"
