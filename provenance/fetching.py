"""Fetch an asset that somebody else names, without becoming their tool against other machines.

Only HTTPS, only to public addresses, and to the very address that was checked; no redirect is followed; the answer is
as long as announced, and not longer than allowed (server-side request forgery: OWASP SSRF prevention cheat sheet).
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from countermark.core.errors import UsageError

_SECONDS = 20
_CHUNK = 256 * 1024


class FetchError(UsageError):
    """What was named could not be fetched, or may not be."""

    code = "fetch"
    http_status = 502


def fetch(url: str, target: Path, *, limit: int, length: int | None = None) -> None:
    """Fetch ``url`` into ``target``: at most ``limit`` bytes, and just ``length`` if given; raises `FetchError`."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise FetchError("Only plain https addresses are fetched.", remedy="Give an https:// address.")
    if length is not None and not 0 < length <= limit:
        raise FetchError(f"{length} bytes are not fetched; the limit is {limit}.", remedy="Upload a smaller file.")
    address = public_address(parts.hostname, parts.port or 443)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=_SECONDS)
    try:
        raw = socket.create_connection(address, timeout=_SECONDS)
        connection.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=parts.hostname)
        path = parts.path or "/"
        connection.request("GET", f"{path}?{parts.query}" if parts.query else path, headers={"Accept": "*/*"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise FetchError(f"{parts.hostname} answered {answer.status}.", remedy="Give the asset's own address.")
        received = 0
        with target.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                received += len(chunk)
                if received > (limit if length is None else length):
                    break
                file.write(chunk)
        if received > limit or (length is not None and received != length):
            wanted = f"at most {limit}" if length is None else str(length)
            raise FetchError(f"What {parts.hostname} gave is not {wanted} bytes long.", remedy="Check the address.")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"{parts.hostname} could not be reached: {error}.", remedy="Check the address.") from error
    finally:
        connection.close()


def post(url: str, body: bytes, *, kind: str, limit: int) -> bytes:
    """The answer to ``body`` (media type ``kind``), of at most ``limit`` bytes; raises `FetchError`.

    Also over plain http: for questions whose answer is signed.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username is not None:
        raise FetchError("Only plain http and https addresses are asked.", remedy="Give such an address.")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = public_address(parts.hostname, port)
    connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(parts.hostname, port)
    try:
        connection.sock = socket.create_connection(address, timeout=_SECONDS)
        if secure:
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=parts.hostname)
        connection.request("POST", parts.path or "/", body, {"Content-Type": kind})
        answer = connection.getresponse()
        data = answer.read(limit + 1)
        if answer.status != 200 or len(data) > limit:
            raise FetchError(f"{parts.hostname} answered {answer.status}.", remedy="Try again later.")
        return data
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"{parts.hostname} could not be reached: {error}.", remedy="Try again later.") from error
    finally:
        connection.close()


def public_address(host: str, port: int) -> tuple[str, int]:
    """An address of ``host`` to connect to; raises `FetchError` unless all of its addresses are public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"{host} is not known.", remedy="Check the address.") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not ipaddress.ip_address(address.split("%")[0]).is_global:
            raise FetchError(f"{host} is not on the public network.", remedy="Upload the file instead.")
    return addresses[0], port
