"""Is a certificate chain fit for signing Content Credentials? Each mistake has a message of its own.

The SDK answers every one of them with "the certificate is invalid". Sources: C2PA 2.4 sections 14.5.1 and 14.5.2
(certificate profile), 13.2.1 (algorithms); RFC 5280.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from countermark.core.errors import CredentialError
from provenance.credentials import leaf_problem
from provenance.x509 import extension_of, is_authority, issued_by

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_WEAK = (hashes.MD5, hashes.SHA1)
_MIN_RSA = 2048


def check_chain(chain: Sequence[x509.Certificate], now: datetime) -> None:
    """Raise `CredentialError` unless ``chain`` (the signer's certificate first) can sign at the time ``now``."""
    for problem, remedy in _problems(chain, now):
        raise CredentialError(f"The signing certificate cannot be used: {problem}.", remedy=remedy)


def algorithm_of(key: CertificatePublicKeyTypes) -> str:
    """The C2PA signing algorithm of a public key, in lower case; raises `CredentialError` for unusable keys."""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA:
        return "ps256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPublicKey):
        kind = f"an RSA key of {key.key_size} bits"
    else:
        kind = f"a key on the curve {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else "such a key"
    raise CredentialError(
        f"The signing certificate cannot be used: {kind} is not allowed.",
        remedy="Use P-256, P-384, P-521, Ed25519, or RSA of at least 2048 bits.",
    )


def _problems(chain: Sequence[x509.Certificate], now: datetime) -> list[tuple[str, str]]:
    if not chain:
        return [("there is none", "Give a PEM file with the signer's certificate first, then its issuers.")]
    leaf = chain[0]
    again = "Ask the authority for a certificate with the C2PA claim-signing profile."
    problems = []
    if leaf.version != x509.Version.v3:
        problems.append(("it is of X.509 version 1", again))
    elif is_authority(leaf):
        problems.append(
            ("it is a certificate authority's, not a signer's", "Put the signer's own certificate first in the file.")
        )
    elif (usage := extension_of(leaf, x509.KeyUsage)) is None:
        problems.append(("it does not say what its key may be used for (key usage)", again))
    elif not usage.digital_signature:
        problems.append(("its key usage does not include digital signatures", again))
    elif (unfit := leaf_problem(leaf)) is not None:
        problems.append((unfit, again))
    elif extension_of(leaf, x509.AuthorityKeyIdentifier) is None:
        problems.append(("it does not identify its issuer's key (authority key identifier)", again))
    elif isinstance(leaf.signature_hash_algorithm, _WEAK):
        problems.append((f"it is signed with {leaf.signature_hash_algorithm.name}, which is broken", again))
    elif now < leaf.not_valid_before_utc:
        problems.append((f"it is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}", "Check this machine's clock."))
    elif now > leaf.not_valid_after_utc:
        problems.append((f"it expired on {leaf.not_valid_after_utc:%Y-%m-%d}", "Renew it."))
    else:
        problems += _chain_problems(chain, now)
    return problems


def _chain_problems(chain: Sequence[x509.Certificate], now: datetime) -> list[tuple[str, str]]:
    if len(chain) == 1:
        return [
            ("its issuer's certificate is missing", "Append the issuers' certificates to the file, up to the root.")
        ]
    for lower, upper in pairwise(chain):
        name = upper.subject.rfc4514_string()
        if not issued_by(lower, upper):
            return [(f"'{name}' did not issue the one before it", "Order the file: signer first, then each issuer.")]
        if not is_authority(upper):
            return [(f"its issuer '{name}' is no certificate authority", "Ask the authority for its true chain.")]
        if not upper.not_valid_before_utc <= now <= upper.not_valid_after_utc:
            return [(f"its issuer '{name}' is not valid today", "Ask the authority for its current chain.")]
    return []
