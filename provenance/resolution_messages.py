"""Bodies and answers of the C2PA Soft Binding Resolution API 2.4, under the names that it gives their parts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from provenance.log import TreeHead
from provenance.repository import Match
from provenance.watermark import ALGORITHM_ID


class ByBinding(BaseModel):
    """Body of ``POST /matches/byBinding``."""

    model_config = ConfigDict(json_schema_extra={"example": {"alg": ALGORITHM_ID, "value": "EAPqrpZrndw="}})

    alg: str = Field(min_length=1, max_length=200)
    value: str = Field(min_length=1, max_length=1_000_000)


class ByReference(BaseModel):
    """Body of ``POST /matches/byReference``; ``assetLength`` in bytes, ``assetType`` a media type.

    A ``region`` is refused: looking beyond it would be wrong, and nothing here looks at parts of an asset.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"referenceUrl": "https://example.com/clip.mp4", "assetLength": 1048576}}
    )

    referenceUrl: str = Field(min_length=1, max_length=4096)  # noqa: N815  # the API's name
    assetLength: int = Field(gt=0)  # noqa: N815
    assetType: str | None = Field(default=None, max_length=200)  # noqa: N815
    region: list[Any] | None = Field(default=None, max_length=100)


class Binding(BaseModel):
    """Body of ``POST`` and ``PUT /bindings``."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"alg": "com.example.watermark.1", "bindingValue": "dmFsdWU=", "manifestId": "urn:c2pa:example"}
        }
    )

    bindingValue: str = Field(min_length=1, max_length=1_000_000)  # noqa: N815
    manifestId: str = Field(min_length=1, max_length=200)  # noqa: N815
    alg: str | None = Field(default=None, min_length=1, max_length=100)


class Matches(BaseModel):
    """Manifests that were found; approximate matches have a ``similarityScore`` from 0 to 100."""

    matches: list[Match]

    @classmethod
    def of(cls, *found: Match) -> Matches:
        """The answer with these matches."""
        return cls(matches=list(found))


class Issuer(BaseModel):
    """The repository that gave a receipt, and its name for the manifest."""

    uri: str
    manifestId: str  # noqa: N815


class Anchor(BaseModel):
    """Where the proof can be checked, and the proof, as the repository makes it."""

    model_config = ConfigDict(extra="allow")

    uri: str
    proof: dict[str, Any]
    parameters: dict[str, Any] | None = None


class Receipt(BaseModel):
    """A proof that a manifest was stored."""

    context: dict[str, Any] | str = Field(alias="@context")
    type: Literal["org.c2pa.manifest-receipt"] = Field(alias="@type")
    repository: Issuer
    anchor: Anchor


class VerifiedReceipt(Receipt):
    """A receipt, whether it holds for the manifest as it is kept here, and if not, why."""

    verified: bool
    error: str | None = None

    @classmethod
    def of(cls, receipt: Receipt, problem: str | None) -> VerifiedReceipt:
        """The receipt with what checking it gave."""
        return cls.model_validate(receipt.model_dump(by_alias=True) | {"verified": problem is None, "error": problem})


class Stored(BaseModel):
    """A manifest that is kept here now, with its receipt if one was asked for."""

    manifestId: str  # noqa: N815
    receipt: Receipt | None = None


class Algorithm(BaseModel):
    """A soft-binding algorithm."""

    alg: str


class Algorithms(BaseModel):
    """Algorithms whose values can be resolved here."""

    watermarks: list[Algorithm]
    fingerprints: list[Algorithm]


class Capabilities(BaseModel):
    """What of the API's optional parts is here."""

    c2paSpecificationVersion: str  # noqa: N815
    supportedCapabilities: list[str]  # noqa: N815


class Status(BaseModel):
    """Whether the registry answers, and the head of its log."""

    status: Literal["ok", "down"]
    timestamp: str
    log: TreeHead | None = None


class Fault(BaseModel):
    """The body of every answer that is an error."""

    error: str
