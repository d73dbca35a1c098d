"""Around every request: its id, its log line and metrics, security headers, and no entry for other sites' pages."""

from __future__ import annotations

import logging
import re
import secrets
import time
from urllib.parse import SplitResult, urlsplit

from fastapi.concurrency import run_in_threadpool
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from countermark.service.faults import ApiError, answer
from countermark.service.options import is_loopback

log = logging.getLogger("countermark.access")

METRICS = CollectorRegistry()
_REQUESTS = Counter("countermark_http_requests", "Requests answered.", ["method", "route", "status"], registry=METRICS)
_SECONDS = Histogram(
    "countermark_http_request_seconds",
    "Time until a request was answered.",
    ["method", "route"],
    registry=METRICS,
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 30, 120),
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_REQUEST_ID = re.compile(r"[\w.-]{8,64}")
_SAFE = ("GET", "HEAD", "OPTIONS")
_METHODS = (*_SAFE, "POST", "PUT", "PATCH", "DELETE")


class Doorkeeper:
    """The outermost layer. ``loopback``: only this machine is served, so a request must be addressed to it by name."""

    def __init__(self, app: ASGIApp, *, loopback: bool, origins: list[str]) -> None:
        self._app, self._loopback, self._origins = app, loopback, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, started, status, begun = Headers(scope=scope), time.perf_counter(), 500, False
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def dressed(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                out = MutableHeaders(scope=message)
                out["x-request-id"] = request_id
                for name, value in _HEADERS.items():
                    out.setdefault(name, value)
            await send(message)

        try:
            refused = await self._refused(scope, headers)
            await (answer(refused) if refused else self._app)(scope, receive, dressed)
        except Exception:  # answered here, because outside of this layer nothing is dressed
            if not begun:
                unforeseen = ApiError(500, "internal", "The service failed; its operator finds the reason in the log.")
                await answer(unforeseen)(scope, receive, dressed)
            raise  # to where the traceback is logged
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"  # clients may invent any number
            _REQUESTS.labels(method, route, status).inc()
            _SECONDS.labels(method, route).observe(seconds)
            log.info(
                "request",
                extra={
                    "request_id": request_id,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "milliseconds": round(1000 * seconds, 1),
                    "tenant": scope["state"].get("tenant"),
                },
            )

    async def _refused(self, scope: Scope, headers: Headers) -> ApiError | None:
        """Pages of other sites reach this machine through a visitor's browser, also by names made to lead here."""
        host = headers.get("host", "")
        away = not is_loopback(_parts(f"//{host}").hostname or "")
        if self._loopback and away and not await run_in_threadpool(scope["app"].state.service.keys.any):
            return ApiError(403, "wrong_host", "This server serves only its own machine; use localhost or 127.0.0.1.")
        origin = headers.get("origin")
        if origin is None or scope["method"] in _SAFE or origin in self._origins:
            return None
        if host and _parts(origin).netloc == host:
            return None
        return ApiError(403, "wrong_origin", "Pages of other sites may not call this server.")


def _parts(url: str) -> SplitResult:
    """The parts of an address; a malformed one has none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
