"""The plain clip signed by hand, with any origin and any change to its definition."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import c2pa

from provenance.manifest import new_context
from provenance.origin import Origin
from provenance.statements import SoftBinding

BINDING = SoftBinding("org.countermark.video.2", "10011122334455aa", 708)
GENERATED = Origin(
    kind="generated",
    generator="test-model",
    version="1.2",
    prompt_sha256="ab" * 32,
    policy={"action": "allow", "reason": "the words", "rewritten_prompt": "secret words", "policy_version": "7"},
)
Signed = Callable[..., tuple[Path, dict[str, Any]]]


def protected(parent: Path) -> Origin:
    return Origin(kind="protected", generator="countermark", version="1", ingredients=(parent,))


def crjson(path: Path, anchor: str) -> dict[str, Any]:
    with c2pa.Reader(str(path), context=new_context(anchor)) as reader:
        assert reader.get_validation_state() == "Trusted"
        document: dict[str, Any] = json.loads(reader.crjson())
        return document
