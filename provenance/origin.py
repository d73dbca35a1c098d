"""Where a video comes from, as its seal will state it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# What of a policy decision is written down. A prompt, a rewritten prompt or a matched span is not among them:
# manifests are public, and prompts may be personal data.
_POLICY_FIELDS = ("action", "category", "language", "policy_version", "policy_sha256")


@dataclass(frozen=True)
class Origin:
    """Who or what made the frames that are being sealed.

    ``kind`` is "generated" for the output of a model and "protected" for video made elsewhere, about whose
    making nothing is claimed. ``generator`` and ``version`` name the model or tool; ``policy`` is the record of the
    prompt policy's decision; ``prompt_sha256`` is the hex digest of the prompt. ``ingredients`` are files the
    video was made from: the one parent when protected, inputs such as a reference image when generated.
    """

    kind: Literal["generated", "protected"]
    generator: str
    version: str
    prompt_sha256: str | None = None
    policy: Mapping[str, object] | None = None
    title: str | None = None
    ingredients: tuple[Path, ...] = ()

    def policy_record(self) -> dict[str, str]:
        """The publishable part of the policy decision, empty when there was none."""
        policy = self.policy or {}
        return {key: str(policy[key]) for key in _POLICY_FIELDS if policy.get(key) is not None}
