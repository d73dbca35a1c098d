"""What comes of a request: the plan that a job keeps, and the generator's request that is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from countermark.service.asked import Asked, CreateImage
from countermark.service.catalogue import BUNDLED, OURS, Catalogue, Offer, sides_of
from countermark.service.faults import ApiError
from generator import GenerationRequest
from generator.pictures import placed
from generator.request import BUNDLED_RATES, Condition

PATH = Path("given")
"""Stands for a given file where only the form of a request is looked at."""


class Given(TypedDict):
    """A picture or video that a job works on: an ``upload`` by the file's name (by default the only one), or a
    completed ``video`` by id, with its ``size``. A ``mask`` is an upload.

    The rest is that of `Condition`.
    """

    upload: NotRequired[str]
    video: NotRequired[str]
    still: NotRequired[bool]
    at: NotRequired[Literal["start", "end", "whole"]]
    strength: NotRequired[float]
    mask: NotRequired[str]
    around: NotRequired[bool]
    size: NotRequired[str]


def needs_upload(plan: Mapping[str, Any]) -> bool:
    """Whether what the plan of a generation works on was uploaded for it."""
    return any("video" not in given or "mask" in given for given in plan.get("given", []))


def plan_for(catalogue: Catalogue, asked: Asked, *given: Given) -> dict[str, Any]:
    """What will be made, as a job keeps it, with a notice for all that differs from what was asked.

    Raises `ApiError`, 404 for an unknown model and 400 for one that cannot do this, and `ValidationError` for what
    makes no sense together.
    """
    offer = catalogue.find(asked.model)
    notices = []
    size, seconds = getattr(asked, "size", None), getattr(asked, "seconds", None)
    made_size = offer.size_for(size or next((each["size"] for each in given if "size" in each), None))
    if any(each.get("around") and not _leaves_room(each["size"], made_size) for each in given if "size" in each):
        message = f"The video has the shape of {made_size} already; there is nothing to make around it."
        raise ApiError(400, "invalid_value", message, param="size")
    longest = offer.longest(getattr(asked, "fps", None), given)
    length = None if seconds is None else min(max(float(seconds), 1.0), longest)
    if size not in (None, made_size):
        notices.append(f"{offer.id} makes {' or '.join(offer.sizes)}; {size} was asked for.")
    if length is not None and length != float(seconds or 0):
        notices.append(f"{offer.id} makes 1 to {longest:.3g} s at once; {seconds} s was asked for.")
    shots = getattr(asked, "shots", [])
    usual = offer.seconds if offer.family is None else f"{longest:.0f}"  # open weights make as much as they can
    made = f"{sum(shot.seconds for shot in shots):g}" if shots else usual
    plan = asked.model_dump(include={*Asked.model_fields, "fps", "loop", "shots", "n", "output_format"}) | {
        "still": isinstance(asked, CreateImage),
        "model": offer.id,
        "backend": offer.backend,
        "size": made_size,
        "length": length,
        "seconds": made if length is None else f"{length:.3g}",
        "notices": notices,
        "given": list(given),
    }
    _check(offer, request_of(plan, lambda _: PATH), longest)
    return plan


def _leaves_room(video: str, whole: str) -> bool:
    """Whether a video of one size, all of it shown inside another, leaves something of that empty."""
    width, height = sides_of(whole)
    return placed(sides_of(video), width, height)[2:] != (width, height)


def _check(offer: Offer, request: GenerationRequest, longest: float) -> None:
    """Refuse what this model cannot do. Raises `ApiError`, 400."""
    if beyond := offer.beyond(request):
        message = f"{offer.id} cannot do this: {beyond}. {BUNDLED.id} does."
        raise ApiError(400, "unsupported_parameter", message, param="model")
    rates = BUNDLED_RATES if offer in OURS else () if offer.family is None else offer.family.rates
    if request.fps is not None and request.fps not in rates:
        message = f"{offer.id} makes as many frames a second as it does; leave 'fps' out, or ask {BUNDLED.id}."
        raise ApiError(400, "unsupported_parameter", message, param="fps")
    if too_long := [shot.seconds for shot in request.shots if shot.seconds > longest]:
        message = f"{offer.id} makes shots of at most {longest:.3g} s; {too_long[0]:g} s were asked for."
        raise ApiError(400, "invalid_value", message, param="shots")


def user_of(tenant: str, plan: Mapping[str, Any]) -> str:
    """Whose refusals count together (`policy.gate.admit`): an end user's of a tenant, or of all it tells nothing of."""
    return f"{tenant}\n{plan['user']}" if plan.get("user") else tenant


def request_of(plan: dict[str, Any], path_of: Callable[[Given], Path]) -> GenerationRequest:
    """The generator's request for a plan. Raises `ValidationError` for what makes no sense together."""
    same = ("prompt", "negative_prompt", "seed", "steps", "guidance", "fps", "loop", "shots", "still", "consents")
    fields = {name: plan[name] for name in same if name in plan}

    def condition(given: Given) -> Condition:
        told = {name: value for name, value in given.items() if name in Condition.model_fields}
        if "mask" in given:
            told["mask"] = path_of({"upload": given["mask"]})
        return Condition.model_validate(told | {"path": path_of(given)})

    given = [condition(each) for each in plan.get("given", [])]
    size = tuple(map(int, plan["size"].split("x"))) if "size" in plan else None
    return GenerationRequest.model_validate(
        {**fields, "seconds": plan.get("length"), "size": size, "conditions": given}
    )
