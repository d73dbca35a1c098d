"""Whether a certificate was revoked, as the responder that it names says (OCSP, RFC 6960).

Asking tells the responder, and whoever listens, which signer is being looked at. So it is done only where the user
wants the network, and only for signers whose authority is trusted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from countermark.core.errors import UsageError
from provenance.fetching import FetchError, post
from provenance.revocation import Revocation
from provenance.x509 import extension_of, issued_by

_MAX_ANSWER = 64 * 1024
_CLOCKS = timedelta(minutes=5)
"""How much the responder's clock and ours may differ."""


class OcspError(UsageError):
    """The responder could not be asked, or did not answer the question."""

    code = "ocsp"
    http_status = 502


def ask(leaf: x509.Certificate, issuers: Sequence[x509.Certificate]) -> Revocation | None:
    """The revocation of ``leaf``, None when it is good or names no responder.

    The answer has to be about this certificate, current, and signed by the issuer or by a responder that the issuer
    appointed. Raises `OcspError` for anything else.
    """
    url = _responder(leaf)
    if url is None:
        return None
    issuer = next((each for each in issuers if issued_by(leaf, each)), None)
    if issuer is None:
        raise OcspError("The certificate's issuer is not known.", remedy="Add its certificate to a trust list.")
    # SHA-1 only names the issuer here, and is what all responders know (RFC 5019).
    question = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1()).build()  # noqa: S303
    body = question.public_bytes(serialization.Encoding.DER)
    try:
        answer = ocsp.load_der_ocsp_response(post(url, body, kind="application/ocsp-request", limit=_MAX_ANSWER))
        status = _status(answer, question, issuer)
    except (FetchError, ValueError, InvalidSignature, x509.InvalidVersion) as error:
        raise OcspError(f"{url} gave no valid answer: {error}.", remedy="Try again later.") from error
    if status.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise OcspError(f"{url} does not know the certificate.", remedy="Ask who issued it.")
    if status.certificate_status is ocsp.OCSPCertStatus.GOOD or status.revocation_time_utc is None:
        return None
    reason = status.revocation_reason
    return Revocation(status.revocation_time_utc, reason.name if reason else "unspecified")


def _responder(leaf: x509.Certificate) -> str | None:
    for place in extension_of(leaf, x509.AuthorityInformationAccess) or ():
        if place.access_method == AuthorityInformationAccessOID.OCSP:
            return str(place.access_location.value)
    return None


def _status(answer: ocsp.OCSPResponse, question: ocsp.OCSPRequest, issuer: x509.Certificate) -> ocsp.OCSPSingleResponse:
    """The part of the answer that is about the certificate; raises ValueError or `InvalidSignature`."""
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError(answer.response_status.name.lower().replace("_", " "))
    _check_signature(answer, issuer)
    now = datetime.now(UTC)
    for single in answer.responses:
        same = single.serial_number == question.serial_number and single.issuer_key_hash == question.issuer_key_hash
        if not same or single.hash_algorithm.name != question.hash_algorithm.name:
            continue
        due = single.next_update_utc
        if single.this_update_utc > now + _CLOCKS or (due is not None and due < now - _CLOCKS):
            raise ValueError("it is not of today")
        return single
    raise ValueError("it is about another certificate")


def _check_signature(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> None:
    now = datetime.now(UTC)
    appointed = [
        each
        for each in answer.certificates
        if issued_by(each, issuer)
        and each.not_valid_before_utc <= now <= each.not_valid_after_utc
        and _may_answer(each)
    ]
    for signer in (issuer, *appointed):
        try:
            _verify(signer, answer)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return
    raise InvalidSignature("it is not signed by the issuer or one it appointed")


def _verify(signer: x509.Certificate, answer: ocsp.OCSPResponse) -> None:
    key, signature, data = signer.public_key(), answer.signature, answer.tbs_response_bytes
    algorithm = answer.signature_hash_algorithm
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, data)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        key.verify(signature, data, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
        key.verify(signature, data, padding.PKCS1v15(), algorithm)
    else:
        raise InvalidSignature("it is signed with a key of an unknown kind")


def _may_answer(certificate: x509.Certificate) -> bool:
    return ExtendedKeyUsageOID.OCSP_SIGNING in (extension_of(certificate, x509.ExtendedKeyUsage) or ())
