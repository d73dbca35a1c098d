"""Whom this machine trusts: its own root, and lists of certificates that the user has put in place.

A list is a PEM file and is of one kind: its authorities may vouch for signers, or for time-stamps. The SDK keeps the
two apart only in name (any anchor makes any signature "Trusted" to it), so the chain is followed here once more.
Lists change only by the user's command; nothing is downloaded. Source: C2PA 2.4 sections 14.4.1 and 14.4.3.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from pydantic import BaseModel, ConfigDict

from countermark.core.errors import ConfigurationError, UsageError
from countermark.core.settings import Settings
from provenance.credentials import TRUST_NOTE, load_trust_anchor
from provenance.revocation import Revocation, RevocationLists, load_revocations
from provenance.x509 import is_authority, issued_by, pem_problem

Kind = Literal["signer", "tsa"]
OFFICIAL: dict[str, Kind] = {"C2PA-TRUST-LIST": "signer", "C2PA-TSA-TRUST-LIST": "tsa"}
"""The lists of the C2PA conformance programme, by file name without suffix."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_LIST = 16 * 1024**2
_MAX_CHAIN = 10


class TrustList(BaseModel):
    """One list in place. ``updated_at`` is when the user put it there."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind
    certificates: int
    expired: int
    updated_at: datetime
    path: Path


@dataclass(frozen=True)
class Anchor:
    """A certificate that is trusted for one purpose, and the name of the list it is on; None for our own root."""

    certificate: x509.Certificate
    kind: Kind
    source: str | None

    @property
    def note(self) -> str:
        """Who vouches, in words that follow a signer's name."""
        return TRUST_NOTE if self.source is None else f"vouched for by the trust list {self.source}"


@dataclass(frozen=True)
class Anchors:
    """All that this machine trusts."""

    anchors: tuple[Anchor, ...] = ()
    revocations: RevocationLists = field(default_factory=RevocationLists)
    told: Mapping[bytes, Revocation] = field(default_factory=dict)
    """What responders said, by the certificate's SHA-256."""

    @classmethod
    def local(cls, pem: str | None) -> Anchors:
        """This machine's root alone."""
        certificates = x509.load_pem_x509_certificates(pem.encode()) if pem else []
        return cls(tuple(Anchor(certificate, "signer", None) for certificate in certificates))

    @property
    def pem(self) -> str | None:
        """Every anchor, for the SDK, which has one set for signatures and time-stamps; None when there is none."""
        unique = {anchor.certificate.fingerprint(hashes.SHA256()): anchor.certificate for anchor in self.anchors}
        return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in unique.values()) or None

    def revocation_of(self, chain: Sequence[x509.Certificate]) -> Revocation | None:
        """Whether a certificate of the chain was revoked, on a list that its issuer signed or as a responder said."""
        listed = self.revocations.find(chain, self.issuers(chain))
        told = (self.told.get(certificate.fingerprint(hashes.SHA256())) for certificate in chain)
        return listed or next((revocation for revocation in told if revocation is not None), None)

    def issuers(self, chain: Sequence[x509.Certificate]) -> list[x509.Certificate]:
        """Whoever may have issued the certificates of a chain."""
        return [*chain[1:], *(anchor.certificate for anchor in self.anchors)]

    def vouching_for(self, chain: Sequence[x509.Certificate], kind: Kind) -> Anchor | None:
        """The anchor of this kind that a chain (its end entity first) leads to, if any.

        An anchor may be an issuer of the chain's last certificate, or itself in the chain above the end entity.
        Validity in time is the SDK's to check.
        """
        anchors = [anchor for anchor in self.anchors if anchor.kind == kind]
        for index, certificate in enumerate(chain[:_MAX_CHAIN]):
            if index and not (is_authority(certificate) and issued_by(chain[index - 1], certificate)):
                return None
            for anchor in anchors:
                if (index and anchor.certificate == certificate) or issued_by(certificate, anchor.certificate):
                    return anchor
        return None


def load_anchors(settings: Settings) -> Anchors:
    """This machine's root and the lists in place; raises `ConfigurationError` or `CredentialError` for damaged ones."""
    anchors = list(Anchors.local(load_trust_anchor(settings)).anchors)
    for kind, path in _files(settings):
        anchors += [Anchor(certificate, kind, path.stem) for certificate in _read(path, ConfigurationError)]
    return Anchors(tuple(anchors), load_revocations(settings))


def trust_lists(settings: Settings) -> list[TrustList]:
    """The lists in place."""
    now = datetime.now(UTC)
    lists = []
    for kind, path in _files(settings):
        certificates = _read(path, ConfigurationError)
        lists.append(
            TrustList(
                name=path.stem,
                kind=kind,
                certificates=len(certificates),
                expired=sum(c.not_valid_after_utc < now for c in certificates),
                updated_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
                path=path,
            )
        )
    return lists


def update_trust_lists(files: Iterable[Path], settings: Settings, *, kind: Kind | None = None) -> list[TrustList]:
    """Put lists in place, each under its file's name, replacing what was there under that name.

    The official lists are known by their names; for any other ``kind`` says what its authorities may vouch for.
    Everything is checked before anything is written. Raises `UsageError`.
    """
    prepared: dict[Path, str] = {}
    for file in files:
        name = file.stem
        if not _NAME.fullmatch(name):
            raise UsageError(f"'{name}' is no name for a trust list.", remedy="Rename the file to letters and digits.")
        purpose = OFFICIAL.get(name, kind)
        if purpose is None:
            raise UsageError(
                f"Whether {file} lists authorities for signers or for time-stamps is not clear from its name.",
                remedy="Say --kind signer or --kind tsa.",
            )
        if kind is not None and purpose != kind:
            raise UsageError(f"{name} is the official list for '{purpose}'.", remedy=f"Leave out --kind {kind}.")
        certificates = _read(file, UsageError)
        for certificate in certificates:
            if not is_authority(certificate):
                raise UsageError(
                    f"{file} holds the certificate '{certificate.subject.rfc4514_string()}', which is no authority.",
                    remedy="Only authorities (CA certificates) can be trust anchors.",
                )
        pem = "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)
        prepared[_folder(settings, purpose) / f"{name}.pem"] = pem
    for path, pem in prepared.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
        partial.write_text(pem)
        partial.replace(path)
    return [entry for entry in trust_lists(settings) if entry.path in prepared]


def remove_trust_list(name: str, settings: Settings) -> None:
    """Take a list away; raises `UsageError` when there is none of this name."""
    found = [path for _, path in _files(settings) if path.stem == name]
    if not found:
        known = ", ".join(path.stem for _, path in _files(settings)) or "none"
        raise UsageError(f"There is no trust list '{name}'.", remedy=f"In place: {known}.")
    for path in found:
        path.unlink()


def _folder(settings: Settings, kind: Kind) -> Path:
    return settings.trust_dir / kind


def _files(settings: Settings) -> list[tuple[Kind, Path]]:
    kinds: tuple[Kind, ...] = ("signer", "tsa")
    return [(kind, path) for kind in kinds for path in sorted(_folder(settings, kind).glob("[!.]*.pem"))]


def _read(path: Path, failure: type[UsageError | ConfigurationError]) -> list[x509.Certificate]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LIST + 1)
        if len(data) > _MAX_LIST:
            raise ValueError("it is too large")
        return x509.load_pem_x509_certificates(data)
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else pem_problem(error)
        raise failure(
            f"{path} is not a list of certificates: {reason}.", remedy="Give a PEM file of CA certificates."
        ) from error
