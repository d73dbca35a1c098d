"""The page for people at ``/``: plain files, no framework, nothing from elsewhere."""

from __future__ import annotations

import json
from importlib.resources import files

from fastapi import APIRouter, Response

from countermark.service.faults import not_found
from detector.wording import sentences

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_WEB = files("countermark.service") / "web"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_FILES = {path.name: path.read_bytes() for path in _WEB.iterdir() if path.name.rpartition(".")[2] in _TYPES}
_FILES["sentences.js"] = f"export const SENTENCES = {json.dumps(sentences('zh'), ensure_ascii=False)};\n".encode()


@router.get("/")
def index() -> Response:
    """The page itself; everything else is in its address's fragment."""
    return _send("index.html")


@router.get("/web/{name}")
def asset(name: str) -> Response:
    """A script, a style or a picture of the page."""
    return _send(name)


@router.get("/favicon.ico")
def favicon() -> Response:
    """The page's sign."""
    return _send("sign.svg")


def _send(name: str) -> Response:
    if name not in _FILES:
        raise not_found("file", name)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return Response(_FILES[name], media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
