"""Errors as OpenAI's API says them: ``{"error": {"message", "type", "param", "code"}}``, whatever went wrong where."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

from countermark.core.errors import CountermarkError
from countermark.service.models import ERROR_CODES, Fault, FaultBody
from policy import Decision

log = logging.getLogger("countermark.service")

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """A request that is answered with an error. ``param`` names the part of the request that is to blame."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        decision: Decision | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
        self.fault = Fault(message=message, type=kind, param=param, code=code, decision=decision)


def not_found(what: str, identifier: str) -> ApiError:
    """A thing that does not exist, or not for this tenant; which of the two is not told."""
    return ApiError(404, "not_found", f"There is no {what} with the id '{identifier[:100]}'.")


def invalid(error: ValidationError | RequestValidationError) -> ApiError:
    """What Pydantic found wrong in a request, its first problem only."""
    problem = error.errors()[0]
    place = [str(part) for part in problem["loc"] if part not in ("body", "query", "path", "header")]
    name = ".".join(place) or None
    missing = problem["type"] == "missing"
    said = problem["msg"].removeprefix("Value error, ")
    message = f"Missing required parameter: '{name}'." if missing else f"Invalid value for '{name}': {said}."
    if name is None:  # what is wrong lies between the parameters
        message = f"{said[:1].upper()}{said[1:]}."
    return ApiError(400, "missing_required_parameter" if missing else "invalid_value", message, param=name)


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Answer every exception that is foreseen in this one form. ``routes`` are all that the application has."""

    @app.exception_handler(ApiError)
    async def _api_error(_request: Request, error: ApiError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(invalid(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "unknown_url", 405: "method_not_allowed", 413: "too_large"}
        headers = dict(error.headers or {})
        if error.status_code == 405:  # the router names the methods of one of the path's routes only
            headers["Allow"] = ", ".join(sorted(_methods(request, routes)))
        code = codes.get(error.status_code, "http")
        return answer(ApiError(error.status_code, code, f"{error.detail}.", headers=headers))

    @app.exception_handler(CountermarkError)
    async def _ours(_request: Request, error: CountermarkError) -> JSONResponse:
        if error.http_status >= 500:
            log.error(error.code, extra={"problem": str(error)})
        return answer(ApiError(error.http_status, ERROR_CODES.get(error.code, error.code), str(error)))


def _methods(request: Request, routes: Sequence[BaseRoute]) -> set[str]:
    """The methods that a request's path knows; where two patterns fit, of the first, which is the narrower."""
    fitting = [r for r in routes if isinstance(r, Route) and r.matches(request.scope)[0] is not Match.NONE]
    return {method for route in fitting if route.path == fitting[0].path for method in route.methods or ()}


def answer(error: ApiError) -> JSONResponse:
    """The response for an error."""
    body = FaultBody(error=error.fault).model_dump(mode="json")
    if error.fault.decision is None:
        del body["error"]["decision"]
    return JSONResponse(body, error.status, headers=dict(error.headers or {}))
