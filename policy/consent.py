"""Consent tokens: an operator's word that the persons in one upload agreed to it.

A token names the upload by its SHA-256 and the person by the name the operator gave, ends at a date, and is sealed with
a key that only this deployment has. It is checked, not looked up: nothing is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from countermark.core.digest import sha256_of
from countermark.core.errors import ConfigurationError, UsageError
from countermark.core.settings import Settings

_KEY_BYTES = 32
_DAY = 86_400
_MAX_DAYS = 36_500  # a century


class Consent(BaseModel):
    """What a token says: who agreed to the use of which file (SHA-256), and until when (Unix seconds)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: str
    sha256: str
    until: int


def issue_consent(sha256: str, person: str, *, settings: Settings, days: float = 30.0) -> str:
    """A token for the file with this digest; raises `UsageError` for a digest, a name or a term that is none."""
    if len(sha256) != 2 * hashlib.sha256().digest_size:
        raise UsageError(f"{sha256!r} is no SHA-256.", remedy="Give the file's, in hex.")
    if not person.strip():
        raise UsageError("A consent needs the name of who agreed.", remedy="Give a name.")
    if not 0 < days <= _MAX_DAYS:
        raise UsageError(f"A consent cannot hold for {days:g} days.", remedy=f"Give more than 0, at most {_MAX_DAYS}.")
    consent = Consent(person=person.strip(), sha256=sha256.lower(), until=int(time.time() + days * _DAY))
    body = base64.urlsafe_b64encode(consent.model_dump_json().encode()).decode().rstrip("=")
    return f"{body}.{_seal(body, settings)}"


def read_consent(token: str, sha256: str, *, settings: Settings) -> Consent:
    """The consent in ``token`` for the file with this digest; raises `UsageError` when it does not hold."""
    body, _, seal = token.partition(".")
    remedy = "Ask the person for consent and issue a token with `countermark policy consent`."
    if not hmac.compare_digest(seal.encode(), _seal(body, settings).encode()):
        raise UsageError("The consent token is not one of this deployment.", remedy=remedy)
    try:
        padded = body + "=" * (-len(body) % 4)
        consent = Consent.model_validate(json.loads(base64.urlsafe_b64decode(padded)))
    except (ValueError, ValidationError) as error:
        raise UsageError("The consent token cannot be read.", remedy=remedy) from error
    if consent.sha256 != sha256.lower():
        raise UsageError("The consent token is for another file.", remedy=remedy)
    if consent.until < time.time():
        raise UsageError("The consent has ended.", remedy=remedy)
    return consent


def consent_among(tokens: Sequence[str], path: Path) -> str | None:
    """The token that says it is for the file at ``path``; whether it holds, `read_consent` tells."""
    if not tokens:
        return None
    digest = sha256_of(path)
    return next((token for token in tokens if _stated(token).get("sha256") == digest), None)


def _stated(token: str) -> dict[str, object]:
    body = token.partition(".")[0]
    try:
        stated = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, RecursionError):
        return {}
    return stated if isinstance(stated, dict) else {}


def _seal(body: str, settings: Settings) -> str:
    return hmac.new(_key(settings), body.encode(), hashlib.sha256).hexdigest()


def _key(settings: Settings) -> bytes:
    path = settings.keys_dir / "consent.key"
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
        key = path.read_bytes()
    except FileExistsError:  # another process was first
        key = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The consent key {path} is unusable: {error.strerror}.", remedy="Repair it."
        ) from error
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(f"The consent key {path} is damaged.", remedy="Delete it; tokens have to be reissued.")
    return key
