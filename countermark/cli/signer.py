"""``countermark signer``: the credentials that sign here, their rotation and revocation."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from countermark.cli.outcome import Outcome
from countermark.cli.page import Page, Row

app = typer.Typer(help="The credentials that sign on this machine.", no_args_is_help=True)


@app.command()
def show() -> Outcome:
    """Show who signs here, and until when."""
    from countermark.core.settings import get_settings
    from provenance.signers import load_credentials

    credentials = load_credentials(get_settings())
    return Outcome(_page(credentials.name, credentials.chain_pem))


@app.command()
def rotate() -> Outcome:
    """Replace this machine's own signing key and certificate now; what the old one signed stays good."""
    from countermark.core.settings import get_settings
    from provenance.revocation import rotate as rotate_credentials

    credentials = rotate_credentials(get_settings())
    return Outcome(_page(credentials.name, credentials.chain_pem))


@app.command(name="rotate-watermark")
def rotate_watermark() -> Outcome:
    """Replace the secret key of the watermark now; videos marked with the old one stay readable here."""
    from countermark.core.settings import get_settings
    from provenance.watermark import rotate_key

    settings = get_settings()
    key = rotate_key(settings.keys_dir, settings.issuer)
    rows = (Row("keys", str(settings.keys_dir)), Row("issuer", str(key.issuer)))
    return Outcome(Page("A new watermark key is in use", "The old one is kept for reading. Back both up.", rows=rows))


@app.command()
def revoke(
    serial: Annotated[str, typer.Argument(metavar="SERIAL", help="The certificate's serial number, in hex.")],
    reason: Annotated[
        Literal["unspecified", "key_compromise", "superseded", "cessation_of_operation"],
        typer.Option(help="After a key compromise nothing that the key signed is trusted any more."),
    ] = "unspecified",
) -> Outcome:
    """Revoke one of this machine's own signing certificates; the current one is replaced."""
    from countermark.core.errors import UsageError
    from countermark.core.settings import get_settings
    from provenance.revocation import revoke as revoke_certificate

    try:
        number = int(serial.replace(":", ""), 16)
    except ValueError:
        raise UsageError(f"'{serial}' is no serial number.", remedy="See `countermark signer show`.") from None
    revoke_certificate(number, reason, get_settings())
    return Outcome(Page(f"Certificate {number:x} is revoked", reason.replace("_", " ")))


def _page(name: str, chain_pem: str) -> Page:
    from cryptography import x509

    chain = x509.load_pem_x509_certificates(chain_pem.encode())
    leaf = chain[0]
    rows = (
        Row("serial", f"{leaf.serial_number:x}"),
        Row("valid", f"{leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"),
        Row("issuer", leaf.issuer.rfc4514_string()),
    )
    return Page(name, rows=rows)
