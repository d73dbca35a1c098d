"""What the OpenAPI document says of bodies and answers that are read and sent by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from countermark.service.models import FaultBody
from countermark.service.uploads import NO_FILES

_WHY = {
    400: "The request is malformed, or the policy refused the prompt.",
    401: "An API key is needed, or the one given is not valid.",
    403: "The API key may not do this.",
    404: "There is no such thing.",
    409: "It is not in the state for this.",
    413: "The upload is too large.",
    415: "Bodies of this kind are not read.",
    422: "The idempotency key was used for another request.",
    429: "Too much is under way; see `Retry-After`.",
}


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an endpoint; 400, 401 and 403 are everybody's."""
    return {status: {"model": FaultBody, "description": _WHY[status]} for status in sorted({400, 401, 403, *statuses})}


def json_or_form(
    model: type[BaseModel], *, files: Mapping[str, int] = NO_FILES, **examples: dict[str, Any]
) -> dict[str, Any]:
    """``openapi_extra`` for a body that may be JSON or a form, the latter with so many ``files`` by field.

    Of several ``examples`` the first is what the call is most used for.
    """
    schema = _whole(model)
    form = schema | {"properties": dict(schema["properties"])}
    for name, most in files.items():
        file = {"type": "string", "format": "binary"}
        form["properties"][name] = file if most == 1 else {"type": "array", "items": file, "maxItems": most}
    content = {
        "application/json": {"schema": schema, "examples": {name: {"value": each} for name, each in examples.items()}},
        "multipart/form-data": {"schema": form},
    }
    return {"requestBody": {"required": True, "content": content}}


def json_only(model: type[BaseModel], *, example: dict[str, Any]) -> dict[str, Any]:
    """``openapi_extra`` for a body of JSON that is read by hand."""
    content = {"application/json": {"schema": _whole(model), "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _whole(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema in one piece: references would be looked for in the whole document."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def put_in(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, list):
            return [put_in(item) for item in value]
        if not isinstance(value, dict):
            return value
        if reference := value.get("$ref"):
            return put_in(parts[reference.rpartition("/")[2]] | {k: v for k, v in value.items() if k != "$ref"})
        return {key: put_in(item) for key, item in value.items()}

    whole: dict[str, Any] = put_in(schema)
    return whole


def upload(model: type[BaseModel]) -> dict[str, Any]:
    """``openapi_extra`` for an endpoint that takes a video: as a form's file, as it is, or by reference."""
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"file": binary}, "required": ["file"]}
    content = {
        "multipart/form-data": {"schema": form},
        "application/json": {
            "schema": _whole(model),
            "example": {"video": "video_0123456789abcdef0123456789abcdef"},
        },
        "video/mp4": {"schema": binary},
        "application/octet-stream": {"schema": binary},
    }
    return {"requestBody": {"required": True, "content": content}}


def binary(*types: str) -> dict[int | str, dict[str, Any]]:
    """The answer of an endpoint that sends a file."""
    schema = {"type": "string", "format": "binary"}
    content = {kind: {"schema": schema} for kind in types}
    part = {"description": "The part that `Range` asked for.", "content": content}
    return {200: {"description": "The file.", "content": content}, 206: part, 416: {"description": "No such range."}}
