"""``/v1/webhooks``: addresses that are told when jobs end."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from countermark.core.routes import SmallBody
from countermark.service.access import Anyone, refuse_idempotency_key
from countermark.service.api.documents import faults
from countermark.service.faults import not_found
from countermark.service.state import Here
from countermark.service.webhooks import EVENTS, Event, Webhook

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=SmallBody)


class CreateWebhook(BaseModel):
    """Where to send messages, and about what."""

    url: str = Field(max_length=2000, examples=["https://example.com/hooks/countermark"])
    events: list[Event] = Field(default=list(EVENTS), min_length=1)


class WebhookView(BaseModel):
    """A webhook; its ``secret`` is told only when it is created."""

    id: str
    object: Literal["webhook"] = "webhook"
    url: str
    events: list[Event]
    created_at: datetime


class NewWebhook(WebhookView):
    """A webhook just created, with the secret that its messages are signed with (Standard Webhooks, ``whsec_…``)."""

    secret: str


class WebhookList(BaseModel):
    """All webhooks."""

    object: Literal["list"] = "list"
    data: list[WebhookView]


class DeletedWebhook(BaseModel):
    """A webhook that is no more."""

    id: str
    object: Literal["webhook.deleted"] = "webhook.deleted"
    deleted: Literal[True] = True


@router.post("", response_model=NewWebhook, summary="Create a webhook", responses=faults(409, 413))
def create(asked: CreateWebhook, principal: Anyone, service: Here) -> NewWebhook:
    """Have an https address called when jobs end. Messages are signed and tried again for about 18 hours."""
    refuse_idempotency_key(principal)
    hook = service.webhooks.create(principal.tenant, asked.url, tuple(dict.fromkeys(asked.events)), service.options)
    service.audit.note(principal, "webhook.create", hook.id)
    return NewWebhook(**_view(hook).model_dump(), secret=hook.secret)


@router.get("", response_model=WebhookList, summary="List webhooks", responses=faults())
def hooks(principal: Anyone, service: Here) -> WebhookList:
    """Your webhooks."""
    return WebhookList(data=[_view(hook) for hook in service.webhooks.of_tenant(principal.tenant)])


@router.delete("/{webhook_id}", response_model=DeletedWebhook, summary="Delete a webhook", responses=faults(404))
def delete(webhook_id: str, principal: Anyone, service: Here) -> DeletedWebhook:
    """Delete a webhook, with the messages still on their way to it."""
    if not service.webhooks.delete(principal.tenant, webhook_id):
        raise not_found("webhook", webhook_id)
    service.audit.note(principal, "webhook.delete", webhook_id)
    return DeletedWebhook(id=webhook_id)


def _view(hook: Webhook) -> WebhookView:
    return WebhookView(id=hook.id, url=hook.url, events=list(hook.events), created_at=hook.created_at)
