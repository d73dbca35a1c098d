"""The certificates of RFC 3161 time-stamps inside a C2PA signature.

The SDK checks a time-stamp's signature and imprint, and that its certificate leads to some anchor. Which kind of anchor
that is has to be looked up, for which the certificates are needed. Sources: RFC 3161 section 2.4.2 (response and
token), RFC 5652 section 5.1 (SignedData), C2PA 2.4 section 10.3.2.5 (sigTst, sigTst2).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from provenance.x509 import extension_of

_MAX_TOKEN = 256 * 1024
_SEQUENCE = 0x30


def authority_chain(token: bytes) -> list[x509.Certificate]:
    """The chain of the authority that made a time-stamp, its own certificate first; empty when it cannot be read.

    ``token`` is a DER TimeStampToken (sigTst2) or TimeStampResp (sigTst).
    """
    if len(token) > _MAX_TOKEN:
        return []
    for candidate in (token, _second_element(token)):
        try:
            with warnings.catch_warnings():
                # Authorities list their certificates in an order that DER does not allow.
                warnings.simplefilter("ignore", UserWarning)
                certificates = pkcs7.load_der_pkcs7_certificates(candidate)
        except (ValueError, TypeError):
            continue
        return _ordered(certificates)
    return []


def _ordered(certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    chain = [c for c in certificates if _stamps(c)][:1]
    rest = [c for c in certificates if c not in chain]
    while chain:
        above = next((c for c in rest if c.subject == chain[-1].issuer), None)
        if above is None:
            break
        rest.remove(above)
        chain.append(above)
    return chain


def _stamps(certificate: x509.Certificate) -> bool:
    return ExtendedKeyUsageOID.TIME_STAMPING in (extension_of(certificate, x509.ExtendedKeyUsage) or ())


def _second_element(data: bytes) -> bytes:
    """The bytes of the second element of a DER SEQUENCE; empty when there is none."""
    outer = _content(data, 0)
    first = None if outer is None else _content(data, outer[0])
    return data[first[1] :] if first is not None and data[0] == _SEQUENCE else b""


def _content(data: bytes, offset: int) -> tuple[int, int] | None:
    """Start and end of the content of the DER element at ``offset``."""
    if offset + 2 > len(data):
        return None
    length, start = data[offset + 1], offset + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(data):
            return None
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    return (start, start + length) if start + length <= len(data) else None
