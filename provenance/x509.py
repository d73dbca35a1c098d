"""What certificates from anywhere say; whatever cannot be read of one is as if it were not there."""

from __future__ import annotations

from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
# What reading the extensions of a hostile certificate can raise.
_UNREADABLE = (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError)


def pem_problem(error: Exception) -> str:
    """Why PEM could not be read, without the address at which the library explains itself to programmers."""
    return str(error).partition(". See ")[0]


def extension_of(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """The extension of this kind; None if there is none, or if the extensions cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except _UNREADABLE:
        return None


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may issue others."""
    constraints = extension_of(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` is named in it and signed it."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True
