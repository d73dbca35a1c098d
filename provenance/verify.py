"""Verify where a video or picture comes from: its credentials, its watermark, and what the registry knows of it.

Findings stay on separate axes; the conclusion only orders them. It says what is known of the origin, never whether the
content is true, and that a model made a video only where a manifest states it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Protocol

from cryptography.hazmat.primitives import hashes
from pydantic import BaseModel, ConfigDict

from countermark.core.errors import MediaError, RegistryError, UsageError
from countermark.core.media import Limits
from countermark.core.settings import Settings, get_settings
from provenance.bmff import MAX_STORE, is_cut_short
from provenance.crosscheck import second_opinion
from provenance.extract import Extraction, extract, ranges
from provenance.fetching import fetch as fetch_public
from provenance.fingerprint import FINGERPRINT_ID, queries, to_value
from provenance.judgement import Finding, Judgement, Outcome, is_bound, judge
from provenance.labels import Labels, manifest_address, read_labels
from provenance.lookalikes import find_lookalikes
from provenance.manifest import sidecar_of
from provenance.ocsp import OcspError, ask
from provenance.origin import NOISE_ID
from provenance.reader import ManifestReport, UnreadableManifestError, read_report
from provenance.registry import Registry, RegistryEntry, open_registry
from provenance.selftest import check_validator
from provenance.summary import Conclusion, ManifestSummary, summarise_manifest, summary_sentence
from provenance.trust import Anchor, Anchors, load_anchors
from provenance.watermark import MarkedRange, SpreadSpectrum


@dataclass(frozen=True)
class FoundNoise:
    """The value of a noise that a picture was drawn from, and the chance that another picture would have given it."""

    value: str
    false_positive_rate: float


class NoiseReader(Protocol):
    """Looks in the file ``path`` for one of the noises ``values``; `generator.noise_mark` has one."""

    def __call__(self, path: Path, values: Sequence[str]) -> FoundNoise | None:
        """What was found, if anything; raises `MediaError` for a file that cannot be read."""


class Verification(BaseModel):
    """The answer about one file.

    * ``verified``: credentials are intact, from a trusted signer, and agree with the watermark.
    * ``recovered``: the file lost its credentials, or carries some that are outdated or not trusted here; its
      watermark, the noise that it was drawn from or (see ``similarity``) its looks led to those that were registered.
    * ``tampered``: the file, its credentials or a parent were changed after signing, or watermark and credentials
      contradict each other.
    * ``untrusted``: credentials are intact, but from a signer this machine has no reason to trust.
    * ``no_credentials``: nothing is known of the origin. This says nothing about the content.

    ``video_id`` is the watermark's payload in hex, or else what the manifest says it is. ``similarity`` is set when
    credentials were recovered by the looks of the video: the percentage of sampled frames that match. ``timeline`` is
    set when it was asked for: the stretches that carry a watermark.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    conclusion: Conclusion
    summary: str
    video_id: str | None
    findings: list[Finding]
    manifest: ManifestSummary | None
    recovered: RegistryEntry | None
    similarity: int | None = None
    timeline: list[MarkedRange] | None = None


def verify(
    path: Path,
    *,
    manifest: Path | None = None,
    crosscheck: bool = False,
    similar: bool = False,
    fetch: bool = False,
    timeline: bool = False,
    quick: bool = False,
    noise: NoiseReader | None = None,
    settings: Settings | None = None,
) -> Verification:
    """Examine one file. Nothing is fetched from the network, unless ``fetch`` asks for it.

    ``fetch`` gets the manifest that a file points to, and asks the authority of a trusted signer whether its
    certificate was revoked.

    ``manifest`` is a file that holds the manifest store of a video which does not carry it; by default ``NAME.c2pa``
    beside it is read, if there is one. ``crosscheck`` asks a second, independent validator as well.
    ``similar`` looks by the picture for sealed videos where credentials and watermark are gone; that is approximate,
    with a score. ``timeline`` looks at every frame for the stretches that carry a watermark, and which.
    ``noise`` looks for the noise that a model drew from, where credentials and watermark are gone.
    ``quick`` looks for the watermark only in the first frames and only in a picture that was not cropped or turned.

    Raises `UsageError` for an unusable ``manifest``, `MediaError` when the file cannot be read as video or picture,
    `MediaLimitError` when it is over the limits, and `CredentialError`, `ConfigurationError` or `RegistryError` when
    this machine's keys or registry are unusable.
    """
    settings = settings or get_settings()
    path = Path(path)
    check_validator()
    watermark = SpreadSpectrum.load(settings)
    with open_registry(settings) as registry:
        extraction = extract(path, watermark, Limits.from_settings(settings), registry=registry, quick=quick)
    if is_cut_short(path):
        raise MediaError(
            f"{path} is cut short.", remedy="Fetch the file again from where it came from; its end is missing."
        )
    anchors = load_anchors(settings)
    report, unreadable = _read(path, anchors, manifest, fetch=fetch)
    with open_registry(settings) as registry:
        case = _Case(path, anchors, registry, watermark.algorithm_id, extraction, report)
        recovery = _recover(case)
        lost = report is None and extraction.payload is None
        if noise is not None and lost:
            recovery = _recover_by_noise(case, noise) or recovery
        if similar and lost and recovery.entry is None:
            recovery = _recover_by_looks(case, Limits.from_settings(settings)) or recovery
        judgement = _judge_embedded(case)
        if fetch and judgement is not None and judgement.trusted:
            judgement = _ask_responder(case, judgement)
    comparison = _compare_watermark(case)
    labels = _label_findings(read_labels(path, extraction.info.metadata), signed=report is not None)
    about_manifest = judgement.findings if judgement else [unreadable] if unreadable else []
    findings = [*about_manifest, comparison, recovery.finding, *labels]
    if crosscheck and report is not None and judgement is not None:
        findings.append(second_opinion(path, report, judgement, anchors))
    conclusion = _conclude(judgement, recovery, unreadable, comparison)
    marked = None
    if timeline:  # frames too small for a mark carry none
        limits, known = Limits.from_settings(settings), extraction.mark
        marked = ranges(path, watermark, limits, known=known) if extraction.problem is None else []
    shown = recovery.report if conclusion == "recovered" else report or recovery.report
    vouching = judgement.vouching if conclusion == "verified" and judgement else recovery.vouching
    bound = report.soft_bindings(case.algorithm) if report else []
    picture = shown is not None and (shown.of_picture or (shown.embedded and extraction.info.still))
    return Verification(
        path=path,
        conclusion=conclusion,
        summary=summary_sentence(conclusion, findings, shown, recovery.entry, vouching, picture=picture),
        video_id=extraction.payload.video_id if extraction.payload else next(iter(bound), None),
        findings=findings,
        manifest=summarise_manifest(shown, embedded=shown.embedded) if shown else None,
        recovered=recovery.entry if conclusion == "recovered" else None,
        similarity=recovery.similarity,
        timeline=marked,
    )


@dataclass(frozen=True)
class _Case:
    """What is known of a file before it is judged."""

    path: Path
    anchors: Anchors
    registry: Registry
    algorithm: str
    extraction: Extraction
    report: ManifestReport | None

    @property
    def thing(self) -> str:
        """What the file is, in words."""
        return "picture" if self.extraction.info.still else "video"


@dataclass(frozen=True)
class _Recovery:
    """Outcome of looking the watermark up; ``entry`` and ``report`` are set only when everything matched."""

    finding: Finding
    entry: RegistryEntry | None = None
    report: ManifestReport | None = None
    vouching: Anchor | None = None
    similarity: int | None = None


def _read(
    path: Path, anchors: Anchors, manifest: Path | None, *, fetch: bool
) -> tuple[ManifestReport | None, Finding | None]:
    """The file's manifest, embedded or beside it, or a finding that says why there is none."""
    beside = False
    try:
        report = None if manifest is not None else _own_report(path, anchors, fetch=fetch)
        store = _sidecar(path, manifest) if report is None else None
        if store is not None:
            report, beside = read_report(path, anchors.pem, store=store), manifest is None
    except UnreadableManifestError as error:
        if error.remote:
            message = "The file only points to credentials elsewhere, which were not fetched."
            return None, Finding(axis="integrity", status="info", code="manifest.inaccessible", message=message)
        message = f"The file has credentials, but they are damaged: {error}."
        code = "countermark.manifest.unreadable"
        return None, Finding(axis="integrity", status="fail", code=code, message=message)
    if beside and report is not None and not is_bound(report):
        # Of a file with the same name, or of what this one was converted from: nobody said that it belongs here.
        message = f"{sidecar_of(path).name} beside the file holds credentials, but not of this file as it is."
        return None, Finding(axis="integrity", status="warn", code="countermark.manifest.beside", message=message)
    if report is not None:
        return report, None
    message = "The file carries no Content Credentials."
    return None, Finding(axis="integrity", status="not_applicable", code="claim.missing", message=message)


def _own_report(path: Path, anchors: Anchors, *, fetch: bool) -> ManifestReport | None:
    """What the file carries, or else (``fetch``) what it points to."""
    try:
        return read_report(path, anchors.pem)
    except UnreadableManifestError as error:
        if not (error.remote and fetch):
            raise
    return read_report(path, anchors.pem, store=_fetched(path))


def _fetched(path: Path) -> bytes:
    """The manifest store from where the file says it is; raises `FetchError`."""
    with TemporaryDirectory(prefix="countermark-") as folder:
        target = Path(folder) / "manifest.c2pa"
        fetch_public(manifest_address(path) or "", target, limit=MAX_STORE)
        return target.read_bytes()


def _sidecar(path: Path, manifest: Path | None) -> bytes | None:
    """The manifest store in the file ``manifest`` or else beside the video."""
    place = manifest or sidecar_of(path)
    if manifest is None and not place.is_file():
        return None
    try:
        if place.stat().st_size > MAX_STORE:
            raise UsageError(f"{place} is too large for a manifest.", remedy="Give the .c2pa file that belongs to it.")
        return place.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The manifest {place} cannot be read: {error.strerror}.", remedy="Give the .c2pa file that belongs to it."
        ) from error


def _judge_embedded(case: _Case) -> Judgement | None:
    if case.report is None:
        return None
    entry = case.registry.find_manifest(case.report.manifest_id)
    registered_at = entry.created_at if entry and _is_registered(case.report, entry) else None
    return judge(case.report, anchors=case.anchors, registered_at=registered_at)


def _is_registered(report: ManifestReport, entry: RegistryEntry) -> bool:
    """Whether it is the very manifest of this entry, and not another one under its name."""
    signed = report.signed
    return report.manifest_id == entry.manifest_id and signed is not None and signed.claim_sha256 == entry.claim_sha256


def _ask_responder(case: _Case, judgement: Judgement) -> Judgement:
    """The judgement with what the signer's authority says today of its certificate."""
    chain = case.report.signed.chain if case.report and case.report.signed else ()
    if not chain:
        return judgement
    try:
        revoked = ask(chain[0], case.anchors.issuers(chain))
    except OcspError as error:
        message = f"Whether the signer's certificate was revoked is not known: {error.cause}"
        finding = Finding(axis="trust", status="warn", code="countermark.trust.revocationUnknown", message=message)
        return replace(judgement, findings=(*judgement.findings, finding))
    if revoked is None:
        return judgement
    told = {chain[0].fingerprint(hashes.SHA256()): revoked}
    return _judge_embedded(replace(case, anchors=replace(case.anchors, told=told))) or judgement


def _recover(case: _Case) -> _Recovery:
    payload = case.extraction.payload
    if payload is None:
        return _Recovery(_recovery_finding("not_applicable", "nothing", "Without a watermark nothing is looked up."))
    entry = case.registry.find(case.algorithm, payload.video_id)
    if entry is None:
        message = (
            f"The watermark names issuer {payload.issuer}, serial {payload.serial:012x}, "
            "which is not in this machine's registry."
        )
        return _Recovery(_recovery_finding("info", "unknown", message))
    try:
        store = case.registry.manifest(entry.video_id)
    except RegistryError:
        if entry.erased_at is None:
            raise
        message = f"The registry held this {case.thing}, but its manifest was erased on {entry.erased_at:%Y-%m-%d}."
        return _Recovery(_recovery_finding("info", "erased", message))
    if case.report is not None and _is_registered(case.report, entry):
        message = f"The registry holds this {case.thing}; if its metadata is lost, the watermark leads back to it."
        return _Recovery(_recovery_finding("pass", "registered", message))
    problem: str | None
    try:
        report = read_report(case.path, case.anchors.pem, store=store)
    except UnreadableManifestError as error:
        report, problem, vouching = None, str(error), None
    else:
        problem, vouching = _registered_problem(report, entry, case.anchors)
    if report is None or problem is not None:
        message = f"The registry holds this {case.thing}, but its stored manifest is not usable: {problem}."
        return _Recovery(_recovery_finding("fail", "invalid", message))
    message = (
        f"The watermark led to the manifest that was registered on {entry.created_at:%Y-%m-%d}; "
        "algorithm and value both match."
    )
    return _Recovery(_recovery_finding("pass", "softBindingsMatched", message), entry, report, vouching)


def _recover_by_noise(case: _Case, noise: NoiseReader) -> _Recovery | None:
    """The sealed video whose manifest holds and states the noise that is found in the picture."""
    videos = case.registry.noises()
    found = noise(case.path, list(videos))
    entry = None if found is None else case.registry.find_video(videos[found.value])
    if found is None or entry is None:
        return None
    stated = _registered_manifest(case, entry, NOISE_ID, found.value)
    if stated is None:
        return None
    message = (
        f"The picture was drawn from the noise of the {case.thing} that was registered on {entry.created_at:%Y-%m-%d} "
        f"(chance of a false reading {found.false_positive_rate:.0e})."
    )
    return _Recovery(_recovery_finding("pass", "noise", message), entry, *stated)


def _recover_by_looks(case: _Case, limits: Limits) -> _Recovery | None:
    """The most alike of the sealed videos whose manifest holds and states the fingerprint that was found."""
    for alike in find_lookalikes(case.registry, *queries(case.path, limits)):
        entry = alike.entry
        hashes = to_value(case.registry.fingerprint(entry.video_id))
        stated = _registered_manifest(case, entry, FINGERPRINT_ID, hashes)
        if stated is None:
            continue
        likeness = f"The picture resembles {'one' if stated[0].of_picture else 'the video'} that was registered on"
        share = "" if case.extraction.info.still else f": {alike.similarity} % of the sampled frames match"
        message = (
            f"{likeness} {entry.created_at:%Y-%m-%d}{share}. A resemblance is no proof; the two may differ in details."
        )
        finding = _recovery_finding("warn", "similar", message)
        return _Recovery(finding, entry, *stated, alike.similarity)
    return None


def _registered_manifest(
    case: _Case, entry: RegistryEntry, algorithm: str, value: str
) -> tuple[ManifestReport, Anchor | None] | None:
    """The stored manifest of an entry, if it holds and states this soft binding alone of its kind; and who vouches."""
    try:
        report = read_report(case.path, case.anchors.pem, store=case.registry.manifest(entry.video_id))
    except (UnreadableManifestError, RegistryError):
        return None
    problem, vouching = _registered_problem(report, entry, case.anchors)
    if report is None or problem is not None or report.soft_bindings(algorithm) != [value]:
        return None
    return report, vouching


def _registered_problem(
    report: ManifestReport | None, entry: RegistryEntry, anchors: Anchors
) -> tuple[str | None, Anchor | None]:
    """Why a stored manifest may not be shown as this file's, if so; and who vouches for its signer."""
    if report is None or not _is_registered(report, entry):
        return "it is another manifest, or its claim is not the registered one", None
    judgement = judge(report, anchors=anchors, registered_at=entry.created_at, detached=True)
    if not judgement.sound:
        return "its signature does not hold", None
    # C2PA 2.4 section 9.3: every soft binding must match, in algorithm and in value.
    if set(report.soft_bindings(entry.algorithm)) != {entry.video_id}:
        return "it is bound to another watermark", None
    return None, judgement.vouching


def _compare_watermark(case: _Case) -> Finding:
    """The watermark, and whether it agrees with the embedded manifest."""
    found, payload = case.extraction, case.extraction.payload
    bound = case.report.soft_bindings(case.algorithm) if case.report else []
    if payload is None:
        return _unread(case, claimed=bool(bound))
    read = (
        f"The watermark was read exactly (issuer {payload.issuer}, serial {payload.serial:012x}; "
        f"chance of a false reading {found.false_positive_rate:.0e})"
    )
    if case.report is None:
        return _watermark_finding("info", "read", f"{read}.")
    if not bound:
        return _watermark_finding("warn", "unmentioned", f"{read}, and the manifest does not mention it.")
    if any(value != payload.video_id for value in bound):
        message = f"{read}, but the manifest was made for a {case.thing} with another watermark ({bound[0]})."
        return _watermark_finding("fail", "contradiction", message)
    return _watermark_finding("pass", "match", f"{read}, and agrees with the manifest.")


def _unread(case: _Case, *, claimed: bool) -> Finding:
    found = case.extraction
    if found.problem is not None:
        return _watermark_finding("not_applicable", "unsupported", found.problem)
    if claimed:
        message = (
            f"The manifest says that the {case.thing} carries a watermark; "
            "it could not be read with this machine's key."
        )
        return _watermark_finding("warn", "unread", message)
    place = "the picture" if found.info.still else f"{found.frames} frames"
    return _watermark_finding("not_applicable", "absent", f"No watermark of ours was read in {place}.")


def _label_findings(labels: Labels, *, signed: bool) -> Iterator[Finding]:
    if labels.aigc_problem:
        message = f"There is an AIGC label (GB 45438-2025), but {labels.aigc_problem}."
        yield _label_finding("warn", "aigc.malformed", message)
    elif labels.aigc:
        words = {"1": "is", "2": "may be", "3": "is suspected to be"}[labels.aigc["Label"]]
        producer = labels.aigc["ContentProducer"] or "an unnamed producer"
        message = f"The AIGC label (GB 45438-2025) says that the content {words} generated, by {producer}."
        yield _label_finding("info", "aigc", message)
    if labels.digital_source_type:
        kind = labels.digital_source_type.rsplit("/", 1)[-1]
        yield _label_finding("info", "iptc", f"The IPTC digital source type says '{kind}'.")
    if not labels.aigc and not labels.aigc_problem and not labels.digital_source_type:
        yield _label_finding("not_applicable", "none", "The container carries no labels about AI.")
    elif not signed:
        yield _label_finding("info", "unsigned", "Without credentials anybody can have written these labels.")


def _conclude(
    judgement: Judgement | None, recovery: _Recovery, unreadable: Finding | None, comparison: Finding
) -> Conclusion:
    if comparison.status == "fail" or (unreadable is not None and unreadable.status == "fail"):
        return "tampered"
    if judgement is not None and not judgement.intact:
        return "tampered"
    if judgement is not None and judgement.sound:
        return "verified"
    if recovery.entry is not None:
        return "recovered"
    return "no_credentials" if judgement is None else "untrusted"


def _watermark_finding(status: Outcome, code: str, message: str) -> Finding:
    return Finding(axis="watermark", status=status, code=f"countermark.watermark.{code}", message=message)


def _recovery_finding(status: Outcome, code: str, message: str) -> Finding:
    return Finding(axis="recovery", status=status, code=f"countermark.recovery.{code}", message=message)


def _label_finding(status: Literal["info", "warn", "not_applicable"], code: str, message: str) -> Finding:
    return Finding(axis="labels", status=status, code=f"countermark.labels.{code}", message=message)
