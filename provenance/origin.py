"""Where a video comes from, as its seal will state it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NOISE_ID = "org.countermark.noise.1"
"""Soft-binding algorithm identifier of the noise that a model drew from; the value names it, in hex."""
Kind = Literal["generated", "edited", "protected"]

# What of a policy decision is written down. A prompt, a rewritten prompt or a matched span is not among them:
# manifests are public, and prompts may be personal data.
_POLICY_FIELDS = ("action", "category", "language", "policy_version", "policy_sha256")


@dataclass(frozen=True)
class Origin:
    """Who or what made the frames that are being sealed.

    ``kind`` is "generated" for the output of a model, "edited" for a model's extension or change of an existing video,
    and "protected" for video made elsewhere, about whose making nothing is claimed. ``generator`` and ``version`` name
    the model or tool; ``policy`` is the record of the prompt policy's decision; ``prompt_sha256`` is the hex digest of
    the prompt. ``prompt`` itself is written into the manifest, for everybody to read, if it is given.

    ``ingredients`` are files the video was made from: inputs such as a reference image when generated, the one parent
    when protected, the parent first and then inputs when edited. ``edit`` says in the specification's terms what was
    done to the parent (C2PA 2.4 section 18.15.2, such as "c2pa.edited"). ``noise`` names the noise that a model drew
    the frames from, where it can be found in them again.
    """

    kind: Kind
    generator: str
    version: str
    prompt_sha256: str | None = None
    policy: Mapping[str, object] | None = None
    title: str | None = None
    ingredients: tuple[Path, ...] = ()
    prompt: str | None = None
    edit: str = "c2pa.edited"
    noise: str | None = None

    @property
    def by_model(self) -> bool:
        """Whether a generative model made the picture, or part of it."""
        return self.kind != "protected"

    @property
    def parent(self) -> Path | None:
        """The video that this one is a later state of, None for a video without a past."""
        return None if self.kind == "generated" else self.ingredients[0]

    def policy_record(self) -> dict[str, str]:
        """The publishable part of the policy decision, empty when there was none."""
        policy = self.policy or {}
        return {key: str(policy[key]) for key in _POLICY_FIELDS if policy.get(key) is not None}
