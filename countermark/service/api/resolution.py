"""``/c2pa/v1``: the C2PA Soft Binding Resolution API over the registry, behind the service's keys and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials

from countermark.core.settings import Settings
from countermark.service.access import bearer, requires
from countermark.service.faults import ApiError
from countermark.service.files import incoming_folder
from countermark.service.keys import Scope
from countermark.service.options import ServiceSettings
from countermark.service.state import Here
from provenance.resolution import EXAMINE, STORE_BINDINGS, STORE_MANIFESTS, discovery_router, resolution_router

PREFIX = "/c2pa/v1"

_SCOPES: dict[str, Scope] = {STORE_MANIFESTS: "register", STORE_BINDINGS: "register", EXAMINE: "verify"}


def routers(settings: Settings, options: ServiceSettings) -> tuple[APIRouter, APIRouter]:
    """The API under its prefix, and the discovery document at the root."""
    limit = min(settings.max_bytes, options.max_upload_bytes)
    api = APIRouter(prefix=PREFIX)
    limited = settings.model_copy(update={"max_bytes": limit})
    api.include_router(
        resolution_router(limited, authorize=_authorize, scratch=incoming_folder(options.files_dir(settings)))
    )
    return api, discovery_router(PREFIX)


def _authorize(scope: str) -> Callable[..., None]:
    allowed = requires(_SCOPES[scope])

    def check(
        request: Request, service: Here, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
    ) -> None:
        try:
            principal = allowed(request, service, credentials)
        except ApiError as error:
            raise HTTPException(error.status, error.fault.message, error.headers) from error
        if scope != EXAMINE and principal.key_id is None:
            # What strangers store is served to everybody later, so the trial without keys does not extend to it.
            message = "Storing needs an API key; make one with `countermark keys create`."
            raise HTTPException(401, message, {"WWW-Authenticate": "Bearer"})

    return check
