"""Real credentials: from files, a PKCS#11 token (SoftHSM), a key management service; and certificate mistakes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from drawn_clip import ORIGIN, SPEC, draw

from countermark.core.errors import ConfigurationError, CredentialError
from countermark.core.settings import Settings
from provenance.certificates import algorithm_of, check_chain
from provenance.credentials import C2PA_CLAIM_SIGNING
from provenance.registry import open_registry
from provenance.seal import seal
from provenance.signers import load_credentials
from provenance.trust import update_trust_lists
from provenance.verify import verify

pytestmark = pytest.mark.usefixtures("quick_decoding")

SOFTHSM = next(
    (p for p in map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")) if p.exists()),
    None,
)


@dataclass
class Authority:
    """An authority of the tests' own, and the certificates it issues."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.root = self.issue(self.key.public_key(), name="Test CA", authority=True, usages=None)

    def issue(
        self,
        key: Any,
        *,
        name: str = "Real Studio",
        authority: bool = False,
        usages: list[x509.ObjectIdentifier] | None = [C2PA_CLAIM_SIGNING],  # noqa: B006  # only read
        signing: bool | None = True,
        starts: float = -1,
        days: float = 30,
        identifier: bool = True,
        algorithm: hashes.HashAlgorithm | None = None,
        by: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        issuer, issuer_key = by or (x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test CA")]), self.key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=starts))
            .not_valid_after(now + timedelta(days=starts + days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )
        if signing is not None:
            bits = dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False)
            bits |= {"decipher_only": False, "content_commitment": not signing, "crl_sign": authority}
            usage = x509.KeyUsage(digital_signature=signing, key_cert_sign=authority, **bits)
            builder = builder.add_extension(usage, critical=True)
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if identifier:
            key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
            builder = builder.add_extension(key_id, critical=False)
        return builder.sign(issuer_key, algorithm or hashes.SHA256())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def write_key(path: Path, key: Any, *, password: bytes | None = None, form: str = "PKCS8") -> Path:
    cipher = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), cipher))
    path.chmod(0o600)
    return path


@pytest.fixture
def real(authority: Authority, settings: Settings, tmp_path: Path) -> Callable[..., Settings]:
    """Settings that name a chain for a public key, and whatever else is given."""

    def make(public_key: Any, **changes: Any) -> Settings:
        chain = tmp_path / "chain.pem"
        chain.write_bytes(pem(authority.issue(public_key), authority.root))
        return Settings(home=settings.home, signer_chain=chain, **changes)

    return make


def check_sealing(settings: Settings, authority: Authority, folder: Path) -> None:
    """What is sealed is untrusted until a list names the authority, and then verified."""
    sealed = seal(draw(), SPEC, folder / "o.mp4", origin=ORIGIN, settings=settings)
    assert (sealed.signer.name, sealed.signer.trusted) == ("Real Studio", False)
    assert "no trust list" in sealed.signer.note
    assert verify(sealed.path, settings=settings).conclusion == "untrusted"
    (folder / "test-ca.pem").write_bytes(pem(authority.root))
    update_trust_lists([folder / "test-ca.pem"], settings, kind="signer")
    result = verify(sealed.path, settings=settings)
    assert result.conclusion == "verified"
    assert "Real Studio (vouched for by the trust list test-ca)" in result.summary
    again = seal(draw(), SPEC, folder / "again.mp4", origin=ORIGIN, settings=settings)
    assert again.signer.trusted


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA", "Ed25519", "encrypted", "SEC1"])
def test_credentials_from_files(real, authority: Authority, tmp_path: Path, kind: str) -> None:
    keys: dict[str, Any] = {
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    key = keys.get(kind, lambda: ec.generate_private_key(ec.SECP256R1()))()
    options: dict[str, Any] = {"password": b"secret"} if kind == "encrypted" else {}
    if kind == "SEC1":
        options["form"] = "TraditionalOpenSSL"
    path = write_key(tmp_path / "key.pem", key, **options)
    changes = {"signer_key_password": "secret"} if kind == "encrypted" else {}
    settings = real(key.public_key(), signer="files", signer_key=path, **changes)
    if kind in ("P-256", "RSA"):
        check_sealing(settings, authority, tmp_path)
    else:
        sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
        assert sealed.signer.name == "Real Studio"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A SoftHSM token with a key pair made inside it; its label."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if SOFTHSM is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    label = f"studio-{os.urandom(3).hex()}"
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", "1234", "--so-pin", "5678"]
    subprocess.run(command, check=True, capture_output=True)
    import pkcs11

    library = pkcs11.lib(str(SOFTHSM))
    library.reinitialize()  # it read its configuration when an earlier test loaded it
    yield label


def test_key_in_a_token(real, authority: Authority, token: str, tmp_path: Path) -> None:
    import pkcs11
    from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

    assert SOFTHSM is not None
    with pkcs11.lib(str(SOFTHSM)).get_token(token_label=token).open(user_pin="1234", rw=True) as session:
        attributes = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, attributes, local=True)
        public, _ = parameters.generate_keypair(store=True, label="signer")
        der = encode_ec_public_key(public)
        parameters.generate_keypair(store=True, label="other")
    public_key = serialization.load_der_public_key(der)
    place = {"signer": "pkcs11", "pkcs11_module": SOFTHSM, "pkcs11_token": token, "pkcs11_pin": "1234"}
    settings = real(public_key, **place, pkcs11_key="signer")
    check_sealing(settings, authority, tmp_path)
    for wrong, message in (
        ({"pkcs11_key": "missing"}, "did not sign"),
        ({"pkcs11_key": "other"}, "does not belong"),
        ({"pkcs11_pin": "9999"}, "did not sign"),
        ({"pkcs11_token": "missing"}, "did not sign"),
    ):
        with pytest.raises(CredentialError, match=message):
            seal(
                draw(),
                SPEC,
                tmp_path / "w.mp4",
                origin=ORIGIN,
                settings=real(public_key, **(place | {"pkcs11_key": "signer"} | wrong)),
            )
        assert not (tmp_path / "w.mp4").exists()


@dataclass
class StandIn:
    """A key management service on this machine, with the interface of ``boto3.client("kms")``."""

    keys: dict[str, ec.EllipticCurvePrivateKey]
    asked: int = 0

    def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> dict[str, Any]:
        self.asked += 1
        assert (MessageType, SigningAlgorithm) == ("DIGEST", "ECDSA_SHA_256")
        if KeyId not in self.keys:
            raise RuntimeError("AccessDeniedException: no such key")
        return {"Signature": self.keys[KeyId].sign(Message, ec.ECDSA(Prehashed(hashes.SHA256()))), "KeyId": KeyId}


def test_key_in_a_management_service(
    real, authority: Authority, key: ec.EllipticCurvePrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = StandIn({"alias/signer": key, "alias/other": ec.generate_private_key(ec.SECP256R1())})
    monkeypatch.setattr("provenance.seal.load_credentials", partial(load_credentials, kms=service))
    check_sealing(real(key.public_key(), signer="kms", kms_key="alias/signer"), authority, tmp_path)
    assert service.asked == 2
    for wrong, message in (("alias/missing", "AccessDenied"), ("alias/other", "does not belong")):
        with pytest.raises(CredentialError, match=message):
            settings = real(key.public_key(), signer="kms", kms_key=wrong)
            seal(draw(), SPEC, tmp_path / "w.mp4", origin=ORIGIN, settings=settings)
        assert not (tmp_path / "w.mp4").exists()
        with open_registry(settings) as registry:
            assert registry.count() == 2


def test_missing_settings_are_named(real, key: ec.EllipticCurvePrivateKey, settings: Settings) -> None:
    for signer, variable in (("files", "SIGNER_KEY"), ("pkcs11", "PKCS11_MODULE"), ("kms", "KMS_KEY")):
        with pytest.raises(ConfigurationError, match=variable):
            load_credentials(real(key.public_key(), signer=signer))
    with pytest.raises(ConfigurationError, match="SIGNER_CHAIN"):
        load_credentials(settings.model_copy(update={"signer": "files"}))


def test_key_file_mistakes(real, key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    good = write_key(tmp_path / "good.pem", key)
    other = write_key(tmp_path / "other.pem", ec.generate_private_key(ec.SECP256R1()))
    locked = write_key(tmp_path / "locked.pem", key, password=b"secret")
    (tmp_path / "junk.pem").write_text("junk")
    (tmp_path / "junk.pem").chmod(0o600)
    exposed = write_key(tmp_path / "exposed.pem", key)
    exposed.chmod(0o644)
    load = lambda path, **more: load_credentials(real(key.public_key(), signer="files", signer_key=path, **more))  # noqa: E731
    assert load(good).algorithm == "es256"
    assert "PRIVATE" not in repr(load(good))
    for path, more, message in (
        (other, {}, "does not belong"),
        (locked, {}, "is encrypted"),
        (locked, {"signer_key_password": "wrong"}, "cannot be read"),
        (good, {"signer_key_password": "needless"}, "is not encrypted"),
        (tmp_path / "junk.pem", {}, "cannot be read"),
        (tmp_path / "missing.pem", {}, "cannot be read"),
        (exposed, {}, "other users"),
    ):
        with pytest.raises(CredentialError, match=message):
            load(path, **more)
    settings = real(key.public_key(), signer="files", signer_key=good)
    assert settings.signer_chain is not None
    settings.signer_chain.write_text("no certificates")
    with pytest.raises(CredentialError, match="chain"):
        load_credentials(settings)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an authority's certificate": ({"authority": True}, "certificate authority's"),
    "no key usage": ({"signing": None}, "what its key may be used for"),
    "key usage without signing": ({"signing": False}, "does not include digital signatures"),
    "no extended key usage": ({"usages": None}, "no extended key usage"),
    "any extended key usage": ({"usages": [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]}, "'any'"),
    "for time-stamps": ({"usages": [ExtendedKeyUsageOID.TIME_STAMPING]}, "time-stamping"),
    "for web servers": ({"usages": [ExtendedKeyUsageOID.SERVER_AUTH]}, "does not include claim signing"),
    "no authority key identifier": ({"identifier": False}, "authority key identifier"),
    "expired": ({"starts": -40}, "expired on"),
    "not valid yet": ({"starts": 5}, "not valid before"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_certificate_mistake_has_its_own_message(
    authority: Authority, key: ec.EllipticCurvePrivateKey, mistake: str
) -> None:
    changes, message = MISTAKES[mistake]
    leaf = authority.issue(key.public_key(), **changes)
    with pytest.raises(CredentialError, match=message) as caught:
        check_chain([leaf, authority.root], datetime.now(UTC))
    assert caught.value.remedy
    others = [text for name, (_, text) in MISTAKES.items() if name != mistake]
    assert not any(other in caught.value.cause for other in others)


def test_chain_mistakes_have_their_own_messages(authority: Authority, key: ec.EllipticCurvePrivateKey) -> None:
    now = datetime.now(UTC)
    leaf = authority.issue(key.public_key())
    check_chain([leaf, authority.root], now)
    stranger = Authority().root
    old = authority.issue(authority.key.public_key(), name="Test CA", authority=True, usages=None, starts=-40)
    end = authority.issue(key.public_key())
    below = authority.issue(key.public_key(), name="Below", by=(end.subject, key))
    for chain, message in (
        ([], "there is none"),
        ([leaf], "issuer's certificate is missing"),
        ([leaf, stranger], "did not issue"),
        ([authority.root, leaf], "certificate authority's"),
        ([leaf, old], "is not valid today"),
        ([below, end, authority.root], "no certificate authority"),
    ):
        with pytest.raises(CredentialError, match=message):
            check_chain(chain, now)


def test_unusable_keys_are_named() -> None:
    for unusable, message in (
        (rsa.generate_private_key(65537, 1024), "1024 bits"),
        (ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
        (dsa.generate_private_key(2048), "such a key"),
    ):
        with pytest.raises(CredentialError, match=message):
            algorithm_of(unusable.public_key())
