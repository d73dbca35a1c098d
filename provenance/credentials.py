"""Keys and certificates: a certificate authority of this machine's own, made on first use.

The authority is for trial and for private use. Nobody else has reason to trust it, and the names inside its
certificates say so. Its root signs short-lived leaf certificates (EC P-256, 90 days) that are replaced
automatically; the root certificate is the one trust anchor that verification on this machine adds.

Certificate profile: C2PA 2.4 section 14.5.1 and the conformance programme's assurance level 1 (key usage, EKU).
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from countermark.core.errors import ConfigurationError, CredentialError
from countermark.core.settings import Settings
from provenance.x509 import extension_of, issued_by, pem_problem

C2PA_CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
EMAIL_PROTECTION = ExtendedKeyUsageOID.EMAIL_PROTECTION
TRUST_NOTE = "trusted on this machine only"

_ROOT_YEARS = 10
_LEAF_DAYS = 90
_RENEW_BEFORE = timedelta(days=30)
_MAX_NAME = 64  # RFC 5280 appendix A.1, ub-organization-name
_CLOCK_SKEW = timedelta(minutes=5)
_ROOT_NAME = "Countermark local root (not publicly trusted)"
_LEAF_NAME = "Countermark local signer (not publicly trusted)"


@dataclass(frozen=True)
class Credentials:
    """A signing key with its certificate chain. ``chain_pem`` holds the leaf first; ``key_pem`` is PKCS#8.

    ``name`` is the organisation that the certificate states; if it is ``local``, nobody but this machine has vouched
    for it. ``sign`` signs where the key is kept elsewhere, ``key_pem`` is then empty.
    """

    chain_pem: str
    root_pem: str
    name: str
    not_before: datetime
    not_after: datetime
    key_pem: str = field(repr=False)
    algorithm: str = "es256"
    sign: Callable[[bytes], bytes] | None = field(default=None, repr=False)
    local: bool = True


def load_or_create_credentials(settings: Settings, *, now: datetime | None = None) -> Credentials:
    """The machine's signing credentials, created on first use and renewed when the leaf is about to run out.

    Two processes may call this at once: a lock on the folder makes one of them wait, and every file appears
    by rename. Raises `CredentialError` for unreadable, mismatched, exposed or expired files and
    `ConfigurationError` when ``issuer_name`` does not fit a certificate.
    """
    now = now or datetime.now(UTC)
    folder = settings.keys_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder / ".lock"):
            root_path, leaf_path = folder / "authority.pem", folder / "signer.pem"
            if root_path.exists():
                root_key, (root, *_) = _load(root_path)
            else:
                root_key, root = _make_root(settings, now)
                _write_private(root_path, _pem_key(root_key) + _pem(root))
            # The public half, to hand to others; rewritten whenever it is missing or stale.
            if not (folder / "root.pem").exists() or (folder / "root.pem").read_text() != _pem(root):
                _write_private(folder / "root.pem", _pem(root), mode=0o644)
            _check_root(root, now, root_path)
            usable = leaf_path.exists() and _leaf_is_current(leaf_path, root, settings.issuer_name, now)
            if not usable:
                leaf_key, leaf = _make_leaf(settings, root_key, root, now)
                _write_private(leaf_path, _pem_key(leaf_key) + _pem(leaf) + _pem(root))
            key, chain = _load(leaf_path)
    except OSError as error:
        raise CredentialError(
            f"The signing keys in {folder} cannot be read or written: {error.strerror or error}.",
            remedy="Make the folder writable, or set COUNTERMARK_HOME to one that is.",
        ) from error
    return Credentials(
        chain_pem="".join(_pem(c) for c in chain),
        root_pem=_pem(root),
        name=settings.issuer_name,
        not_before=chain[0].not_valid_before_utc,
        not_after=chain[0].not_valid_after_utc,
        key_pem=_pem_key(key),
    )


def load_authority(settings: Settings) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Key and certificate of this machine's authority; raises `CredentialError` when there is none."""
    path = settings.keys_dir / "authority.pem"
    try:
        key, certificates = _load(path)
    except OSError as error:
        raise CredentialError(
            f"The authority {path} cannot be read: {error.strerror}.", remedy="Seal a video once, and it is made."
        ) from error
    return key, certificates[0]


def load_trust_anchor(settings: Settings) -> str | None:
    """PEM of this machine's root certificate, None when no authority was made here yet. Creates nothing."""
    path = settings.keys_dir / "root.pem"
    try:
        text = path.read_text()
        x509.load_pem_x509_certificate(text.encode())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CredentialError(
            f"The trust anchor {path} is not a readable certificate: {pem_problem(error)}.",
            remedy="Delete it; it is written again from authority.pem at the next seal.",
        ) from error
    return text


def leaf_problem(leaf: x509.Certificate) -> str | None:
    """Why a certificate may not sign C2PA claims, or None when it may.

    The SDK accepts a certificate meant for time-stamps as a claim signer; C2PA 2.4 section 14.5.1.1 does not.
    """
    usages = set(extension_of(leaf, x509.ExtendedKeyUsage) or ())
    if not usages:
        return "it has no extended key usage that can be read"
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages:
        return "its extended key usage is 'any'"
    if usages & {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING}:
        return "it is meant for time-stamping or OCSP"
    if not usages & {C2PA_CLAIM_SIGNING, DOCUMENT_SIGNING, EMAIL_PROTECTION}:
        return "its extended key usage does not include claim signing"
    return None


def _make_root(settings: Settings, now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(settings.issuer_name, _ROOT_NAME)
    builder = _certificate(name, name, key.public_key(), now, now + timedelta(days=365 * _ROOT_YEARS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return key, builder.sign(key, hashes.SHA256())


def _make_leaf(
    settings: Settings, root_key: ec.EllipticCurvePrivateKey, root: x509.Certificate, now: datetime
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + timedelta(days=_LEAF_DAYS), root.not_valid_after_utc)
    builder = _certificate(_name(settings.issuer_name, _LEAF_NAME), root.subject, key.public_key(), now, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([C2PA_CLAIM_SIGNING, EMAIL_PROTECTION]), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
    )
    return key, builder.sign(root_key, hashes.SHA256())


def _certificate(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=not authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(organisation: str, common_name: str) -> x509.Name:
    if not 1 <= len(organisation) <= _MAX_NAME:
        raise ConfigurationError(
            f"The issuer name {organisation!r} does not fit into a certificate.",
            remedy=f"Set COUNTERMARK_ISSUER_NAME to 1 to {_MAX_NAME} characters.",
        )
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _check_root(root: x509.Certificate, now: datetime, path: Path) -> None:
    if not root.not_valid_before_utc <= now < root.not_valid_after_utc:
        raise CredentialError(
            f"The root certificate in {path} is valid from {root.not_valid_before_utc:%Y-%m-%d} to "
            f"{root.not_valid_after_utc:%Y-%m-%d}, not today.",
            remedy="Check the clock; if the root has run out, move the keys folder away and a new one is made.",
        )


def _leaf_is_current(path: Path, root: x509.Certificate, organisation: str, now: datetime) -> bool:
    """Whether the leaf can be used as it is: issued by this root, for this organisation, and valid long enough."""
    leaf = _load(path)[1][0]
    if not issued_by(leaf, root):  # left over from an authority that was replaced
        return False
    names = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if not names or names[0].value != organisation:
        return False
    # A leaf cannot outlive its root, so near the root's end it is used for as long as it lasts.
    enough = min(now + _RENEW_BEFORE, root.not_valid_after_utc)
    return leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc and leaf.not_valid_after_utc >= enough


def _load(path: Path) -> tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
    """Key and certificates (its own first) from one PEM file that only the owner may read."""
    if path.stat().st_mode & 0o077:
        raise CredentialError(f"The private key {path} can be read by other users.", remedy=f"Run: chmod 600 '{path}'")
    data = path.read_bytes()
    try:
        key = serialization.load_pem_private_key(data, password=None)
        certificates = x509.load_pem_x509_certificates(data)
    except (ValueError, TypeError) as error:
        raise CredentialError(
            f"{path} is not a usable key file: {error}.",
            remedy="Restore it from a backup, or move it away to have a new one made.",
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificates[0].public_key() != key.public_key():
        raise CredentialError(
            f"The key and the certificate in {path} do not belong together.",
            remedy="Restore the file from a backup, or move it away to have a new one made.",
        )
    return key, certificates


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_key(key: ec.EllipticCurvePrivateKey) -> str:
    # PKCS#8, because the C2PA SDK rejects the older "EC PRIVATE KEY" form.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write by rename, with the final permissions from the first byte on."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # released by the kernel if the process dies
        yield
    finally:
        os.close(descriptor)
