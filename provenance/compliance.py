"""What laws and standards ask a generated video to carry, and whether this file carries it.

A table of presence, not legal advice: whether a rule applies to a video, and whether it is met, depends on more than
the file. Each requirement names its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from countermark.core.errors import UsageError
from countermark.core.media import probe
from countermark.core.settings import Settings, get_settings
from provenance.labels import Labels, read_labels
from provenance.reader import ManifestReport, UnreadableManifestError, read_report
from provenance.statements import COMPOSITE_WITH_TRAINED, DISCLOSURE_LABEL, TRAINED_ALGORITHMIC_MEDIA
from provenance.trust import load_anchors
from provenance.verify import Verification, verify

Profile = Literal["eu", "us-ca", "cn", "in", "kr", "iptc"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
_MODEL_MADE = (TRAINED_ALGORITHMIC_MEDIA, COMPOSITE_WITH_TRAINED)
_FINDABLE = ("countermark.watermark.match", "countermark.watermark.read", "countermark.watermark.unmentioned")


class Requirement(BaseModel):
    """One thing that a profile asks for, whether it is there, what shows it, and where it is asked for."""

    model_config = ConfigDict(frozen=True)

    profile: Profile
    name: str
    present: bool
    evidence: str
    source: str


class Compliance(BaseModel):
    """What is present and missing for the profiles asked about."""

    model_config = ConfigDict(frozen=True)

    path: Path
    profiles: tuple[Profile, ...]
    requirements: tuple[Requirement, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return all(requirement.present for requirement in self.requirements)


@dataclass(frozen=True)
class _Facts:
    """What is known of a file: its verification, its manifest's statements, the labels of its container."""

    verification: Verification
    report: ManifestReport | None
    disclosure: Mapping[str, Any]
    labels: Labels

    def finding(self, axis: str, *codes: str) -> str | None:
        """The message of the first finding on an axis that passed or has one of these codes."""
        for finding in self.verification.findings:
            if finding.axis == axis and (finding.code in codes or (not codes and finding.status == "pass")):
                return finding.message
        return None

    @property
    def signed(self) -> str | None:
        """That an intact signature covers the file."""
        return self.finding("integrity") if self.report is not None else None

    @property
    def watermark(self) -> str | None:
        """That a watermark was read."""
        return self.finding("watermark", *_FINDABLE)

    @property
    def model_made(self) -> str | None:
        """The manifest's statement that a model made the video, or part of it."""
        for action in self.report.actions() if self.report and self.signed else []:
            if action.get("digitalSourceType") in _MODEL_MADE:
                return f"{action.get('action')}: {str(action['digitalSourceType']).rsplit('/', 1)[-1]}"
        return None

    @property
    def visible(self) -> str | None:
        """The manifest's statement that a label was drawn into the picture."""
        label = self.disclosure.get("visibleLabel") if self.signed else None
        if not isinstance(label, Mapping):
            return None
        stated = f"the manifest states '{label.get('text')}'"
        return stated if self.of_picture else f"{stated} for the first {label.get('seconds')} s"

    @property
    def of_picture(self) -> bool:
        """Whether the manifest was made for a picture."""
        return self.report is not None and self.report.of_picture


def check_compliance(path: Path, profiles: Sequence[str] = PROFILES, *, settings: Settings | None = None) -> Compliance:
    """Look for what the profiles ask for. Raises `UsageError` for unknown profiles, and what `verify` raises."""
    settings = settings or get_settings()
    chosen = tuple(profile for profile in PROFILES if profile in profiles)
    unknown = set(profiles) - set(PROFILES)
    if unknown or not chosen:
        raise UsageError(
            f"There is no profile '{', '.join(sorted(unknown))}'.", remedy=f"Choose from {', '.join(PROFILES)}."
        )
    facts = _facts(path, settings)
    requirements = [item for profile in chosen for item in _REQUIREMENTS[profile](facts)]
    return Compliance(path=path, profiles=chosen, requirements=tuple(requirements))


def _facts(path: Path, settings: Settings) -> _Facts:
    verification = verify(path, settings=settings)
    try:
        report = read_report(path, load_anchors(settings).pem)
    except UnreadableManifestError:
        report = None
    disclosure = next(report.assertions(DISCLOSURE_LABEL), {}) if report is not None else {}
    return _Facts(verification, report, disclosure, read_labels(path, probe(path).metadata))


def _requirement(profile: Profile, source: str) -> Callable[[str, str | None], Requirement]:
    def make(name: str, evidence: str | None) -> Requirement:
        words = evidence or "not found"
        return Requirement(profile=profile, name=name, present=bool(evidence), evidence=words, source=source)

    return make


def _eu(facts: _Facts) -> Iterator[Requirement]:
    act = _requirement("eu", "Regulation (EU) 2024/1689, Article 50(2)")
    code = _requirement("eu", "Code of Practice on marking and labelling of AI-generated content, measure 1.1")
    yield act("machine-readable statement that it is generated", facts.model_made)
    yield code("first layer: digitally signed metadata", facts.signed)
    yield code("first layer: time-stamped", facts.finding("time", "timeStamp.trusted", "timeStamp.validated"))
    yield code("second layer: imperceptible watermark", facts.watermark)


def _california(facts: _Facts) -> Iterator[Requirement]:
    item = _requirement("us-ca", "California Business and Professions Code, section 22757.3(b)")
    stated = facts.disclosure if facts.signed else {}
    for name, keys in (
        ("name of the provider", ("provider",)),
        ("name and version of the system", ("system", "systemVersion")),
        ("time and date of creation or alteration", ("when",)),
        ("unique identifier", ("identifier",)),
        ("created or altered", ("content",)),
    ):
        values = [str(stated[key]) for key in keys if stated.get(key)]
        yield item(f"latent: {name}", " ".join(values) if len(values) == len(keys) else None)
    yield item("latent: extraordinarily difficult to remove", facts.watermark)


def _china(facts: _Facts) -> Iterator[Requirement]:
    item = _requirement("cn", "GB 45438-2025; TC260-PG-20257A")
    labels, record = facts.labels, facts.labels.aigc or {}
    sound = record if labels.aigc_problem is None else {}
    yield item("implicit: AIGC record in the container", f"Label {sound['Label']}" if sound else None)
    once = f"{labels.aigc_records} record" if labels.aigc_records == 1 else None
    yield item("implicit: exactly one record", once)
    yield item("implicit: ContentProducer", sound.get("ContentProducer"))
    yield item("implicit: ProduceID", sound.get("ProduceID"))
    yield item(f"explicit: text {'in the picture' if facts.of_picture else 'at the start of the video'}", facts.visible)


def _india(facts: _Facts) -> Iterator[Requirement]:
    item = _requirement("in", "IT Rules as amended by G.S.R. 120(E), rule 3(3)")
    manifest = facts.verification.manifest
    identifier = facts.verification.video_id or (manifest.manifest_id if manifest else None)
    yield item("permanent metadata with a unique identifier", identifier if facts.signed or facts.watermark else None)
    yield item("prominent label", facts.visible)


def _korea(facts: _Facts) -> Iterator[Requirement]:
    item = _requirement("kr", "AI Framework Act, Article 31, and its guideline")
    yield item("machine-readable or visible label", facts.model_made or facts.visible)
    notice = facts.visible or (facts.model_made and facts.signed and "a notice in the metadata that readers display")
    yield item("notice, where the label is invisible", notice or None)


def _iptc(facts: _Facts) -> Iterator[Requirement]:
    item = _requirement("iptc", "IPTC Photo Metadata 2023.1, Digital Source Type; XMP in a uuid box")
    found = facts.labels.digital_source_type
    yield item("DigitalSourceType in XMP", found and found.rsplit("/", 1)[-1])
    stated = facts.model_made
    agrees = bool(found and stated and found.rsplit("/", 1)[-1] == stated.rsplit(" ", 1)[-1])
    yield item("agrees with the signed manifest", stated if agrees else None)


_REQUIREMENTS: dict[Profile, Callable[[_Facts], Iterator[Requirement]]] = {
    "eu": _eu,
    "us-ca": _california,
    "cn": _china,
    "in": _india,
    "kr": _korea,
    "iptc": _iptc,
}
