"""Seal a video or picture: watermark, encode, label, sign, read back, register, put in place.

In this order, all or nothing. Signing is last because it covers every byte before it, labels included. The file is
built in a hidden folder beside its destination and appears there by one rename, after its registry entry is safely
stored. Whatever fails, there is neither a file nor an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, get_args
from uuid import uuid4

from cryptography import x509
from pydantic import BaseModel, ConfigDict

from countermark.core.errors import ManifestError, PolicyRefusedError, TimeStampError, UsageError, WatermarkError
from countermark.core.media import Frames, Limits, VideoSpec, names_still
from countermark.core.settings import Settings, get_settings
from provenance.credentials import TRUST_NOTE, Credentials
from provenance.encoding import encode_marked
from provenance.extract import extract
from provenance.fingerprint import FINGERPRINT_ID, to_value
from provenance.judgement import judge
from provenance.labels import append_xmp, container_metadata
from provenance.manifest import Delivery, media_type, sidecar_of, sign
from provenance.origin import Origin
from provenance.parents import refuse_broken
from provenance.reader import ManifestReport, UnreadableManifestError, read_report
from provenance.registry import Registry, RegistryEntry, open_registry
from provenance.signers import load_credentials
from provenance.staging import flush_and_hash, publish, publish_sidecar, sweep, workspace
from provenance.statements import SoftBinding, Terms, definition
from provenance.trust import Anchors, load_anchors
from provenance.visible import VisibleLabel, labelled
from provenance.watermark import ALGORITHM_ID, Payload, SpreadSpectrum, Watermark
from provenance.watermark.embedder import HORIZON

TimeStamp = Literal["none", "made", "failed"]
OnStep = Callable[[str, str], None]
_RELEASABLE = ("allow", "rewrite")


class SealedWatermark(BaseModel):
    """The watermark in a sealed video: algorithm identifier, and RGB peak signal-to-noise ratio of embedding in dB."""

    model_config = ConfigDict(frozen=True)

    algorithm: str
    psnr: float


class Signer(BaseModel):
    """Who signed; ``trusted`` is whether anybody but this machine has reason to trust it."""

    model_config = ConfigDict(frozen=True)

    name: str
    trusted: bool
    note: str


class SealedVideo(BaseModel):
    """A video or picture that was sealed: ``path`` exists, is registered and was read back.

    ``duration`` is in seconds; a picture has one frame and lasts 0.

    ``sidecar`` is the file that holds the manifest where it is not inside, and ``remote`` its address. ``time_stamp``
    is "failed" when the authority did not answer and the settings allow to go on without.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    video_id: str
    manifest_id: str
    sha256: str
    size_bytes: int
    width: int
    height: int
    frames: int
    duration: float
    watermark: SealedWatermark
    signer: Signer
    registered_at: datetime
    sidecar: Path | None = None
    remote: str | None = None
    time_stamp: TimeStamp = "none"


def seal(
    frames: Iterable[Frames],
    spec: VideoSpec,
    output: Path,
    *,
    origin: Origin,
    settings: Settings | None = None,
    audio_from: Path | None = None,
    metadata: dict[str, str] | None = None,
    length: int | None = None,
    overwrite: bool = False,
    delivery: Delivery = "embedded",
    on_step: OnStep | None = None,
) -> SealedVideo:
    """Seal chunks of frames (of the size in ``spec``) into the new file ``output`` (.mp4, .m4v or .mov).

    A single frame may also become a picture (.png, .jpg or .jpeg).

    ``delivery`` puts the manifest into the file, into a sidecar beside it (then .mkv and .webm are possible too), or
    only into the registry, under an address that the file names (``COUNTERMARK_MANIFEST_URL``).

    Frames are consumed once, chunk by chunk. ``audio_from`` names a file whose audio is copied, ``metadata`` container
    tags to carry over. ``length`` is the number of frames to come, if known; else the first 72 are held back, because
    the watermark of a shorter clip is spread otherwise. ``on_step(name, detail)`` hears of each step. An existing
    ``output`` is replaced only with ``overwrite``, and then in one step.

    Raises `UsageError`, `PolicyRefusedError`, `MediaError`, `WatermarkError`, `CredentialError`, `ManifestError` or
    `RegistryError`, and whatever ``frames`` raises; in every case nothing is left at ``output`` or in the registry.
    """
    settings = settings or get_settings()
    step = on_step or _silent
    output = Path(output)
    _check_request(output, origin, overwrite, delivery, settings)
    credentials = load_credentials(settings)
    watermark = SpreadSpectrum.load(settings)
    anchors = Anchors.local(credentials.root_pem)
    label = VisibleLabel.from_settings(settings) if origin.by_model else None
    terms = replace(
        Terms.from_settings(settings), visible_label=(label.text, label.seconds) if label is not None else None
    )
    title = origin.title or output.stem
    with open_registry(settings) as registry:
        sweep(registry)
        payload = _unused_payload(registry, watermark, settings.issuer)
        with workspace(output, registry, payload.video_id) as folder:
            encoded, signed = folder / f"encoded{output.suffix}", folder / f"signed{output.suffix}"
            step("watermark", f"embedding {payload.video_id} and encoding")
            if length is None:
                frames, length = _length_if_short(frames)
            embedder = watermark.embedder(payload.to_bits(), width=spec.width, height=spec.height, length=length)
            tags = container_metadata(origin, video_id=payload.video_id, producer=settings.issuer_name)
            if label is not None:
                frames = labelled(frames, spec, label)
            frames = watermark.chunks(frames)
            marked = encode_marked(frames, spec, encoded, embedder, audio_from=audio_from, tags=(metadata or {}) | tags)
            step("label", "writing the labels")
            manifest_id, remote = f"urn:c2pa:{uuid4()}", None
            if delivery == "remote":
                remote = f"{str(settings.manifest_url).rstrip('/')}/manifests/{manifest_id}"
            append_xmp(encoded, origin, title=title, manifest_url=remote, tags=tags)
            step("sign", f"signing as {credentials.name}")
            duration, hashes = 0.0 if names_still(output) else marked.duration, marked.sampler.hashes
            milliseconds = round(duration * 1000) or None
            binding = SoftBinding(watermark.algorithm_id, payload.video_id, milliseconds)
            manifest = {"label": manifest_id} | definition(
                origin,
                binding,
                title=title,
                file_format=media_type(output, delivery),
                when=datetime.now(UTC),
                terms=terms,
                fingerprint=SoftBinding(FINGERPRINT_ID, to_value(hashes), milliseconds) if hashes else None,
            )
            run = partial(
                sign,
                encoded,
                signed,
                manifest,
                credentials,
                origin=origin,
                thumbnail=marked.thumbnail,
                delivery=delivery,
            )
            store, stamp = _sign_in_time(run, signed, settings)
            encoded.unlink()
            step("read back", "checking watermark and signature in the finished file")
            limits = Limits.from_settings(settings)
            embedded = delivery == "embedded"
            report = _read_back(
                signed, watermark, limits, payload=payload, store=store, anchors=anchors, embedded=embedded
            )
            _check_time_stamp(report, stamp)
            entry = _entry(signed, report, origin, payload=payload, title=title, signer=credentials.name)
            step("register", f"registering {payload.video_id}")
            registry.add(entry, store, hashes, marked.sketch.to_bytes())
            sidecar = sidecar_of(output) if delivery == "sidecar" else None
            if sidecar is not None:
                publish_sidecar(folder, store, sidecar)
            publish(signed, output, overwrite=overwrite)
    step("done", str(output))
    return SealedVideo(
        path=output,
        video_id=payload.video_id,
        manifest_id=entry.manifest_id,
        sha256=entry.file_sha256,
        size_bytes=entry.file_bytes,
        width=spec.width,
        height=spec.height,
        frames=marked.frames,
        duration=duration,
        watermark=SealedWatermark(algorithm=watermark.algorithm_id, psnr=marked.psnr),
        signer=_signer(credentials, settings),
        registered_at=entry.created_at,
        sidecar=sidecar,
        time_stamp=stamp,
        remote=remote,
    )


def _signer(credentials: Credentials, settings: Settings) -> Signer:
    """Whether others have reason to trust the signer: if an authority on a list in place vouches for it."""
    if credentials.local:
        return Signer(name=credentials.name, trusted=False, note=TRUST_NOTE)
    certificates = x509.load_pem_x509_certificates(credentials.chain_pem.encode())
    vouching = load_anchors(settings).vouching_for(certificates, "signer")
    note = "no trust list in place vouches for it" if vouching is None else vouching.note
    return Signer(name=credentials.name, trusted=vouching is not None, note=note)


def _sign_in_time(run: Callable[..., bytes], signed: Path, settings: Settings) -> tuple[bytes, TimeStamp]:
    """Sign with a time-stamp where one is configured; without it only if the settings allow that."""
    url = settings.time_stamp_url
    if url is None:
        return run(), "none"
    try:
        return run(time_stamp_url=url), "made"
    except ManifestError as error:
        if settings.time_stamp == "required":
            raise TimeStampError(
                f"No video was sealed, because the time-stamp authority {url} failed: {error.cause}",
                remedy="Try again later, or allow sealing without a time-stamp (COUNTERMARK_TIME_STAMP=preferred).",
            ) from error
        signed.unlink(missing_ok=True)
        return run(), "failed"


def _check_time_stamp(report: ManifestReport, stamp: TimeStamp) -> None:
    if stamp == "made" and not any(status.code.startswith("timeStamp.") for status in report.success):
        raise TimeStampError(
            "The time-stamp that the authority gave is not valid.", remedy="Use another authority, or check the clock."
        )


def check_destination(
    output: Path, inputs: Iterable[Path] = (), *, overwrite: bool, delivery: Delivery = "embedded"
) -> None:
    """Whether a sealed video may be written to ``output``, made from ``inputs``: asked before any long work starts.

    Raises `UsageError` for an unknown ``delivery``, a container that cannot hold a manifest, a name that is no text, a
    folder, a missing parent folder, an existing file without ``overwrite``, a sidecar that is there already, or an
    input that is no file or the output itself.
    """
    if delivery not in get_args(Delivery):
        raise UsageError(f"There is no delivery {delivery!r}.", remedy=f"Use one of: {', '.join(get_args(Delivery))}.")
    media_type(output, delivery)
    try:
        str(output).encode()  # the name is the title in manifest and registry, and the path is printed as JSON
    except UnicodeEncodeError:
        raise UsageError(f"{str(output)!r} is not valid UTF-8.", remedy="Choose another path.") from None
    if output.is_dir():
        raise UsageError(f"{output} is a folder.", remedy="Give the path of the file to write.")
    if not output.parent.is_dir():
        raise UsageError(f"The folder {output.parent} does not exist.", remedy="Create it, or choose another path.")
    for path in inputs:
        if not path.is_file():
            raise UsageError(f"{path} is not a file.", remedy="Give the path of an existing picture or video.")
        if path.resolve() == output.resolve():
            raise UsageError(f"{output} is also an input.", remedy="Choose another path for the sealed video.")
    if output.exists() and not overwrite:
        raise UsageError(
            f"{output} exists already.", remedy="Choose another path, or say --overwrite (in Python overwrite=True)."
        )
    if delivery == "sidecar":
        for path in (sidecar_of(output), output):  # a pair of files cannot be replaced in one step
            if path.exists():
                raise UsageError(f"{path} exists already.", remedy="Choose another path; a pair is never replaced.")


def _check_request(output: Path, origin: Origin, overwrite: bool, delivery: Delivery, settings: Settings) -> None:
    check_destination(output, origin.ingredients, overwrite=overwrite, delivery=delivery)
    if delivery == "remote" and not settings.manifest_url:
        raise UsageError(
            "A remote manifest needs an address.",
            remedy="Set COUNTERMARK_MANIFEST_URL to where this registry is served (https://...).",
        )
    if origin.kind == "protected" and len(origin.ingredients) != 1:
        raise UsageError("A protected video has exactly one parent.", remedy="Pass the source file as the ingredient.")
    if origin.kind == "edited" and not origin.ingredients:
        raise UsageError("An edited video has a parent.", remedy="Pass the source file as the first ingredient.")
    if origin.parent is not None:
        refuse_broken(origin.parent, settings)
    if origin.by_model:
        action = (origin.policy or {}).get("action")
        if action not in _RELEASABLE:
            raise PolicyRefusedError(
                f"The prompt policy's decision is '{action or 'missing'}'.",
                remedy="A generated video is sealed only after the policy allowed its prompt.",
            )


def _length_if_short(frames: Iterable[Frames]) -> tuple[Iterable[Frames], int | None]:
    """The same chunks, and how many frames they have if that is less than matters to the watermark."""
    chunks, held, count = iter(frames), list[Frames](), 0
    for chunk in chunks:
        held.append(chunk)
        count += len(chunk)
        if count >= HORIZON:
            return chain(held, chunks), None
    return held, count


def _unused_payload(registry: Registry, watermark: Watermark, issuer: int) -> Payload:
    while True:
        payload = Payload.new(issuer)
        if registry.find(watermark.algorithm_id, payload.video_id) is None:
            return payload


def _read_back(
    path: Path,
    watermark: SpreadSpectrum,
    limits: Limits,
    *,
    payload: Payload,
    store: bytes,
    anchors: Anchors,
    embedded: bool,
) -> ManifestReport:
    """Check the finished file as a stranger would."""
    found = extract(path, watermark, limits, search=False, isolated=False)
    if found.payload != payload:
        raise WatermarkError(
            "The watermark does not read back from the encoded file.",
            remedy="What is so short, small or featureless cannot carry it; use a larger size or more frames.",
        )
    try:
        report = read_report(path, anchors.pem, store=None if embedded else store)
    except (UnreadableManifestError, OSError) as error:
        raise ManifestError(f"The signed file does not read back: {error}.", remedy="Try again.") from error
    if report is None or report.store != store:
        raise ManifestError("The signed file does not hold the manifest that was written.", remedy="Try again.")
    judgement = judge(report, anchors=anchors)
    if not judgement.sound:
        problems = "; ".join(f"{f.code}: {f.message}" for f in judgement.findings if f.status == "fail")
        raise ManifestError(f"The signed file does not validate: {problems}", remedy="Check the clock and the keys.")
    return report


def _entry(
    path: Path, report: ManifestReport, origin: Origin, *, payload: Payload, title: str, signer: str
) -> RegistryEntry:
    assert report.signed is not None  # a sound judgement rests on it
    sha256, size = flush_and_hash(path)
    return RegistryEntry(
        video_id=payload.video_id,
        algorithm=ALGORITHM_ID,
        manifest_id=report.manifest_id,
        claim_sha256=report.signed.claim_sha256,
        file_sha256=sha256,
        file_bytes=size,
        kind=origin.kind,
        generator=origin.generator,
        generator_version=origin.version,
        title=title,
        prompt_sha256=origin.prompt_sha256,
        policy=dict(origin.policy_record()),
        signer=signer,
        created_at=datetime.now(UTC),
        noise=origin.noise,
    )


def _silent(_name: str, _detail: str) -> None:
    """No one listens."""
