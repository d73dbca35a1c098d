"""Request bodies, read as they come: fields into memory, files onto the disk, limits enforced on every chunk."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NoReturn
from urllib.parse import unquote

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from countermark.service.faults import ApiError
from countermark.service.files import UPLOAD, FileStore, plain_name

_MAX_PARTS = 100
"""Of a form, whatever they are: files and texts, members of a list or object, and what is empty."""
_MAX_TEXT = 1024**2
"""Bytes of a JSON body, or of all text fields of a form together, where there is no other limit."""
MAX_DATA_URL = 12 * 1024**2
"""The same where a picture may come as a data URL: one of 9 MB, with its base64."""
NO_FILES: Mapping[str, int] = MappingProxyType({})
_DATA_URL = re.compile(r"data:image/(png|jpe?g|webp);base64,([A-Za-z0-9+/]+={0,2})", re.ASCII)


FILE = ""
"""Holds the place of a file in a list of a form's fields, where files and texts may be mixed."""


@dataclass
class Body:
    """What a request carried. ``incoming`` is the folder with its files, if there were any; give it away or remove it.

    ``uploads`` are the files by field, in the order in which they came, ``size_bytes`` of all of them together.
    ``digest`` is a SHA-256 over path, fields and files, to tell whether two requests are the same.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    incoming: Path | None = None
    uploads: dict[str, list[Path]] = field(default_factory=dict)
    size_bytes: int = 0
    digest: str = ""

    def place(self, files: FileStore, field: str, name: str) -> Path:
        """Where the next file of ``field`` is to be written, which its client calls ``name``."""
        if self.incoming is None:
            self.incoming = files.incoming(secrets.token_hex(16))
            (self.incoming / UPLOAD).mkdir()
        folder, plain = self.incoming / UPLOAD, Path(plain_name(name))
        taken, path = 1, folder / plain
        while path.exists():
            taken += 1
            path = folder / f"{plain.stem}-{taken}{plain.suffix}"
        self.uploads.setdefault(field, []).append(path)
        return path


async def read_body(
    request: Request,
    files: FileStore,
    *,
    limit: int,
    file_fields: Mapping[str, int] = NO_FILES,
    text_limit: int = _MAX_TEXT,
) -> Body:
    """Read a JSON, multipart or (where a file is wanted) plain video body.

    ``file_fields`` says how many files each field of a form may have; one that may have several is a list, with `FILE`
    where a file was sent. A plain body is a file of the first. ``limit`` is of all files together, ``text_limit`` of
    everything else, in bytes. Raises `ApiError`: 400 for a malformed body, an empty file, one too many or one in a
    field that takes none, 413 for one over ``limit`` bytes, 415 for another kind. Nothing is left on the disk then.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit + text_limit:
        _too_large(limit)
    intake = _Intake(files, request.url.path, limit, file_fields, text_limit)
    try:
        if kind == b"multipart/form-data":
            await _read_form(request, intake, parameters.get(b"boundary"))
        elif kind in (b"application/json", b""):
            await _read_json(request, intake)
        elif file_fields and (kind.startswith(b"video/") or kind == b"application/octet-stream"):
            _, disposition = parse_options_header(request.headers.get("content-disposition"))
            name = unquote(disposition.get(b"filename", b"").decode("utf-8", "replace"))
            intake.open(next(iter(file_fields)), name)
            async for chunk in request.stream():
                intake.write(chunk)
        else:
            raise ApiError(415, "unsupported_media_type", "Send JSON, multipart/form-data, or a video as it is.")
        return await asyncio.to_thread(intake.finish)
    except ClientDisconnect:
        intake.abandon()
        raise ApiError(400, "incomplete_body", "The upload ended too early.") from None
    except BaseException:
        intake.abandon()
        raise


class _Intake:
    """Takes in a body piece by piece."""

    def __init__(
        self, files: FileStore, path: str, limit: int, file_fields: Mapping[str, int], text_limit: int
    ) -> None:
        self.body = Body()
        self.text_limit = text_limit
        self.file_fields = file_fields
        self.unwanted: str | None = None  # name of a field that takes no file and had one
        self._files, self._limit = files, limit
        self._opened: list[tuple[str, IO[bytes]]] = []
        self._path, self._digest = path, hashlib.sha256()

    def open(self, field: str, name: str) -> None:
        most = self.file_fields[field]
        if len(self.body.uploads.get(field, [])) == most:
            raise ApiError(400, "invalid_value", f"Send no more than {most} here.", param=field)
        self._opened.append((field, self.body.place(self._files, field, name).open("xb")))

    def write(self, chunk: bytes) -> None:
        self.body.size_bytes += len(chunk)
        if self.body.size_bytes > self._limit:
            _too_large(self._limit)
        self._digest.update(chunk)
        self._opened[-1][1].write(chunk)

    def finish(self) -> Body:
        if self.unwanted is not None:
            taken = " or ".join(f"'{name}'" for name in self.file_fields)
            message = f"No file is taken as '{self.unwanted[:100]}' here{taken and f', only as {taken}'}."
            raise ApiError(400, "invalid_value", message, param=self.unwanted[:100])
        held = []
        for name, file in self._opened:
            if not file.tell():
                raise ApiError(400, "empty_file", "The file is empty.", param=name)
            held.append((name, Path(file.name).name, file.tell()))
            file.flush()
            os.fsync(file.fileno())
            file.close()
        self._digest.update(json.dumps([self._path, self.body.fields, held], sort_keys=True).encode())
        self.body.digest = self._digest.hexdigest()
        return self.body

    def abandon(self) -> None:
        for _, file in self._opened:
            with suppress(OSError):
                file.close()
        if self.body.incoming is not None:
            self._files.discard(self.body.incoming)


async def _read_json(request: Request, intake: _Intake) -> None:
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > intake.text_limit:
            _too_large(intake.text_limit)
    try:
        fields = json.loads(bytes(text)) if text.strip() else {}
        json.dumps(fields, ensure_ascii=False).encode()  # a lone surrogate can be written in JSON, but stored nowhere
    except (ValueError, RecursionError):
        raise ApiError(400, "invalid_json", "The body is not valid JSON.") from None
    if not isinstance(fields, dict):
        raise ApiError(400, "invalid_json", "The body is not a JSON object.")
    intake.body.fields = fields


class _Form:
    """Callbacks of the multipart parser."""

    def __init__(self, intake: _Intake) -> None:
        self.intake = intake
        self.complete = False
        self._text_bytes = self._parts = 0
        self._clear()

    def _clear(self) -> None:
        self._header_name, self._header_value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._name, self._text, self._mode = "", bytearray(), "text"

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise ApiError(400, "invalid_form", f"The form has more than {_MAX_PARTS} parts.")
        self._clear()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name, self._header_value = bytearray(), bytearray()

    def on_headers_finished(self) -> None:
        _, disposition = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in disposition:
            raise ApiError(400, "invalid_form", "A part of the form has no name.")
        self._name = disposition[b"name"].decode("utf-8", "replace")
        filename = disposition.get(b"filename")
        if filename is None:
            return
        if (field := self._name.removesuffix("[]")) in self.intake.file_fields:
            self._mode = "file"
            self.intake.open(field, filename.decode("utf-8", "replace"))
            if self._listed(field):
                self._append(field, FILE)
        else:
            self._mode = "skip"
            self.intake.unwanted = self._name

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._mode == "file":
            self.intake.write(data[start:end])
        elif self._mode == "text":
            self._text_bytes += end - start
            if self._text_bytes > self.intake.text_limit:
                _too_large(self.intake.text_limit)
            self._text += data[start:end]

    def on_part_end(self) -> None:
        if self._mode != "text":
            return
        try:
            text = self._text.decode()
        except UnicodeDecodeError:
            raise ApiError(400, "invalid_form", f"The field '{self._name}' is not UTF-8.") from None
        fields, name = self.intake.body.fields, self._name
        if name.endswith("[]") or self._listed(name):  # blend[]=… is how OpenAI's clients write a list in a form
            self._append(name.removesuffix("[]"), text)
        elif name.endswith("]") and "[" in name:  # video[id]=… is how they write an object
            name, _, inner = name[:-1].partition("[")
            nested = fields.setdefault(name, {})
            if not isinstance(nested, dict):
                raise ApiError(400, "invalid_form", f"The field '{name}' is given twice.")
            nested[inner] = text
        else:
            fields[name] = text

    def on_end(self) -> None:
        self.complete = True

    def _listed(self, name: str) -> bool:
        return self.intake.file_fields.get(name, 1) > 1

    def _append(self, name: str, text: str) -> None:
        listed = self.intake.body.fields.setdefault(name, [])
        if not isinstance(listed, list):
            raise ApiError(400, "invalid_form", f"The field '{name}' is given twice.")
        listed.append(text)


async def _read_form(request: Request, intake: _Intake, boundary: bytes | None) -> None:
    if not boundary:
        raise ApiError(400, "invalid_form", "The form's Content-Type names no boundary.")
    form = _Form(intake)
    names = (
        "part_begin",
        "part_data",
        "part_end",
        "header_field",
        "header_value",
        "header_end",
        "headers_finished",
        "end",
    )
    try:
        parser = MultipartParser(boundary, {f"on_{name}": getattr(form, f"on_{name}") for name in names})  # type: ignore[arg-type]
        total = 0
        async for chunk in request.stream():
            total += len(chunk)
            if total > intake._limit + intake.text_limit + _MAX_TEXT:  # also what is skipped costs time
                _too_large(intake._limit)
            parser.write(chunk)
    except (FormParserError, ValueError):
        raise ApiError(400, "invalid_form", "The body is not valid multipart/form-data.") from None
    if not form.complete:
        raise ApiError(400, "incomplete_body", "The form ends before its last boundary.")


def take_picture(url: str, body: Body, files: FileStore, *, field: str) -> None:
    """Make the picture in a data URL an upload of ``field``. Raises `ApiError` (400) for any other URL: none is
    fetched.
    """
    kind, data = picture_in(url, param=field)
    body.place(files, field, f"picture.{kind}").write_bytes(data)


def picture_in(url: str, *, param: str) -> tuple[str, bytes]:
    """The kind that a data URL states, as a file's ending, and the picture in it, not looked at yet.

    Raises `ApiError` (400) for any other URL: none is fetched.
    """
    found = _DATA_URL.fullmatch(url)
    if found is not None:
        with suppress(ValueError):  # a length that no base64 has
            return found[1], base64.b64decode(found[2] + "=" * (-len(found[2]) % 4))
    message = "Send the picture itself as a data URL (PNG, JPEG or WebP in base64). No address is fetched."
    raise ApiError(400, "invalid_value", message, param=param)


def _too_large(limit: int) -> NoReturn:
    raise ApiError(413, "too_large", f"The upload is larger than the limit of {limit} bytes.")
