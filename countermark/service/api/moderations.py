"""``/v1/moderations``: OpenAI's endpoint over our policy."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media.opening import still_format
from countermark.service.access import Checker
from countermark.service.api.documents import faults, json_only
from countermark.service.faults import ApiError, invalid
from countermark.service.state import Here, Service
from countermark.service.uploads import MAX_DATA_URL, picture_in, read_body
from policy import load_policy
from policy.moderation import ModerationList, moderate, moderate_together

router = APIRouter(prefix="/v1/moderations", tags=["moderations"])

_MOST, _MOST_PICTURES = 64, 4


class Address(BaseModel):
    """Where a picture is."""

    model_config = ConfigDict(extra="ignore")

    url: str = Field(description="A data URL with a PNG, JPEG or WebP picture in base64; no other address is fetched.")


class Part(BaseModel):
    """A part of a multi-modal input: a text or a picture."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: Address | None = None

    @model_validator(mode="after")
    def _whole(self) -> Part:
        if (self.text if self.type == "text" else self.image_url) is None:
            raise ValueError(f"a part of the type '{self.type}' needs '{self.type}'")
        return self


def _shape(given: object) -> str:
    """Which of the three shapes an input has, so that an error is about that one only."""
    if not isinstance(given, list):
        return "text"
    return "parts" if given and not isinstance(given[0], str) else "texts"


class CreateModeration(BaseModel):
    """What to examine: texts, each judged by itself, or parts, judged together."""

    model_config = ConfigDict(extra="ignore")

    input: Annotated[
        Annotated[str, Tag("text")] | Annotated[list[str], Tag("texts")] | Annotated[list[Part], Tag("parts")],
        Discriminator(_shape),
    ] = Field(description="A text, a list of texts with a result for each, or a list of parts with one result for all.")
    model: str | None = None
    consents: list[str] = Field(
        default=[], max_length=16, description="Ours: tokens of the operator for the persons in the pictures."
    )


@router.post(
    "",
    response_model=ModerationList,
    summary="Ask the policy about prompts and pictures",
    responses=faults(413, 415),
    openapi_extra=json_only(CreateModeration, example={"input": "a red balloon rising over the sea"}),
)
async def create(request: Request, _principal: Checker, service: Here) -> ModerationList:
    """Ask the policy about texts and pictures, without generating anything or keeping what was sent.

    `flagged` means that it would refuse to generate from them. Pictures are sent as data URLs.
    """
    body = await read_body(request, service.files, limit=MAX_DATA_URL, text_limit=MAX_DATA_URL)
    try:
        asked = CreateModeration.model_validate(body.fields)
    except ValidationError as error:
        raise invalid(error) from None
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    if not 1 <= len(given) <= _MOST:
        raise ApiError(400, "invalid_value", f"Give between 1 and {_MOST} texts or parts.", param="input")
    parts = [each for each in given if isinstance(each, Part)]
    if not parts:
        texts = [each for each in given if isinstance(each, str)]
        return await run_in_threadpool(_one_by_one, texts, service)
    texts = [part.text for part in parts if part.type == "text" and part.text is not None]
    urls = [part.image_url.url for part in parts if part.type == "image_url" and part.image_url is not None]
    if len(urls) > _MOST_PICTURES:
        raise ApiError(400, "invalid_value", f"Give at most {_MOST_PICTURES} pictures.", param="input")
    async with service.looking:
        return await run_in_threadpool(_together, texts, urls, asked.consents, service)


def _one_by_one(texts: list[str], service: Service) -> ModerationList:
    return moderate(texts, policy=load_policy(service.settings.policy_file))


def _together(texts: list[str], urls: list[str], consents: list[str], service: Service) -> ModerationList:
    folder = service.files.incoming(secrets.token_hex(16))
    try:
        pictures = [_placed(url, folder, number) for number, url in enumerate(urls, start=1)]
        return moderate_together(texts, pictures, settings=service.settings, consents=consents)
    except MediaError as error:
        status = 413 if isinstance(error, MediaLimitError) else 400
        raise ApiError(status, error.code, str(error).replace(f"{folder}/", ""), param="input") from None
    finally:
        service.files.discard(folder)


def _placed(url: str, folder: Path, number: int) -> Path:
    """The picture in a data URL as a file, whose name is what errors call it."""
    kind, data = picture_in(url, param="input")
    path = folder / f"picture {number}.{kind}"
    path.write_bytes(data)
    if still_format(path) is None:
        raise MediaError(f"{path} is not a picture.", remedy="Give a PNG, JPEG or WebP picture.")
    return path
