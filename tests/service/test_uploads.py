"""Bodies are read as they come, whatever the pieces; what is malformed or too large leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from countermark.core.routes import SmallBody
from countermark.core.settings import Settings
from countermark.service import faults
from countermark.service.app import ROUTERS
from countermark.service.faults import ApiError
from countermark.service.files import FileStore, plain_name
from countermark.service.uploads import Body, read_body
from provenance.resolution import resolution_router


def read(
    pieces: list[bytes], kind: str, folder: Path, *, limit: int = 10_000, disposition: str = "", path: str = "/"
) -> Body:
    """Read a body that arrives in these pieces."""
    headers = [(b"content-type", kind.encode()), (b"content-disposition", disposition.encode())]
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    request = Request({"type": "http", "method": "POST", "headers": headers, "path": path}, receive)
    return asyncio.run(read_body(request, FileStore(folder), limit=limit, file_fields={"file": 1, "blend": 2}))


def in_pieces(content: bytes, sizes: list[int]) -> list[bytes]:
    pieces, start = [], 0
    for size in [*sizes, len(content)]:
        pieces.append(content[start : start + size])
        start += size
    return pieces


FORM = "multipart/form-data; boundary=frontier"


def form(content: bytes, name: str = "a.mp4") -> bytes:
    head = '--frontier\r\ncontent-disposition: form-data; name="seed"\r\n\r\n7\r\n--frontier\r\n'
    head += f'content-disposition: form-data; name="file"; filename="{name}"\r\ncontent-type: video/mp4\r\n\r\n'
    return head.encode() + content + b"\r\n--frontier--\r\n"


def parts(*given: tuple[str, str | None, bytes]) -> bytes:
    """A form of fields, each with the name of its file or None, and its content."""
    out = b""
    for field, name, content in given:
        file = "" if name is None else f'; filename="{name}"'
        out += (
            f'--frontier\r\ncontent-disposition: form-data; name="{field}"{file}\r\n\r\n'.encode() + content + b"\r\n"
        )
    return out + b"--frontier--\r\n"


@given(content=st.binary(min_size=1, max_size=3000), sizes=st.lists(st.integers(1, 400), max_size=12))
def test_a_form_is_the_same_in_whatever_pieces_it_comes(content, sizes, tmp_path_factory):
    body = read(in_pieces(form(content), sizes), FORM, tmp_path_factory.mktemp("files"))
    assert body.fields == {"seed": "7"}
    assert (body.incoming / "upload" / "a.mp4").read_bytes() == content
    assert body.size_bytes == len(content)


@given(junk=st.binary(max_size=500))
def test_junk_is_refused_or_read_but_never_breaks(junk, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for kind in (FORM, "application/json"):
        try:
            read([junk], kind, folder)
        except ApiError as error:
            assert error.status in (400, 413)
    assert len(list((folder / ".incoming").iterdir())) <= 1


@pytest.mark.parametrize(
    ("pieces", "kind", "status"),
    [
        ([form(b"x" * 10_001)], FORM, 413),
        ([b"x" * 6000, b"x" * 6000], "video/mp4", 413),
        ([form(b"x")[:-20]], FORM, 400),
        ([form(b"x")], "multipart/form-data", 400),
        ([b"[1]"], "application/json", 400),
        ([b'{"a": "\\ud800"}'], "application/json", 400),
        ([b"{" * 100_000], "application/json", 400),
        ([b"x"], "text/plain", 415),
        ([form(b"x")[:-14] + form(b"y")], FORM, 400),
        ([form(b"")], FORM, 400),
        ([], "video/mp4", 400),
        ([parts(("blend", "a.mp4", b"x" * 6000), ("blend", "b.mp4", b"x" * 6000))], FORM, 413),
        ([parts(*[("blend[]", "a.mp4", b"x")] * 3)], FORM, 400),
        ([parts(("blend", "a.mp4", b"x"), ("blend[]", "b.mp4", b""))], FORM, 400),
    ],
)
def test_what_is_malformed_or_too_large_leaves_nothing(pieces, kind, status, tmp_path):
    with pytest.raises(ApiError) as refused:
        read(pieces, kind, tmp_path)
    assert refused.value.status == status
    assert list((tmp_path / ".incoming").iterdir()) == []


@pytest.mark.parametrize("part", [("a[b]", None), ("a[]", None), ("a", None), ("unwanted", "a.mp4")])
def test_a_form_has_a_limit_of_parts_whatever_they_are(part, tmp_path):
    with pytest.raises(ApiError, match="No file is taken") if part[1] else nullcontext():
        assert read([parts(*[(*part, b"")] * 100)], FORM, tmp_path).fields
    with pytest.raises(ApiError, match="more than 100 parts"):
        read([parts(*[(*part, b"")] * 101)], FORM, tmp_path)


def test_a_file_that_is_not_wanted_is_refused_and_does_not_count_as_text(tmp_path):
    unwanted = parts(("file", "a.mp4", b"x"), ("image", "a.png", b"x" * (1024**2 + 1)), ("seed", None, b"7"))
    with pytest.raises(ApiError, match="No file is taken as 'image' here, only as 'file' or 'blend'") as refused:
        read([unwanted], FORM, tmp_path)
    fault = refused.value.fault
    assert (refused.value.status, fault.code, fault.param) == (400, "invalid_value", "image")
    assert list((tmp_path / ".incoming").iterdir()) == []
    with pytest.raises(ApiError, match="larger than the limit of 1048576 bytes"):
        read([parts(("seed", None, b"7" * (1024**2 + 1)))], FORM, tmp_path)


def test_a_plain_body_keeps_its_name(tmp_path):
    body = read([b"video"], "video/mp4", tmp_path, disposition='attachment; filename="my clip.mov"')
    assert (body.incoming / "upload" / "my clip.mov").read_bytes() == b"video"


@pytest.mark.parametrize("name", ["blend", "blend[]"])
def test_files_and_texts_of_a_list_keep_their_order_and_files_their_names(name, tmp_path):
    body = read([parts((name, None, b"video_1"), (name, "a.mp4", b"one"))], FORM, tmp_path)
    assert (body.fields, [path.read_bytes() for path in body.uploads["blend"]]) == (
        {"blend": ["video_1", ""]},
        [b"one"],
    )
    body = read([parts((name, "a.mp4", b"one"), ("file", "a.mp4", b"two"), (name, "a.mp4", b"three"))], FORM, tmp_path)
    assert {field: [path.name for path in paths] for field, paths in body.uploads.items()} == {
        "blend": ["a.mp4", "a-3.mp4"],
        "file": ["a-2.mp4"],
    }
    assert [path.read_bytes() for path in body.uploads["blend"]] == [b"one", b"three"]
    assert body.size_bytes == 11


def test_the_digest_tells_which_file_is_which(tmp_path):
    forms = [
        (("blend", "a.mp4", b"12"), ("blend", "a.mp4", b"3")),
        (("blend", "a.mp4", b"1"), ("blend", "a.mp4", b"23")),
        (("blend", "a.mp4", b"12"), ("file", "a.mp4", b"3")),
        (("blend", "a.mp4", b"12"), ("blend", None, b"3")),
    ]
    assert len({read([parts(*form)], FORM, tmp_path).digest for form in forms}) == 4


def test_the_digest_tells_requests_apart(tmp_path):
    same = [read([json.dumps({"a": 1, "b": 2}).encode()], "application/json", tmp_path).digest for _ in range(2)]
    other = read([b'{"b": 2, "a": 3}'], "application/json", tmp_path).digest
    elsewhere = read([b'{"a": 1, "b": 2}'], "application/json", tmp_path, path="/edits").digest
    assert same[0] == same[1] and len({same[0], other, elsewhere}) == 3


def test_a_body_that_fastapi_reads_itself_has_a_limit_before_the_key_is_asked_for():
    app, asked = FastAPI(), []

    router = APIRouter(route_class=SmallBody)
    router.post("/", dependencies=[Depends(lambda: asked.append(1))])(take)
    app.include_router(router)
    faults.install(app, app.routes)
    with TestClient(app) as client:
        assert client.post("/", json={"text": "x" * 1000}).json() == 1000
        assert len(asked) == 1
        pieces = (b" " * 2**16 for _ in range(17))
        answer = client.post("/", content=pieces, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert len(asked) == 1


class Text(BaseModel):
    text: str


def take(body: Text) -> int:
    return len(body.text)


def test_every_declared_body_of_the_service_has_that_limit(tmp_path):
    routers = (*ROUTERS, resolution_router(Settings(home=tmp_path)))
    declared = [r for router in routers for r in router.routes if getattr(r, "body_field", None) is not None]
    assert len(declared) >= 6
    assert all(isinstance(route, SmallBody) for route in declared)


@given(st.text(max_size=300))
def test_a_name_from_outside_is_harmless_as_one_of_ours(name):
    plain = plain_name(name)
    assert plain and "/" not in plain and "\\" not in plain and "\0" not in plain
    assert not plain.startswith(".") and len(plain.encode()) < 200
