"""``/v1/models``."""

from __future__ import annotations

from fastapi import APIRouter

from countermark.service.access import Generator
from countermark.service.api.documents import faults
from countermark.service.catalogue import Offer
from countermark.service.models import Model, ModelList
from countermark.service.state import Here

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", response_model=ModelList, summary="List models", responses=faults())
def models(_principal: Generator, service: Here) -> ModelList:
    """The models that generate here."""
    return ModelList(data=[_model(offer) for offer in service.catalogue.offers.values()])


@router.get("/{model}", response_model=Model, summary="Retrieve a model", responses=faults(404))
def model(model: str, _principal: Generator, service: Here) -> Model:
    """One model, by its name or an alias."""
    return _model(service.catalogue.find(model))


def _model(offer: Offer) -> Model:
    return Model(id=offer.id, created=offer.created, owned_by="countermark")
