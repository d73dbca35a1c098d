"""OCSP against a responder of our own on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from drawn_clip import Case
from issued import certificate

from provenance import fetching
from provenance import verify as verify_module
from provenance.ocsp import OcspError, ask
from provenance.revocation import Revocation
from provenance.verify import Verification, verify

Key = ec.EllipticCurvePrivateKey
NOW = datetime.now(UTC).replace(microsecond=0)
REVOKED = NOW - timedelta(days=2)


@dataclass
class Responder:
    """An authority, a certificate of it, and what is answered about it."""

    root: x509.Certificate
    key: Key
    leaf: x509.Certificate
    answer: Callable[[bytes], bytes] = field(default=lambda _: b"junk")
    asked: list[bytes] = field(default_factory=list)

    def says(self, *, revoked: bool = False, by: tuple[x509.Certificate, Key] | None = None, **changes) -> None:
        """Answer so from now on; ``changes`` are arguments of `add_response`."""
        signer, key = by or (self.root, self.key)
        status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
        fields = {
            "cert": self.leaf,
            "issuer": self.root,
            "algorithm": hashes.SHA1(),
            "cert_status": status,
            "this_update": NOW - timedelta(hours=1),
            "next_update": NOW + timedelta(hours=1),
            "revocation_time": REVOKED if revoked else None,
            "revocation_reason": x509.ReasonFlags.key_compromise if revoked else None,
        }
        builder = ocsp.OCSPResponseBuilder().add_response(**fields | changes)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
        if by is not None:
            builder = builder.certificates([signer])
        signed = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        self.answer = lambda _: signed


def issued(root: x509.Certificate, key: Key, *, url: str | None = None, answers: bool = False) -> tuple:
    """A certificate under ``root`` that names a responder, or may be one, and its key."""
    own = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
        .issuer_name(root.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(hours=2))
        .not_valid_after(NOW + timedelta(hours=2))
    )
    if url:
        place = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    if answers:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
    return builder.sign(key, hashes.SHA256()), own


@pytest.fixture
def responder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Responder]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            made.asked.append(question)
            body = made.answer(question)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        key = ec.generate_private_key(ec.SECP256R1())
        root = certificate("root", key)
        made = Responder(root, key, issued(root, key, url=f"http://ocsp.example:{server.server_port}/")[0])
        monkeypatch.setattr(fetching, "public_address", lambda _host, port: ("127.0.0.1", port))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def test_good_revoked_and_silent_certificates_are_told_apart(responder: Responder) -> None:
    stranger = certificate("stranger", ec.generate_private_key(ec.SECP256R1()))
    issuers = [stranger, responder.root]
    responder.says()
    assert ask(responder.leaf, issuers) is None
    responder.says(revoked=True)
    assert ask(responder.leaf, issuers) == Revocation(REVOKED, "key_compromise")
    silent, _ = issued(responder.root, responder.key)
    assert ask(silent, issuers) is None
    assert len(responder.asked) == 2
    assert ocsp.load_der_ocsp_request(responder.asked[0]).serial_number == responder.leaf.serial_number


def test_only_the_issuer_and_whom_it_appointed_are_believed(responder: Responder) -> None:
    responder.says(revoked=True, by=issued(responder.root, responder.key, answers=True))
    assert ask(responder.leaf, [responder.root]) is not None
    stranger = ec.generate_private_key(ec.SECP256R1())
    for other in (issued(responder.root, responder.key), (certificate("stranger", stranger), stranger)):
        responder.says(by=other)
        with pytest.raises(OcspError, match="not signed by the issuer"):
            ask(responder.leaf, [responder.root])
    with pytest.raises(OcspError, match="issuer is not known"):
        ask(responder.leaf, [])


def test_answers_that_answer_nothing_are_refused(responder: Responder) -> None:
    busy = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    other, _ = issued(responder.root, responder.key)
    old = {"this_update": NOW - timedelta(days=9), "next_update": NOW - timedelta(days=2)}
    for prepare, message in (
        (lambda: setattr(responder, "answer", lambda _: b"junk"), "no valid answer"),
        (lambda: setattr(responder, "answer", lambda _: bytes(70_000)), "no valid answer"),
        (lambda: setattr(responder, "answer", lambda _: busy.public_bytes(serialization.Encoding.DER)), "try later"),
        (lambda: responder.says(cert=other), "another certificate"),
        (lambda: responder.says(**old), "not of today"),
        (lambda: responder.says(cert_status=ocsp.OCSPCertStatus.UNKNOWN), "does not know"),
    ):
        prepare()
        with pytest.raises(OcspError, match=message):
            ask(responder.leaf, [responder.root])


def test_inner_addresses_are_not_asked(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    inner, _ = issued(responder.root, responder.key, url="http://127.0.0.1:1/")
    with pytest.raises(OcspError, match="not on the public network"):
        ask(inner, [responder.root])


@pytest.mark.usefixtures("quick_decoding")
def test_a_revocation_counts_when_verifying_with_the_network(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(answer: Revocation | OcspError | None, *, fetch: bool = True) -> Verification:
        def told(*_: object) -> Revocation | None:
            if isinstance(answer, OcspError):
                raise answer
            return answer

        monkeypatch.setattr(verify_module, "ask", told)
        return verify(case.sealed.path, fetch=fetch, settings=case.settings)

    compromised = Revocation(datetime.now(UTC), "key_compromise")
    assert judged(None).conclusion == "verified"
    assert judged(compromised, fetch=False).conclusion == "verified"
    result = judged(compromised)
    assert result.conclusion == "untrusted"
    assert "countermark.trust.revoked" in {f.code for f in result.findings if f.status == "fail"}
    unsure = judged(OcspError("It is away.", remedy="Wait."))
    assert unsure.conclusion == "verified"
    assert "countermark.trust.revocationUnknown" in {f.code for f in unsure.findings if f.status == "warn"}
