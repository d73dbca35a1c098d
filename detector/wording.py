"""What the detector says, by code and language: the sentences are data (``wording.yaml``), the facts come from signals.

A report keeps codes and facts beside its English sentences, so that the page can be written in another language later.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


class Said(BaseModel):
    """A sentence as a code and the facts that fill it."""

    model_config = ConfigDict(frozen=True)

    code: str
    facts: dict[str, str] = Field(default_factory=dict)

    def words(self, language: Language = "en") -> str:
        """The sentence. Facts are put in as they are: whoever shows them must escape them."""
        return phrase(self.code, self.facts, language)


def say(code: str, **facts: object) -> Said:
    """A sentence of ``wording.yaml``. Raises ``KeyError`` if there is none, or if a fact is missing."""
    said = Said(code=code, facts={name: str(value) for name, value in facts.items()})
    said.words()
    return said


def phrase(code: str, facts: Mapping[str, str], language: Language) -> str:
    """The sentence of this code in this language."""
    # Not str.format: a fact is hostile text, and so must neither be a template nor reach attributes.
    sentence = _sentences()[code][language]
    parts = sentence.split("{")
    out = [parts[0]]
    for part in parts[1:]:
        name, _, rest = part.partition("}")
        out += [facts[name], rest]
    return "".join(out)


def sentences(language: Language) -> dict[str, str]:
    """All sentences of a language by code, with the names of facts in braces."""
    return {code: text[language] for code, text in _sentences().items()}


@cache
def _sentences() -> dict[str, dict[Language, str]]:
    text = resources.files("detector").joinpath("wording.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[Language, str]] = yaml.safe_load(text)
    return found
