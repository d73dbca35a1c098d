"""The C2PA Soft Binding Resolution API 2.4 as FastAPI routers: from a watermark, or from the video, to its manifest.

``resolution_router`` holds the ten paths of the API itself, to be mounted under a prefix; ``discovery_router`` the
``.well-known`` document, which belongs at the root of the domain (RFC 8615). Finding by value and fetching is open to
all. Storing needs the scopes of the specification, and having a video looked at one of ours, since it is work; the host
application grants them through ``authorize``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException as AnyHTTPException

from countermark.core.errors import CountermarkError, MediaError, UsageError
from countermark.core.media import Limits, probe
from countermark.core.routes import SmallBody
from countermark.core.settings import Settings
from provenance.extract import extract
from provenance.fetching import fetch
from provenance.fingerprint import FINGERPRINT_ID, queries
from provenance.registry import open_registry
from provenance.repository import Match, Repository
from provenance.resolution_messages import (
    Algorithm,
    Algorithms,
    Binding,
    ByBinding,
    ByReference,
    Capabilities,
    Fault,
    Matches,
    Receipt,
    Status,
    Stored,
    VerifiedReceipt,
)
from provenance.watermark import ALGORITHM_ID, SpreadSpectrum

SPEC_VERSION = "2.4.0"
STORE_MANIFESTS, STORE_BINDINGS = "store:manifests", "store:bindings"
EXAMINE = "countermark:examine"
"""Ours, not the specification's: to have a video decoded and searched (``byContent``, ``byReference``)."""
Result = TypeVar("Result")
Authorize = Callable[[str], Callable[..., Any]]
"""Given a scope, a FastAPI dependency that raises HTTPException (401, 403) unless the request has it."""

MAX_MANIFEST = 16 * 1024**2
_MAX_VALUE = 2048
_MAX_RESULTS = 100
_MANIFEST_TYPE = "application/c2pa"
_DEMUXERS = {
    **{"video/mp4": "mp4", "application/mp4": "mp4", "video/x-m4v": "mp4", "video/quicktime": "mov"},
    **{"video/webm": "webm", "video/matroska": "matroska", "video/x-matroska": "matroska", "video/ogg": "ogg"},
    **{"video/mp2t": "mpegts", "video/mpeg": "mpeg", "video/x-msvideo": "avi", "video/x-flv": "flv"},
    **{"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp", "image/gif": "gif"},
}
"""Media types of assets that are looked at, and what FFmpeg calls their containers."""
_AT_ONCE = 2
"""Assets that one process examines at once; more wait for their turn."""
_FETCHED_AT_ONCE = 8
"""Assets that it fetches at once: slow servers are not to keep others from being examined."""


def bearer_tokens(tokens: Mapping[str, frozenset[str]]) -> Authorize:
    """Authorise by fixed bearer tokens, each with its scopes; an empty mapping lets nobody store anything.

    Everybody may have videos looked at.
    """

    def authorize(scope: str) -> Callable[[Request], Awaitable[None]]:
        async def check(request: Request) -> None:
            if scope == EXAMINE:
                return
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            for token, scopes in tokens.items():
                if scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), token.encode()):
                    if scope in scopes:
                        return
                    raise HTTPException(403, f"This token does not have the scope {scope}.")
            raise HTTPException(401, "A valid bearer token is needed.", headers={"WWW-Authenticate": "Bearer"})

        return check

    return authorize


class _Route(SmallBody):
    """Errors in the form that the API prescribes: ``{"error": "..."}``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                return _error(400, f"{first['loc'][-1]}: {first['msg']}.")
            except AnyHTTPException as error:
                return _error(error.status_code, str(error.detail), error.headers)
            except CountermarkError as error:
                return _error(error.http_status, str(error))

        return answer


_WHY = {
    400: "The request is malformed.",
    401: "A valid bearer token is needed.",
    403: "This is not allowed, or not offered here.",
    404: "There is no such manifest or binding.",
    413: "The upload is too large.",
    414: "The value is too long for a query; send it with POST.",
    415: "Only videos and pictures are looked at here.",
    500: "The registry cannot be read.",
    502: "The asset cannot be fetched.",
}
_STORING = (401, 403)
_EXAMINING = (401, 403, 413, 415)
_BINARY = {"type": "string", "format": "binary"}

Limit = Annotated[int, Query(alias="maxResults", ge=1)]
Only = Annotated[str | None, Query(max_length=_MAX_VALUE)]
"""The algorithm that alone is to be asked."""
HintAlgorithm = Annotated[str | None, Query(alias="hintAlg", max_length=200)]
HintValue = Annotated[str | None, Query(alias="hintValue", max_length=_MAX_VALUE)]


def resolution_router(
    settings: Settings, *, authorize: Authorize | None = None, scratch: Path | None = None
) -> APIRouter:
    """The API over the registry of these settings. Without ``authorize`` nobody may store anything.

    Uploads are kept below ``scratch`` (default: the system's temporary folder) while they are looked at.
    ``byReference`` answers 403 unless ``COUNTERMARK_RESOLUTION_FETCH`` allows it: it makes this machine open
    connections that a stranger asks for.
    """
    router = APIRouter(route_class=_Route, tags=["soft binding resolution"])
    allow = authorize or bearer_tokens({})
    turn, fetching = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(_FETCHED_AT_ONCE)
    folder = partial(TemporaryDirectory, prefix="countermark-", dir=scratch)
    limits = Limits.from_settings(settings)

    def using(work: Callable[[Repository], Result]) -> Result:
        with open_registry(settings) as registry:
            return work(Repository(registry))

    def by_value(algorithm: str, value: str, limit: int) -> Matches:
        return Matches.of(*using(lambda repository: repository.find(algorithm, value, min(limit, _MAX_RESULTS))))

    def by_video(path: Path, algorithm: str | None, hint: tuple[str | None, str | None], limit: int) -> Matches:
        """Matches of a video or picture: through its watermark, else its fingerprint, else the caller's hint.

        ``algorithm`` names the one of the two that is to be asked.
        """
        if algorithm not in (None, ALGORITHM_ID, FINGERPRINT_ID):
            raise UsageError(f"{algorithm} is not supported here.", remedy="See /services/supportedAlgorithms.")
        found: list[Match] = []
        try:
            if algorithm != FINGERPRINT_ID:
                found = marked(path)
            if not found and algorithm != ALGORITHM_ID:
                query = queries(path, limits)
                found = using(lambda repository: repository.find_similar(query, min(limit, _MAX_RESULTS)))
        except MediaError as error:
            raise HTTPException(415, str(error)) from error
        if not found and hint[0] and hint[1]:
            return by_value(hint[0], hint[1], limit)
        return Matches.of(*found)

    def marked(path: Path) -> list[Match]:
        watermark = SpreadSpectrum.load(settings)
        with open_registry(settings) as registry:
            payload = extract(path, watermark, limits, registry=registry).payload
            match = None if payload is None else Repository(registry).find_video(payload.video_id)
        return [] if match is None else [match]

    @router.get("/matches/byBinding", summary="Find manifests by a value", **_answers(Matches, 414))
    def get_by_binding(
        alg: Annotated[str, Query(min_length=1, max_length=200, openapi_examples={"ours": {"value": ALGORITHM_ID}})],
        value: Annotated[str, Query(min_length=1, openapi_examples={"ours": {"value": "EAPqrpZrndw="}})],
        limit: Limit = 10,
    ) -> Matches:
        """Manifests that a soft binding's value, in base64, leads to."""
        if len(value) > _MAX_VALUE:
            raise HTTPException(414, "The value is too long for a query; send it with POST.")
        return by_value(alg, value, limit)

    @router.post("/matches/byBinding", summary="Find manifests by a long value", **_answers(Matches, 413))
    def post_by_binding(body: ByBinding, limit: Limit = 10) -> Matches:
        """The same with the value in the body."""
        return by_value(body.alg, body.value, limit)

    @router.post(
        "/matches/byContent",
        summary="Find manifests by a video or picture",
        dependencies=[Depends(allow(EXAMINE))],
        openapi_extra=_content("video/mp4", "image/png", "image/jpeg", "image/webp", "application/octet-stream"),
        **_answers(Matches, *_EXAMINING),
    )
    async def by_content(
        request: Request,
        alg: Only = None,
        hint_alg: HintAlgorithm = None,
        hint_value: HintValue = None,
        limit: Limit = 10,
    ) -> Matches:
        """Manifests that the asset's watermark leads to, exactly; else its looks, with a score; else the hint."""
        if not request.headers.get("content-type", "").startswith(("video/", "image/", "application/")):
            raise HTTPException(415, _WHY[415])
        with folder() as name:
            path = Path(name) / "asset"
            with path.open("wb") as file:
                async for chunk in _content_of(request, settings.max_bytes):
                    file.write(chunk)
            async with turn:
                return await run_in_threadpool(by_video, path, alg, (hint_alg, hint_value), limit)

    @router.post(
        "/matches/byReference",
        summary="Find manifests by a video or picture elsewhere",
        dependencies=[Depends(allow(EXAMINE))],
        **_answers(Matches, *_EXAMINING, 502),
    )
    async def by_reference(
        body: ByReference,
        alg: Only = None,
        hint_alg: HintAlgorithm = None,
        hint_value: HintValue = None,
        limit: Limit = 10,
    ) -> Matches:
        """The same for an asset that this service fetches, where its operator allows that."""
        if not settings.resolution_fetch:
            raise HTTPException(403, "This service does not fetch assets; upload them to /matches/byContent.")
        if body.region:
            raise HTTPException(400, "Parts of an asset are not looked at here; leave out region, or send the part.")
        named = _demuxer(body.assetType)

        def work(path: Path) -> Matches:
            if named is not None:
                _check_format(path, named, limits)
            return by_video(path, alg, (hint_alg, hint_value), limit)

        with folder() as name:
            path = Path(name) / "asset"
            async with fetching:
                fetched = partial(fetch, body.referenceUrl, path, length=body.assetLength, limit=settings.max_bytes)
                await run_in_threadpool(fetched)
            async with turn:
                return await run_in_threadpool(work, path)

    @router.post(
        "/manifests",
        summary="Store a manifest",
        dependencies=[Depends(allow(STORE_MANIFESTS))],
        openapi_extra=_content(_MANIFEST_TYPE),
        **_answers(Stored, *_STORING, 413),
    )
    async def store_manifest(
        request: Request, receipt: Annotated[bool, Query(alias="returnReceipt")] = False
    ) -> Stored:
        """Keep a manifest store, whoever signed it, and return the id under which it is to be had."""
        if request.headers.get("content-type", "").split(";")[0].strip() != _MANIFEST_TYPE:
            raise HTTPException(400, f"A manifest store is sent as {_MANIFEST_TYPE}.")
        data = b"".join([chunk async for chunk in _content_of(request, MAX_MANIFEST)])
        base = _base_url(request, "/manifests")

        def work(repository: Repository) -> Stored:
            manifest_id = repository.store(data)
            given = Receipt.model_validate(repository.receipt(manifest_id, base)) if receipt else None
            return Stored(manifestId=manifest_id, receipt=given)

        return await run_in_threadpool(using, work)

    @router.get(
        "/manifests/{manifest_id}",
        summary="Fetch a manifest",
        response_class=Response,
        responses={
            **_faults(404),
            200: {"description": "The manifest store.", "content": {_MANIFEST_TYPE: {"schema": _BINARY}}},
        },
    )
    def get_manifest(
        manifest_id: str, active: Annotated[bool, Query(alias="returnActiveManifest")] = False
    ) -> Response:
        """The bytes of a manifest store, or of one with its active manifest only.

        Validate them: nothing that is kept here was believed.
        """
        store = using(lambda repository: repository.manifest(manifest_id, active=active))
        return Response(store, media_type=_MANIFEST_TYPE)

    @router.delete(
        "/manifests/{manifest_id}",
        summary="Remove a manifest",
        status_code=204,
        dependencies=[Depends(allow(STORE_MANIFESTS))],
        responses=_faults(*_STORING, 404),
    )
    def delete_manifest(manifest_id: str) -> None:
        """Remove a stored manifest and its bindings; that of a video sealed here stays."""
        using(lambda repository: repository.remove(manifest_id))

    @router.get("/manifests/{manifest_id}/receipts", summary="Fetch a receipt", **_answers(VerifiedReceipt, 404))
    def get_receipt(request: Request, manifest_id: str) -> VerifiedReceipt:
        """A receipt that says where in the log the manifest was recorded, and whether what is kept is still that."""
        base = _base_url(request, f"/manifests/{manifest_id}/receipts")

        def work(repository: Repository) -> VerifiedReceipt:
            receipt = repository.receipt(manifest_id, base)
            problem = repository.check_receipt(manifest_id, receipt)
            return VerifiedReceipt.of(Receipt.model_validate(receipt), problem)

        return using(work)

    @router.post("/manifests/{manifest_id}/receipts", summary="Check a receipt", **_answers(VerifiedReceipt, 404, 413))
    def check_receipt(manifest_id: str, body: Receipt) -> VerifiedReceipt:
        """The receipt, and as ``verified`` whether it is one for this manifest as it is kept here."""
        given = body.model_dump(by_alias=True)
        return VerifiedReceipt.of(body, using(lambda repository: repository.check_receipt(manifest_id, given)))

    binding: dict[str, Any] = {
        "status_code": 204,
        "dependencies": [Depends(allow(STORE_BINDINGS))],
        "responses": _faults(*_STORING, 404, 413),
    }

    @router.post("/bindings", summary="Bind a value to a manifest", **binding)
    def create_binding(body: Binding) -> None:
        """Lead a soft binding's value to a manifest. Those of our own algorithms are made by sealing only."""
        using(lambda repository: repository.bind(body.bindingValue, body.manifestId, body.alg))

    @router.put("/bindings", summary="Lead a value elsewhere", **binding)
    def update_binding(body: Binding) -> None:
        """Lead a value that is bound already to another manifest."""
        using(lambda repository: repository.bind(body.bindingValue, body.manifestId, body.alg, replace=True))

    @router.get("/services/supportedAlgorithms", summary="List algorithms")
    def supported_algorithms() -> Algorithms:
        """Soft-binding algorithms whose values can be resolved here."""
        return Algorithms(watermarks=[Algorithm(alg=ALGORITHM_ID)], fingerprints=[Algorithm(alg=FINGERPRINT_ID)])

    @router.get("/services/capabilities", summary="List capabilities")
    def capabilities() -> Capabilities:
        """Optional parts of the API that are here."""
        supported = ["queryByContent", "storeManifests", "storeBindings"]
        if settings.resolution_fetch:
            supported.insert(1, "queryByReference")
        return Capabilities(c2paSpecificationVersion=SPEC_VERSION, supportedCapabilities=supported)

    @router.get("/services/status", summary="State of the registry", response_model_exclude_none=True)
    def status() -> Status:
        """Whether the registry answers, and the head of its log, which receipts refer to."""
        try:
            head = using(lambda repository: repository.head())
        except CountermarkError:
            return Status(status="down", timestamp=_now())
        return Status(status="ok", timestamp=_now(), log=head)

    return router


def discovery_router(prefix: str) -> APIRouter:
    """``/.well-known/c2pa-soft-binding-resolution`` for an API that is mounted under ``prefix`` of the same host."""
    router = APIRouter(tags=["soft binding resolution"])

    @router.get("/.well-known/c2pa-soft-binding-resolution")
    def discover(request: Request) -> dict[str, str]:
        endpoint = str(request.base_url).rstrip("/") + prefix
        return {
            "apiEndpoint": endpoint,
            "c2paSpecificationVersion": SPEC_VERSION,
            "capabilitiesEndpoint": f"{endpoint}/services/capabilities",
            "statusEndpoint": f"{endpoint}/services/status",
        }

    return router


async def _content_of(request: Request, limit: int) -> AsyncIterator[bytes]:
    """A body as it comes: at least one byte, and at most ``limit``."""
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise HTTPException(413, f"More than {limit} bytes are not accepted.")
        yield chunk
    if received == 0:
        raise HTTPException(400, "The request has no content.")


def _demuxer(kind: str | None) -> str | None:
    """FFmpeg's name for what a media type names; raises HTTPException for one that is not looked at."""
    if kind is None:
        return None
    try:
        return _DEMUXERS[kind.partition(";")[0].strip().lower()]
    except KeyError:
        raise HTTPException(415, _WHY[415]) from None


def _check_format(path: Path, demuxer: str, limits: Limits) -> None:
    try:
        found = probe(path, limits=limits).format
    except MediaError as error:
        raise HTTPException(415, str(error)) from error
    if demuxer not in found.split(","):
        raise HTTPException(400, f"The asset is not of the type that assetType names, but {found}.")


def _answers(model: type[BaseModel], *statuses: int) -> dict[str, Any]:
    """The answers of an endpoint, as the OpenAPI document states them; absent fields are left out."""
    return {"response_model": model, "response_model_exclude_none": True, "responses": _faults(*statuses)}


def _faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """400 and 500 are everybody's."""
    return {status: {"model": Fault, "description": _WHY[status]} for status in sorted({400, *statuses, 500})}


def _content(*kinds: str) -> dict[str, Any]:
    """``openapi_extra`` of a body that is read as it comes."""
    return {"requestBody": {"required": True, "content": {kind: {"schema": _BINARY} for kind in kinds}}}


def _base_url(request: Request, path: str) -> str:
    return str(request.url.replace(query="", fragment="")).rstrip("/").removesuffix(path)


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers=dict(headers or {}))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
