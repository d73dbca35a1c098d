"""Fetch an asset that somebody else names, without becoming their tool against other machines.

Only HTTPS, only to public addresses, and to the very address that was checked; no redirect is followed; the answer is
as long as announced, and not longer than allowed (server-side request forgery: OWASP SSRF prevention cheat sheet).
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from countermark.core.deadline import cut_after
from countermark.core.errors import UsageError

_SECONDS_A_STEP = 20
_SECONDS = 300
"""For all of it."""
_CHUNK = 256 * 1024


class FetchError(UsageError):
    """What was named could not be fetched, or may not be."""

    code = "fetch"
    http_status = 502


def fetch(url: str, target: Path, *, limit: int, length: int | None = None) -> None:
    """Fetch ``url`` into ``target``: at most ``limit`` bytes, and just ``length`` if given; raises `FetchError`."""
    place = _Place.of(url, "https")
    if length is not None and not 0 < length <= limit:
        raise FetchError(f"{length} bytes are not fetched; the limit is {limit}.", remedy="Upload a smaller file.")
    with _connected(place) as connection:
        connection.request("GET", place.path, headers={"Accept": "*/*"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise FetchError(f"{place.host} answered {answer.status}.", remedy="Give the asset's own address.")
        received = 0
        with target.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                received += len(chunk)
                if received > (limit if length is None else length):
                    break
                file.write(chunk)
        if received > limit or (length is not None and received != length):
            wanted = f"at most {limit}" if length is None else str(length)
            raise FetchError(f"What {place.host} gave is not {wanted} bytes long.", remedy="Check the address.")


def post(url: str, body: bytes, *, kind: str, limit: int) -> bytes:
    """The answer to ``body`` (media type ``kind``), of at most ``limit`` bytes; raises `FetchError`.

    Also over plain http: for questions whose answer is signed.
    """
    place = _Place.of(url, "https", "http")
    with _connected(place) as connection:
        connection.request("POST", place.path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        data = answer.read(limit + 1)
        if answer.status != 200 or len(data) > limit:
            raise FetchError(f"{place.host} answered {answer.status}.", remedy="Try again later.")
        return data


@dataclass(frozen=True)
class _Place:
    """Where an address leads; ``path`` with the query."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str, *schemes: str) -> _Place:
        """The parts of an address of one of these schemes; raises `FetchError`."""
        try:
            parts = urlsplit(url)
            secure, host, port = parts.scheme == "https", parts.hostname, parts.port
        except ValueError:  # brackets or a port that are none
            host = None
        if not host or parts.scheme not in schemes or parts.username is not None:
            raise FetchError(
                f"Only plain {' and '.join(schemes)} addresses are fetched.", remedy="Give such an address."
            )
        path = parts.path or "/"
        return cls(secure, host, port or (443 if secure else 80), f"{path}?{parts.query}" if parts.query else path)


@contextmanager
def _connected(place: _Place) -> Iterator[http.client.HTTPConnection]:
    """A connection to the address that was checked, which is cut when it lasts too long; failures are `FetchError`."""
    address = public_address(place.host, place.port)
    kind = http.client.HTTPSConnection if place.secure else http.client.HTTPConnection
    connection = kind(place.host, place.port)
    try:
        raw = socket.create_connection(address, timeout=_SECONDS_A_STEP)
        with cut_after(_SECONDS, raw):
            context = ssl.create_default_context() if place.secure else None
            connection.sock = context.wrap_socket(raw, server_hostname=place.host) if context else raw
            yield connection
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"{place.host} could not be reached: {error}.", remedy="Check the address.") from error
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
