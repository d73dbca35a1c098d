"""The policy's data files: their shapes, and reading them.

A policy is a folder of YAML files around one ``policy.yaml`` that names the others. Everything is checked on load; a
missing, malformed or contradictory file raises `ConfigurationError`, so a broken policy never decides anything.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from countermark.core.errors import ConfigurationError

BUNDLED = Path(__file__).parent / "data"
DEFAULT_AUDIENCE = "general"
BUNDLED_PREFIX = "bundled:"  # in a custom policy.yaml: "bundled:lexicons/sexual.yaml" names a file of this package

Score = Annotated[float, Field(ge=0, le=1)]
Terms = dict[Literal["en", "zh", "other"], list[str]]
Character = Annotated[str, Field(min_length=1, max_length=1)]


class PolicyModel(BaseModel):
    """Base of the file models: frozen, and unknown keys are errors (a misspelt key must not be ignored)."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bilingual(PolicyModel):
    """A text for the user, in both languages the policy answers in."""

    en: str
    zh: str

    def in_language(self, language: str) -> str:
        """Chinese for ``zh``, English otherwise."""
        return self.zh if language == "zh" else self.en


class Category(PolicyModel):
    """One category of the taxonomy.

    ``decided_by`` says where its scores come from: ``classifier`` (a trained head, with a lexicon beside it), ``rule``,
    ``gazetteer`` or ``normaliser``. ``action`` is the strongest decision the category can lead to.
    """

    id: str
    number: int
    title: Bilingual
    action: Literal["block", "rewrite", "strict"]
    report: bool = False  # the operator's duty to report it; no reviewer can release it
    decided_by: Literal["classifier", "rule", "gazetteer", "normaliser"]
    reason: Bilingual
    support: Bilingual | None = None


class EntityRule(PolicyModel):
    """What a name of this kind leads to: rewriting, and refusal beside the categories in ``refused_with``."""

    category: str
    replacement: Bilingual
    refused_with: list[str] = []


class Audience(PolicyModel):
    """For whom the thresholds hold. ``shift`` is added, in log-odds, to a category's thresholds (positive: more is
    allowed); words and scores of the categories in ``permitted`` never refuse, the result is checked strictly instead.
    """

    title: Bilingual
    shift: dict[str, float] = {}
    permitted: list[str] = []


class Limit(PolicyModel):
    """A score of a frame from which a video is withheld, after a standard and after a strict decision."""

    standard: Score
    strict: Score


class VisionRules(PolicyModel):
    """What pictures are examined for. ``zero_shot`` gives each category sentences that describe it, ``ordinary``
    sentences that describe anything else; ``joint_weight`` is how many log-odds a picture that shows a category adds to
    the text beside it.
    """

    frames_per_second: float = Field(gt=0)
    nudity: Limit
    nudity_category: str
    zero_shot: dict[str, list[str]] = {}
    zero_shot_limit: Limit
    ordinary: list[str] = []
    joint_weight: float = Field(ge=0)
    likeness_category: str


class AbuseRules(PolicyModel):
    """When a user is judged more strictly: counted over ``window_hours``, refusals and disguises together."""

    window_hours: float = Field(gt=0)
    strict_after: int = Field(gt=0)
    strict_shift: float = Field(le=0)
    review_after: int = Field(gt=0)


class Files(PolicyModel):
    """The other files of a policy, relative to ``policy.yaml`` or to the package (``bundled:``).

    ``encoder`` are weights of the text encoder that the heads were trained with; without it, it is as published.
    """

    normalisation: str
    minors: str
    contexts: str
    thresholds: str
    heads: str
    encoder: str | None = None
    lexicons: list[str]
    gazetteers: list[str]


class PolicyFile(PolicyModel):
    """``policy.yaml``: version, limits, taxonomy and the names of the other files."""

    version: str
    max_characters: int = Field(gt=0)
    evasion_shift: float = Field(le=0)
    part_penalty: float = Field(ge=0)
    allowed: Bilingual
    rewritten: Bilingual
    in_review: Bilingual
    approved: Bilingual
    watched: Bilingual
    withheld: Bilingual
    categories: list[Category]
    audiences: dict[str, Audience]
    abuse: AbuseRules
    vision: VisionRules
    entities: dict[str, EntityRule]
    files: Files
    examples: str | None = None  # the policy's own test cases; they decide nothing and are not part of its digest

    @model_validator(mode="after")
    def _consistent(self) -> PolicyFile:
        ids = [c.id for c in self.categories]
        if len(set(ids)) != len(ids):
            raise ValueError("two categories share one id")
        for kind, rule in self.entities.items():
            unknown = {rule.category, *rule.refused_with} - set(ids)
            if unknown:
                raise ValueError(f"entities.{kind} names unknown categories: {', '.join(sorted(unknown))}")
        for name, audience in self.audiences.items():
            if unknown := {*audience.shift, *audience.permitted} - set(ids):
                raise ValueError(f"audiences.{name} names unknown categories: {', '.join(sorted(unknown))}")
        if DEFAULT_AUDIENCE not in self.audiences:
            raise ValueError(f"audiences lacks {DEFAULT_AUDIENCE!r}, the one that holds when none is named")
        seen = {self.vision.nudity_category, self.vision.likeness_category, *self.vision.zero_shot}
        if unknown := seen - set(ids):
            raise ValueError(f"vision names unknown categories: {', '.join(sorted(unknown))}")
        return self


class NormalisationRules(PolicyModel):
    """Tables of `policy.normalise`."""

    homoglyphs: dict[Character, str]
    leet: dict[Character, list[str]]
    protected: list[str]
    emoji: dict[str, str]
    han_variants: dict[Character, Character]


class LexiconFile(PolicyModel):
    """The words of one category. ``strong`` terms decide, unless a context in ``excused_by`` stands beside them or
    they lie inside a ``harmless`` phrase; ``weak`` terms only inform the classifier and the rules on named persons.
    """

    category: str
    strong: Terms = {}
    weak: Terms = {}
    harmless: Terms = {}
    excused_by: list[str] = []


class ContextsFile(PolicyModel):
    """Named groups of words that mark a harmless frame: fiction, education, medicine ..."""

    contexts: dict[str, Terms]


class MinorsFile(PolicyModel):
    """Terms of the rule on minors. Definite age terms meet any sexual term; ambiguous ones ("girl") only explicit."""

    definite: Terms
    ambiguous: Terms
    explicit: Terms
    suggestive: Terms
    harmless: Terms


class GazetteerEntry(PolicyModel):
    """One person, character or brand. ``cased`` names count only when written with their capital letters; ``generic``
    replaces the name in a rewrite, where something better is known than the kind's own replacement.
    """

    en: list[str] = []
    zh: list[str] = []
    cased: list[str] = []
    generic: Bilingual | None = None


class GazetteerFile(PolicyModel):
    """Names of one kind."""

    kind: str
    entries: list[GazetteerEntry]
    harmless: list[str] = []


class Threshold(PolicyModel):
    """Scores from which a category blocks, goes to a person, or asks for the strict output check.

    ``with_real_person`` replaces ``block`` when a real person is named. A strong lexicon term decides unless the
    classifier's score is below ``lexicon_floor``: then the sentence around the word is clearly harmless.
    """

    block: Score | None = None
    review: Score | None = None
    strict: Score | None = None
    with_real_person: Score | None = None
    lexicon_floor: Score | None = None


class ThresholdsFile(PolicyModel):
    """Thresholds of the trained heads, tied by SHA-256 to the heads they were measured with."""

    heads_sha256: str
    encoder: str
    thresholds: dict[str, Threshold]


M = TypeVar("M", bound=PolicyModel)
# libyaml's safe loader, ten times as fast, where PyYAML was built with it
_LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Example(PolicyModel):
    """A test case of a policy: a prompt, and what has to become of it."""

    prompt: str
    action: Literal["allow", "rewrite", "review", "block"]
    category: str | None = None
    audience: str = DEFAULT_AUDIENCE


class ExamplesFile(PolicyModel):
    """The test cases of a policy."""

    examples: list[Example]


class Folder:
    """Reads the files of one policy and keeps the digest and the place of each."""

    def __init__(self, policy_path: Path) -> None:
        self.policy_path = policy_path
        self.digests: dict[str, str] = {}
        self.paths: list[Path] = []

    def locate(self, name: str) -> Path:
        """Where file ``name`` is: beside ``policy.yaml``, or in this package for a ``bundled:`` name."""
        if name.startswith(BUNDLED_PREFIX):
            return BUNDLED / name.removeprefix(BUNDLED_PREFIX)
        return self.policy_path.parent / name

    def read_bytes(self, name: str) -> bytes:
        """The content of file ``name``; raises `ConfigurationError` when it cannot be read."""
        path = self.locate(name)
        self.paths.append(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _unusable(path, str(error.strerror or error)) from error
        self.digests[name.removeprefix(BUNDLED_PREFIX)] = hashlib.sha256(data).hexdigest()
        return data

    def read(self, name: str, model: type[M]) -> M:
        """File ``name`` as a checked ``model``; raises `ConfigurationError` saying what is wrong and where."""
        data = self.read_bytes(name)
        try:
            content: Any = yaml.load(data.decode("utf-8"), Loader=_LOADER)  # noqa: S506 (both choices are safe loaders)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise _unusable(Path(name), f"not valid YAML ({str(error).splitlines()[0]})") from error
        try:
            return model.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "top level"
            raise _unusable(Path(name), f"{place}: {first['msg']}") from error

    @property
    def sha256(self) -> str:
        """One digest over the names and contents of every file read so far."""
        lines = "".join(f"{name} {digest}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def _unusable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The policy file {path} is unusable: {why}.",
        remedy="Repair the file, or unset COUNTERMARK_POLICY_FILE to use the bundled policy.",
    )
