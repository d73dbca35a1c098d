"""Before anything is judged: does the C2PA validator do what our settings say?

The SDK ignores misspelt settings and unreadable anchors without a word, and a release may rename one. Then every file
would be "untrusted", or worse, a stranger's "trusted". So each process signs a picture of one pixel and reads it three
ways before its first verification (about 15 ms).
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import c2pa
from PIL import Image

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Settings
from provenance.credentials import Credentials, load_or_create_credentials
from provenance.manifest import new_context
from provenance.statements import TRAINED_ALGORITHMIC_MEDIA

_TYPE = "image/png"


@cache
def check_validator() -> None:
    """Raise `ConfigurationError` unless anchors and hashes count for the SDK as our settings say."""
    with TemporaryDirectory() as ours, TemporaryDirectory() as others:
        signer, stranger = (load_or_create_credentials(Settings(home=Path(folder))) for folder in (ours, others))
    picture = _signed_picture(signer)
    damaged = picture[:-20] + bytes([picture[-20] ^ 1]) + picture[-19:]
    for data, root, expected in (
        (picture, signer.root_pem, "Trusted"),
        (picture, stranger.root_pem, "Valid"),
        (picture, None, "Valid"),
        (damaged, signer.root_pem, "Invalid"),
    ):
        state = _state(data, root)
        if state != expected:
            raise ConfigurationError(
                f"The C2PA validator failed its self-test: it says '{state}' of a file that is '{expected}'.",
                remedy="Install a version of c2pa-python that this version of Countermark is tested with.",
            )


def _signed_picture(credentials: Credentials) -> bytes:
    plain, signed = io.BytesIO(), io.BytesIO()
    Image.new("L", (1, 1)).save(plain, "PNG")
    created = {"action": "c2pa.created", "digitalSourceType": TRAINED_ALGORITHMIC_MEDIA}
    actions = {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [created]}}
    definition = {"claim_generator_info": [{"name": "self-test"}], "format": _TYPE, "assertions": [actions]}
    key, chain = credentials.key_pem.encode(), credentials.chain_pem.encode()
    with (
        c2pa.Signer.from_info(c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None)) as signer,
        c2pa.Builder(definition, new_context(credentials.root_pem)) as builder,
    ):
        plain.seek(0)
        builder.sign(signer, _TYPE, plain, signed)
    return signed.getvalue()


def _state(data: bytes, root_pem: str | None) -> str:
    try:
        with c2pa.Reader(_TYPE, io.BytesIO(data), None, new_context(root_pem)) as reader:
            return str(reader.get_validation_state())
    except c2pa.C2paError as error:
        return f"unreadable ({error})"
