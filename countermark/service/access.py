"""Who asks: an API key's tenant, or anybody on this machine while no key was ever made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from countermark.service.faults import ApiError
from countermark.service.keys import SCOPES, Scope
from countermark.service.principal import Principal
from countermark.service.state import Here

TRIAL_TENANT = "local"
"""Whose jobs are those made without a key."""
bearer = HTTPBearer(auto_error=False, description="An API key from `countermark keys create`.")
_MAX_IDEMPOTENCY_KEY = 255


def requires(scope: Scope | None) -> Callable[..., Principal]:
    """A dependency that lets holders of a key with this scope in (None: of any key). Raises `ApiError`: 401 or 403."""

    def check(
        request: Request,
        service: Here,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        idempotency_key: Annotated[str | None, Header(max_length=_MAX_IDEMPOTENCY_KEY)] = None,
    ) -> Principal:
        request_id = getattr(request.state, "request_id", None)
        if not service.keys.any():
            return Principal(TRIAL_TENANT, SCOPES, request_id=request_id, idempotency_key=idempotency_key)
        key = service.keys.find(credentials.credentials) if credentials else None
        if key is None:
            message = "The API key is unknown, expired or revoked." if credentials else "An API key is needed."
            raise ApiError(401, "invalid_api_key", message, headers={"WWW-Authenticate": "Bearer"})
        if scope is not None and scope not in key.scopes:
            raise ApiError(403, "insufficient_scope", f"This API key may not '{scope}'.")
        request.state.tenant = key.tenant
        return Principal(key.tenant, key.scopes, key.id, request_id, idempotency_key)

    return check


def refuse_idempotency_key(principal: Principal) -> None:
    """For what cannot be made once by it; raises `ApiError` (400) rather than make it twice."""
    if principal.idempotency_key:
        message = "No Idempotency-Key is taken here: what was made already would be made again."
        raise ApiError(400, "unsupported_parameter", message, param="Idempotency-Key")


Anyone = Annotated[Principal, Depends(requires(None))]
Generator = Annotated[Principal, Depends(requires("generate"))]
Screener = Annotated[Principal, Depends(requires("screen"))]
Protector = Annotated[Principal, Depends(requires("protect"))]
Checker = Annotated[Principal, Depends(requires("check"))]
Operator = Annotated[Principal, Depends(requires("operate"))]
