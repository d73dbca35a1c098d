"""The C2PA Soft Binding Resolution API 2.4 as FastAPI routers: from a watermark, or from the video, to its manifest.

``resolution_router`` holds the ten paths of the API itself, to be mounted under a prefix; ``discovery_router`` the
``.well-known`` document, which belongs at the root of the domain (RFC 8615). Finding and fetching is open to all;
storing needs the scopes of the specification, which the host application grants through ``authorize``.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from countermark.core.errors import CountermarkError, MediaError, UsageError
from countermark.core.media import Limits
from countermark.core.settings import Settings
from provenance.extract import extract
from provenance.fetching import fetch
from provenance.fingerprint import FINGERPRINT_ID, fingerprint
from provenance.registry import open_registry
from provenance.repository import Match, Repository
from provenance.watermark import ALGORITHM_ID, SpreadSpectrum

SPEC_VERSION = "2.4.0"
STORE_MANIFESTS, STORE_BINDINGS = "store:manifests", "store:bindings"
Result = TypeVar("Result")
Authorize = Callable[[str], Callable[[Request], Awaitable[None]]]
"""Given a scope, a FastAPI dependency that raises HTTPException (401, 403) unless the request has it."""

MAX_MANIFEST = 16 * 1024**2
_MAX_VALUE = 2048
_MAX_RESULTS = 100
_MANIFEST_TYPE = "application/c2pa"


def bearer_tokens(tokens: Mapping[str, frozenset[str]]) -> Authorize:
    """Authorise by fixed bearer tokens, each with its scopes; an empty mapping lets nobody store anything."""

    def authorize(scope: str) -> Callable[[Request], Awaitable[None]]:
        async def check(request: Request) -> None:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            for token, scopes in tokens.items():
                if scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), token.encode()):
                    if scope in scopes:
                        return
                    raise HTTPException(403, f"This token does not have the scope {scope}.")
            raise HTTPException(401, "A valid bearer token is needed.", headers={"WWW-Authenticate": "Bearer"})

        return check

    return authorize


class _Route(APIRoute):
    """Errors in the form that the API prescribes: ``{"error": "..."}``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                return _error(400, f"{first['loc'][-1]}: {first['msg']}.")
            except HTTPException as error:
                return _error(error.status_code, str(error.detail), error.headers)
            except CountermarkError as error:
                return _error(error.http_status, str(error))

        return answer


class ByBinding(BaseModel):
    """Body of ``POST /matches/byBinding``."""

    alg: str = Field(min_length=1, max_length=200)
    value: str = Field(min_length=1, max_length=1_000_000)


class ByReference(BaseModel):
    """Body of ``POST /matches/byReference``; ``assetLength`` in bytes."""

    referenceUrl: str = Field(min_length=1, max_length=4096)  # noqa: N815  # the API's name
    assetLength: int = Field(gt=0)  # noqa: N815
    assetType: str | None = None  # noqa: N815


class Binding(BaseModel):
    """Body of ``POST`` and ``PUT /bindings``."""

    bindingValue: str = Field(min_length=1, max_length=1_000_000)  # noqa: N815
    manifestId: str = Field(min_length=1, max_length=200)  # noqa: N815
    alg: str | None = Field(default=None, min_length=1, max_length=100)


Limit = Annotated[int, Query(alias="maxResults", ge=1)]
Hint = Annotated[str | None, Query(max_length=_MAX_VALUE)]


def resolution_router(settings: Settings, *, authorize: Authorize | None = None) -> APIRouter:
    """The API over the registry of these settings. Without ``authorize`` nobody may store anything.

    ``byReference`` answers 403 unless ``COUNTERMARK_RESOLUTION_FETCH`` allows it: it makes this machine open
    connections that a stranger asks for.
    """
    router = APIRouter(route_class=_Route, tags=["soft binding resolution"])
    allow = authorize or bearer_tokens({})

    def using(work: Callable[[Repository], Result]) -> Result:
        with open_registry(settings) as registry:
            return work(Repository(registry))

    def by_value(algorithm: str, value: str, limit: int) -> dict[str, Any]:
        return _matches(using(lambda repository: repository.find(algorithm, value, min(limit, _MAX_RESULTS))))

    def by_video(path: Path, algorithm: str | None, hint: tuple[str | None, str | None], limit: int) -> dict[str, Any]:
        """Matches of a video: through its watermark, else its fingerprint, else the caller's hint."""
        if algorithm not in (None, ALGORITHM_ID, FINGERPRINT_ID):
            raise UsageError(f"{algorithm} is not supported here.", remedy="See /services/supportedAlgorithms.")
        watermark = SpreadSpectrum.load(settings)
        try:
            with open_registry(settings) as registry:
                payload = extract(path, watermark, Limits.from_settings(settings), registry=registry).payload
        except MediaError as error:
            raise HTTPException(415, str(error)) from error
        if payload is not None:
            entry = using(lambda repository: repository.find_video(payload.video_id))
            if entry is not None:
                return _matches([entry])
        query = fingerprint(path, Limits.from_settings(settings))
        alike = using(lambda repository: repository.find_similar(query, limit))
        if alike:
            return _matches(alike)
        return by_value(hint[0], hint[1], limit) if hint[0] and hint[1] else _matches([])

    @router.get("/matches/byBinding")
    def get_by_binding(alg: str, value: str, limit: Limit = 10) -> dict[str, Any]:
        if len(value) > _MAX_VALUE:
            raise HTTPException(414, "The value is too long for a query; send it with POST.")
        return by_value(alg, value, limit)

    @router.post("/matches/byBinding")
    def post_by_binding(body: ByBinding, limit: Limit = 10) -> dict[str, Any]:
        return by_value(body.alg, body.value, limit)

    @router.post("/matches/byContent")
    async def by_content(
        request: Request,
        alg: Hint = None,
        hint_alg: Annotated[str | None, Query(alias="hintAlg", max_length=200)] = None,
        hint_value: Annotated[str | None, Query(alias="hintValue", max_length=_MAX_VALUE)] = None,
        limit: Limit = 10,
    ) -> dict[str, Any]:
        if not request.headers.get("content-type", "").startswith(("video/", "application/")):
            raise HTTPException(415, "Only video is looked at here.")
        with TemporaryDirectory(prefix="countermark-") as folder:
            path = Path(folder) / "asset"
            await _receive(request, path, settings.max_bytes)
            return await run_in_threadpool(by_video, path, alg, (hint_alg, hint_value), limit)

    @router.post("/matches/byReference")
    def by_reference(
        body: ByReference,
        alg: Hint = None,
        hint_alg: Annotated[str | None, Query(alias="hintAlg", max_length=200)] = None,
        hint_value: Annotated[str | None, Query(alias="hintValue", max_length=_MAX_VALUE)] = None,
        limit: Limit = 10,
    ) -> dict[str, Any]:
        if not settings.resolution_fetch:
            raise HTTPException(403, "This service does not fetch assets; upload them to /matches/byContent.")
        with TemporaryDirectory(prefix="countermark-") as folder:
            path = Path(folder) / "asset"
            fetch(body.referenceUrl, path, length=body.assetLength, limit=settings.max_bytes)
            return by_video(path, alg, (hint_alg, hint_value), limit)

    @router.post("/manifests", dependencies=[Depends(allow(STORE_MANIFESTS))])
    async def store_manifest(
        request: Request, receipt: Annotated[bool, Query(alias="returnReceipt")] = False
    ) -> dict[str, Any]:
        if request.headers.get("content-type", "").split(";")[0].strip() != _MANIFEST_TYPE:
            raise HTTPException(400, f"A manifest store is sent as {_MANIFEST_TYPE}.")
        data = await _body(request, MAX_MANIFEST)
        base = _base_url(request, "/manifests")

        def work(repository: Repository) -> dict[str, Any]:
            manifest_id = repository.store(data)
            answer: dict[str, Any] = {"manifestId": manifest_id}
            return answer | {"receipt": repository.receipt(manifest_id, base)} if receipt else answer

        return await run_in_threadpool(using, work)

    @router.get("/manifests/{manifest_id}")
    def get_manifest(manifest_id: str) -> Response:
        return Response(using(lambda repository: repository.manifest(manifest_id)), media_type=_MANIFEST_TYPE)

    @router.delete("/manifests/{manifest_id}", status_code=204, dependencies=[Depends(allow(STORE_MANIFESTS))])
    def delete_manifest(manifest_id: str) -> None:
        using(lambda repository: repository.remove(manifest_id))

    @router.get("/manifests/{manifest_id}/receipts")
    def get_receipt(request: Request, manifest_id: str) -> dict[str, Any]:
        base = _base_url(request, f"/manifests/{manifest_id}/receipts")
        return using(lambda repository: repository.receipt(manifest_id, base))

    @router.post("/manifests/{manifest_id}/receipts")
    def check_receipt(manifest_id: str, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"verified": using(lambda repository: repository.check_receipt(manifest_id, body))}

    @router.post("/bindings", status_code=204, dependencies=[Depends(allow(STORE_BINDINGS))])
    def create_binding(body: Binding) -> None:
        using(lambda repository: repository.bind(body.bindingValue, body.manifestId, body.alg))

    @router.put("/bindings", status_code=204, dependencies=[Depends(allow(STORE_BINDINGS))])
    def update_binding(body: Binding) -> None:
        using(lambda repository: repository.bind(body.bindingValue, body.manifestId, body.alg, replace=True))

    @router.get("/services/supportedAlgorithms")
    def supported_algorithms() -> dict[str, Any]:
        return {"watermarks": [{"alg": ALGORITHM_ID}], "fingerprints": [{"alg": FINGERPRINT_ID}]}

    @router.get("/services/capabilities")
    def capabilities() -> dict[str, Any]:
        supported = ["queryByContent", "storeManifests", "storeBindings"]
        if settings.resolution_fetch:
            supported.insert(1, "queryByReference")
        return {"c2paSpecificationVersion": SPEC_VERSION, "supportedCapabilities": supported}

    @router.get("/services/status")
    def status() -> dict[str, Any]:
        try:
            head = using(lambda repository: repository.head())
        except CountermarkError:
            return {"status": "down", "timestamp": _now()}
        return {"status": "ok", "timestamp": _now(), "log": head.model_dump()}

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


async def _receive(request: Request, path: Path, limit: int) -> None:
    received = 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit:
                raise HTTPException(413, f"More than {limit} bytes are not accepted.")
            file.write(chunk)
    if received == 0:
        raise HTTPException(400, "The request has no content.")


async def _body(request: Request, limit: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise HTTPException(413, f"More than {limit} bytes are not accepted.")
    if not data:
        raise HTTPException(400, "The request has no content.")
    return bytes(data)


def _matches(found: list[Match]) -> dict[str, Any]:
    return {"matches": [match.model_dump(by_alias=True, exclude_none=True) for match in found]}


def _base_url(request: Request, path: str) -> str:
    return str(request.url.replace(query="", fragment="")).rstrip("/").removesuffix(path)


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers=dict(headers or {}))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
