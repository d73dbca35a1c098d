"""``/v1/models``."""

from __future__ import annotations

from fastapi import APIRouter

from countermark.service.access import Generator
from countermark.service.api.documents import faults
from countermark.service.catalogue import ALIASES, OFFERS
from countermark.service.faults import ApiError
from countermark.service.models import Model, ModelList

router = APIRouter(prefix="/v1/models", tags=["models"])

_MODELS = {offer.id: Model(id=offer.id, created=offer.created, owned_by="countermark") for offer in OFFERS.values()}


@router.get("", response_model=ModelList, summary="List models", responses=faults())
def models(_principal: Generator) -> ModelList:
    """The models that generate here."""
    return ModelList(data=list(_MODELS.values()))


@router.get("/{model}", response_model=Model, summary="Retrieve a model", responses=faults(404))
def model(model: str, _principal: Generator) -> Model:
    """One model, by its name or an alias."""
    found = _MODELS.get(ALIASES.get(model, model))
    if found is None:
        raise ApiError(404, "model_not_found", f"The model '{model[:100]}' does not exist.", param="model")
    return found
