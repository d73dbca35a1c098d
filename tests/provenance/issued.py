"""Certificates of the tests' own making."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from countermark.core.settings import Settings
from provenance import credentials as credentials_module
from provenance.credentials import load_or_create_credentials


def issue(
    settings: Settings,
    *,
    usages: list[x509.ObjectIdentifier],
    seconds: float = 3600,
    algorithm: hashes.HashAlgorithm | None = None,
) -> credentials_module.Credentials:
    """Credentials with a leaf of our own making under this machine's root."""
    good = load_or_create_credentials(settings)
    root_pem = (settings.keys_dir / "authority.pem").read_bytes()
    root_key = serialization.load_pem_private_key(root_pem, None)
    root = x509.load_pem_x509_certificate(good.root_pem.encode())
    assert isinstance(root_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    others += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    usage = dict.fromkeys(others, False)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Studio")]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(seconds=seconds))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, algorithm or hashes.SHA256())
    )
    pem = leaf.public_bytes(serialization.Encoding.PEM).decode() + good.root_pem
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return replace(good, chain_pem=pem, key_pem=key.private_bytes(*encoding).decode())


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    authority: bool = True,
) -> x509.Certificate:
    """A certificate signed by ``issuer``, or by itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256())
