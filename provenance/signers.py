"""Who signs: this machine's own authority for trial, or real credentials from files, a PKCS#11 token, or a cloud KMS.

Keys in tokens and KMS never leave them: the SDK calls back with what is to be signed. The chain is checked beforehand,
and what it is signed with is checked against it, so that a wrong key is an error with a reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

from countermark.core.errors import ConfigurationError, CredentialError
from countermark.core.settings import Settings
from provenance.certificates import algorithm_of, check_chain
from provenance.credentials import Credentials, load_or_create_credentials
from provenance.x509 import pem_problem

Value = TypeVar("Value")
_HASHES: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "es256": ("sha256", hashes.SHA256()),
    "es384": ("sha384", hashes.SHA384()),
    "es512": ("sha512", hashes.SHA512()),
}
_KMS_ALGORITHMS = {"es256": "ECDSA_SHA_256", "es384": "ECDSA_SHA_384", "es512": "ECDSA_SHA_512"}


class KmsClient(Protocol):
    """The one call that is needed of a key management service, as AWS KMS has it (``boto3.client("kms")``)."""

    def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> dict[str, Any]:
        """``{"Signature": DER}`` over a digest."""
        ...


def load_credentials(settings: Settings, *, kms: KmsClient | None = None) -> Credentials:
    """The credentials that the settings name; ``kms`` replaces the client that boto3 makes.

    Raises `CredentialError` for unfit certificates, keys and tokens, and `ConfigurationError` for missing settings.
    """
    if settings.signer == "local":
        return load_or_create_credentials(settings)
    chain = _chain(settings)
    key = chain[0].public_key()
    check_chain(chain, datetime.now(UTC))
    algorithm = algorithm_of(key)
    sign: Callable[[bytes], bytes] | None = None
    key_pem = ""
    if settings.signer == "files":
        key_pem = _private_key(settings, chain[0])
    elif settings.signer == "pkcs11":
        sign = _checked(_token_signer(settings, _ecdsa(algorithm, key)), key, algorithm)
    else:
        sign = _checked(_kms_signer(settings, _ecdsa(algorithm, key), kms), key, algorithm)
    return Credentials(
        chain_pem="".join(_pem(certificate) for certificate in chain),
        root_pem=_pem(chain[-1]),
        name=_name(chain[0]),
        not_before=chain[0].not_valid_before_utc,
        not_after=chain[0].not_valid_after_utc,
        key_pem=key_pem,
        algorithm=algorithm,
        sign=sign,
        local=False,
    )


def _chain(settings: Settings) -> list[x509.Certificate]:
    path = _required(settings.signer_chain, "COUNTERMARK_SIGNER_CHAIN")
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CredentialError(
            f"The certificate chain {path} cannot be read: {pem_problem(error)}.",
            remedy="Give a PEM file, the signer's first.",
        ) from error


def _private_key(settings: Settings, leaf: x509.Certificate) -> str:
    path = _required(settings.signer_key, "COUNTERMARK_SIGNER_KEY")
    secret = settings.signer_key_password
    try:
        if path.stat().st_mode & 0o077:
            raise CredentialError(
                f"The private key {path} can be read by other users.", remedy=f"Run: chmod 600 '{path}'"
            )
        key = serialization.load_pem_private_key(
            path.read_bytes(), None if secret is None else secret.get_secret_value().encode()
        )
    except TypeError as error:
        asked = "is encrypted" if secret is None else "is not encrypted"
        raise CredentialError(
            f"The private key {path} {asked}.", remedy="Set COUNTERMARK_SIGNER_KEY_PASSWORD accordingly."
        ) from error
    except (OSError, ValueError) as error:
        raise CredentialError(
            f"The private key {path} cannot be read: {error}.",
            remedy="Give a PEM file, and its password if it has one.",
        ) from error
    if key.public_key() != leaf.public_key():
        raise CredentialError(
            f"The private key {path} does not belong to the signing certificate.", remedy="Give the matching pair."
        )
    # PKCS#8, because the SDK rejects the older forms.
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*encoding).decode()


def _ecdsa(algorithm: str, key: object) -> str:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise CredentialError(
            f"Keys for '{algorithm}' in tokens and KMS are not supported.", remedy="Use a P-256, P-384 or P-521 key."
        )
    return algorithm


def _token_signer(settings: Settings, algorithm: str) -> Callable[[bytes], bytes]:
    module = _required(settings.pkcs11_module, "COUNTERMARK_PKCS11_MODULE")
    token_label = _required(settings.pkcs11_token, "COUNTERMARK_PKCS11_TOKEN")
    key_label = _required(settings.pkcs11_key, "COUNTERMARK_PKCS11_KEY")
    pin = settings.pkcs11_pin
    try:
        import pkcs11
    except ImportError as error:
        raise ConfigurationError(
            "PKCS#11 is not installed.", remedy="Run: pip install 'countermark[pkcs11]'"
        ) from error

    def sign(data: bytes) -> bytes:
        digest = hashlib.new(_HASHES[algorithm][0], data).digest()
        token = pkcs11.lib(str(module)).get_token(token_label=token_label)
        with token.open(user_pin=None if pin is None else pin.get_secret_value()) as session:
            key: Any = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=key_label)
            raw: bytes = key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    return sign


def _kms_signer(settings: Settings, algorithm: str, client: KmsClient | None) -> Callable[[bytes], bytes]:
    key_id = _required(settings.kms_key, "COUNTERMARK_KMS_KEY")
    if client is None:
        try:
            import boto3
        except ImportError as error:
            raise ConfigurationError(
                "The client of the key management service is not installed.",
                remedy="Run: pip install 'countermark[kms]'",
            ) from error
        client = boto3.client("kms")
    service: KmsClient = client

    def sign(data: bytes) -> bytes:
        digest = hashlib.new(_HASHES[algorithm][0], data).digest()
        answer = service.sign(
            KeyId=key_id, Message=digest, MessageType="DIGEST", SigningAlgorithm=_KMS_ALGORITHMS[algorithm]
        )
        return bytes(answer["Signature"])

    return sign


def _checked(sign: Callable[[bytes], bytes], key: object, algorithm: str) -> Callable[[bytes], bytes]:
    """A signer whose failures and wrong signatures are `CredentialError`."""

    def checked(data: bytes) -> bytes:
        try:
            signature = sign(data)
        except Exception as error:  # whatever a driver or a service's client raises
            detail = str(error) or type(error).__name__
            raise CredentialError(
                f"The signing key did not sign: {detail}.", remedy="Check token, label, PIN, key id and permissions."
            ) from error
        assert isinstance(key, ec.EllipticCurvePublicKey)  # tokens and services with other keys were refused
        try:
            key.verify(signature, data, ec.ECDSA(_HASHES[algorithm][1]))
        except InvalidSignature as error:
            raise CredentialError(
                "The signing key does not belong to the signing certificate.", remedy="Name the matching key."
            ) from error
        return signature

    return checked


def _required(value: Value | None, variable: str) -> Value:
    if value is None or value == "":
        raise ConfigurationError(f"{variable} is not set.", remedy="Set it, or use COUNTERMARK_SIGNER=local.")
    return value


def _name(leaf: x509.Certificate) -> str:
    for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        names = leaf.subject.get_attributes_for_oid(kind)
        if names:
            return str(names[0].value)
    return "an unnamed signer"


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
