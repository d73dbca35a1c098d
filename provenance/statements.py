"""What a manifest states: the definition from which the SDK builds it.

It follows C2PA 2.4 (2.2 on request) and satisfies the conformance programme's asset rubrics
``conformance0.2-spec2.4`` and ``conformance0.2-spec2.2``. Several fields are silently optional in the SDK and cost
conformance when left out: ``created: true`` (otherwise the assertion is only "gathered"), ``specVersion`` and
``allActionsIncluded``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Literal

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Settings
from provenance.origin import NOISE_ID, Origin

SpecVersion = Literal["2.2", "2.4"]
TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE_WITH_TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
POLICY_LABEL = "org.countermark.policy"
DISCLOSURE_LABEL = "org.countermark.disclosure"
_TRAINING_MINING = ("cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining")


@dataclass(frozen=True)
class SoftBinding:
    """Algorithm identifier and value (hex) of a watermark or fingerprint, over ``milliseconds`` of video.

    Without milliseconds it is over all of a picture.
    """

    algorithm: str
    value: str
    milliseconds: int | None


@dataclass(frozen=True)
class Terms:
    """What the person who seals chooses: the specification, what may be done with the video, and who provides it.

    ``training`` is a use of CAWG training and data mining 1.1 section 3; "constrained" needs ``training_terms``.
    """

    spec: SpecVersion = "2.4"
    training: Literal["allowed", "notAllowed", "constrained"] = "notAllowed"
    training_terms: str | None = None
    provider: str | None = None
    visible_label: tuple[str, float] | None = None
    """Words drawn into the picture, and for how many seconds."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Terms:
        """The terms that the settings state. Raises `ConfigurationError` for a constrained use without terms."""
        if settings.training == "constrained" and not (settings.training_terms or "").strip():
            raise ConfigurationError(
                "COUNTERMARK_TRAINING is constrained, and COUNTERMARK_TRAINING_TERMS does not say by what.",
                remedy="Set it to the terms, a text or an address, or choose allowed or notAllowed.",
            )
        return cls(settings.c2pa_spec, settings.training, settings.training_terms, settings.issuer_name)


def source_type(origin: Origin) -> str | None:
    """IPTC digital source type of what a model made; None for video made elsewhere."""
    return {"generated": TRAINED_ALGORITHMIC_MEDIA, "edited": COMPOSITE_WITH_TRAINED}.get(origin.kind)


def definition(
    origin: Origin,
    binding: SoftBinding,
    *,
    title: str,
    file_format: str,
    when: datetime,
    terms: Terms | None = None,
    fingerprint: SoftBinding | None = None,
) -> dict[str, Any]:
    """The manifest definition (JSON of the SDK) for one sealed video.

    ``when`` is written in UTC. What a model made says so (IPTC digital source type, AI disclosure). A protected video
    states only what was done to it: opened, transcoded, watermarked. Ingredients are referred to by `ingredient_id`.
    """
    terms = terms or Terms()
    stamp = when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    tool = {"name": "countermark", "version": version("countermark")}
    actions = list(_actions(origin, terms, stamp, tool))
    assertions: list[dict[str, Any]] = [
        {"label": "c2pa.actions.v2", "created": True, "data": {"allActionsIncluded": True, "actions": actions}},
        _soft_binding(binding),
    ]
    if fingerprint is not None:
        assertions.append(_soft_binding(fingerprint))
    if origin.noise is not None:
        assertions.append(_soft_binding(SoftBinding(NOISE_ID, origin.noise, binding.milliseconds)))
    if origin.by_model:
        if terms.spec == "2.4":
            assertions.append({"label": "c2pa.ai-disclosure", "created": True, "data": _ai_disclosure(origin)})
        # The choice is the generator's to make; about a stranger's video nothing is said.
        assertions.append({"label": "cawg.training-mining", "data": {"entries": _training(terms)}})
        disclosure = _disclosure(origin, terms, binding.value, stamp)
        assertions.append({"label": DISCLOSURE_LABEL, "created": True, "data": disclosure})
    record = origin.policy_record()
    if origin.prompt_sha256 is not None:
        record["prompt_sha256"] = origin.prompt_sha256
    if origin.prompt is not None:
        record["prompt"] = origin.prompt
    if record:
        assertions.append({"label": POLICY_LABEL, "created": True, "data": record})
    return {
        "claim_generator_info": [{**tool, "specVersion": "2.4.0"} if terms.spec == "2.4" else tool],
        "title": title,
        "format": file_format,
        "assertions": assertions,
    }


def ingredient_id(index: int) -> str:
    """The name by which an action refers to the origin's ingredient of this index."""
    return f"ingredient-{index}"


def relationship(origin: Origin, index: int) -> str:
    """How the origin's ingredient of this index relates to the video (C2PA 2.4 section 18.16.3)."""
    return "parentOf" if origin.parent is not None and index == 0 else "inputTo"


def _actions(origin: Origin, terms: Terms, stamp: str, tool: dict[str, str]) -> Iterator[dict[str, Any]]:
    def action(name: str, agent: dict[str, str], used: range, **fields: str) -> dict[str, Any]:
        parameters = {"parameters": {"ingredientIds": [ingredient_id(i) for i in used]}} if used else {}
        return {"action": name, "when": stamp, "softwareAgent": agent, **fields, **parameters}

    model = {"name": origin.generator, "version": origin.version}
    made_of = range(len(origin.ingredients))
    if origin.kind == "generated":
        yield action("c2pa.created", model, made_of, digitalSourceType=TRAINED_ALGORITHMIC_MEDIA)
    else:
        yield action("c2pa.opened", tool, made_of[:1])
    if origin.kind == "edited":
        yield action(origin.edit, model, made_of[1:], digitalSourceType=COMPOSITE_WITH_TRAINED)
    elif origin.kind == "protected":
        yield action("c2pa.transcoded", tool, made_of[:0])
    # The plain name is deprecated since 2.3, which put ".bound" (to a soft binding) and ".unbound" in its place.
    yield action("c2pa.watermarked.bound" if terms.spec == "2.4" else "c2pa.watermarked", tool, made_of[:0])


def _soft_binding(binding: SoftBinding) -> dict[str, Any]:
    whole = binding.milliseconds is None
    scope = {} if whole else {"timespan": {"start": 0, "end": binding.milliseconds}}
    block = {"scope": scope, "value": binding.value}
    return {"label": "c2pa.soft-binding", "created": True, "data": {"alg": binding.algorithm, "blocks": [block]}}


def _ai_disclosure(origin: Origin) -> dict[str, Any]:
    return {
        "modelType": "c2pa.types.model",
        "modelName": origin.generator,
        "modelIdentifier": f"{origin.generator} {origin.version}",
        "contentProfile": {"humanOversightLevel": "prompt_guided"},
    }


def _training(terms: Terms) -> dict[str, dict[str, str]]:
    entry: dict[str, str] = {"use": terms.training}
    if terms.training == "constrained" and terms.training_terms is not None:
        entry["constraint_info"] = terms.training_terms
    return {name: dict(entry) for name in _TRAINING_MINING}


def _disclosure(origin: Origin, terms: Terms, video_id: str, stamp: str) -> dict[str, Any]:
    """The five things that California's SB 942, section 22757.3(b), wants in a latent disclosure; the visible label."""
    disclosure = {
        "provider": terms.provider or "unnamed",
        "system": origin.generator,
        "systemVersion": origin.version,
        "when": stamp,
        "identifier": video_id,
        "content": "created" if origin.kind == "generated" else "altered",
    }
    if terms.visible_label is None:
        return disclosure
    text, seconds = terms.visible_label
    return disclosure | {"visibleLabel": {"text": text, "seconds": seconds}}
