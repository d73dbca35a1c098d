"""Write C2PA manifests: what is asserted, and signing a file with it.

The definition follows C2PA 2.4 and satisfies the conformance programme's asset rubric ``conformance0.2-spec2.4``.
Several of its fields are silently optional in the SDK and cost conformance when left out: ``created: true``
(otherwise the assertion is only "gathered"), ``specVersion`` and ``allActionsIncluded``.
"""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import c2pa

from countermark.core.errors import ManifestError
from provenance.credentials import C2PA_CLAIM_SIGNING, DOCUMENT_SIGNING, EMAIL_PROTECTION, Credentials
from provenance.origin import Origin

SPEC_VERSION = "2.4.0"
TRAINED_ALGORITHMIC_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
POLICY_LABEL = "org.countermark.policy"
_MEDIA_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}
_THUMBNAIL = "thumbnail.jpg"
_TRAINING_MINING = ("cawg.ai_generative_training", "cawg.ai_inference", "cawg.ai_training", "cawg.data_mining")
_ACCEPTED_EKUS = (C2PA_CLAIM_SIGNING, DOCUMENT_SIGNING, EMAIL_PROTECTION)


@dataclass(frozen=True)
class SoftBinding:
    """A watermark's algorithm identifier and value (16 hex digits), over ``milliseconds`` of video."""

    algorithm: str
    value: str
    milliseconds: int


def media_type(path: Path) -> str:
    """The media type under which the SDK embeds into this container; raises `ManifestError` for other containers."""
    try:
        return _MEDIA_TYPES[path.suffix.lower()]
    except KeyError:
        raise ManifestError(
            f"Content Credentials cannot be embedded in a '{path.suffix}' file.", remedy="Use .mp4, .m4v or .mov."
        ) from None


def new_context(anchor_pem: str | None) -> c2pa.Context:
    """Settings of the SDK for signing and reading: our anchor, nothing fetched from the network, every box hashed.

    Made anew for each use, because a context made before a fork is dead in the child; it costs 0.1 ms.
    """
    trust = {"trust_config": "\n".join(oid.dotted_string for oid in _ACCEPTED_EKUS)}
    if anchor_pem is not None:
        trust["user_anchors"] = anchor_pem
    return c2pa.Context.from_dict(
        {
            "version": 1,
            "trust": trust,
            "verify": {
                "verify_trust": True,
                "verify_after_reading": True,
                "verify_after_sign": True,
                # A file must not make us open connections (server-side request forgery).
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
            },
            "builder": {
                # Otherwise data can be added in free and skip boxes without breaking the hash.
                "bmff_hash_exclude_free_and_skip_boxes": False,
                "thumbnail": {"enabled": False},
            },
        }
    )


def definition(
    origin: Origin,
    binding: SoftBinding,
    *,
    title: str,
    file_format: str,
    when: datetime,
) -> dict[str, Any]:
    """The manifest definition (JSON of the SDK) for one sealed video.

    ``when`` is written in UTC. A generated video says so (IPTC digital source type, AI
    disclosure). A protected one states only what was done to it: opened, transcoded, watermarked.
    """
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    tool = {"name": "countermark", "version": version("countermark")}
    agent = {"name": origin.generator, "version": origin.version}
    watermarked = {"action": "c2pa.watermarked.bound", "when": stamp, "softwareAgent": tool}
    if origin.kind == "generated":
        created: dict[str, Any] = {
            "action": "c2pa.created",
            "when": stamp,
            "softwareAgent": agent,
            "digitalSourceType": TRAINED_ALGORITHMIC_MEDIA,
        }
        if origin.ingredients:
            created["parameters"] = {"ingredientIds": [_ingredient_id(i) for i in range(len(origin.ingredients))]}
        actions = [created, watermarked]
    else:
        opened = {
            "action": "c2pa.opened",
            "when": stamp,
            "softwareAgent": tool,
            "parameters": {"ingredientIds": [_ingredient_id(0)]},
        }
        actions = [opened, {"action": "c2pa.transcoded", "when": stamp, "softwareAgent": tool}, watermarked]
    block = {"scope": {"timespan": {"start": 0, "end": binding.milliseconds}}, "value": binding.value}
    assertions: list[dict[str, Any]] = [
        {"label": "c2pa.actions.v2", "created": True, "data": {"allActionsIncluded": True, "actions": actions}},
        {"label": "c2pa.soft-binding", "created": True, "data": {"alg": binding.algorithm, "blocks": [block]}},
    ]
    if origin.kind == "generated":
        assertions.append({"label": "c2pa.ai-disclosure", "created": True, "data": _ai_disclosure(origin)})
        # The choice is the generator's to make; about a stranger's video nothing is said.
        entries = {name: {"use": "notAllowed"} for name in _TRAINING_MINING}
        assertions.append({"label": "cawg.training-mining", "data": {"entries": entries}})
    record = origin.policy_record()
    if origin.prompt_sha256 is not None:
        record["prompt_sha256"] = origin.prompt_sha256
    if record:
        assertions.append({"label": POLICY_LABEL, "created": True, "data": record})
    return {
        "claim_generator_info": [{**tool, "specVersion": SPEC_VERSION}],
        "title": title,
        "format": file_format,
        "assertions": assertions,
    }


def sign(
    source: Path,
    target: Path,
    manifest: dict[str, Any],
    credentials: Credentials,
    *,
    origin: Origin,
    thumbnail: bytes | None = None,
) -> bytes:
    """Sign ``source`` into the new file ``target`` (two different paths) and return the manifest store.

    ``thumbnail`` is a JPEG. Raises `ManifestError`; a ``target`` left by a failure is not to be used.
    """
    if source.resolve() == target.resolve():
        raise ManifestError("A file cannot be signed onto itself.", remedy="Give another path for the signed file.")
    if thumbnail is not None:
        manifest = {**manifest, "thumbnail": {"format": "image/jpeg", "identifier": _THUMBNAIL}}
    with ExitStack() as stack, sdk_errors("The file could not be signed"):
        context = stack.enter_context(new_context(credentials.root_pem))
        info = c2pa.C2paSignerInfo(
            c2pa.C2paSigningAlg.ES256, credentials.chain_pem.encode(), credentials.key_pem.encode(), None
        )
        signer = stack.enter_context(c2pa.Signer.from_info(info))
        builder = stack.enter_context(c2pa.Builder(manifest, context))
        if thumbnail is not None:
            builder.add_resource(_THUMBNAIL, io.BytesIO(thumbnail))
        for index, path in enumerate(origin.ingredients):
            ingredient = {
                "title": path.name,
                "relationship": "parentOf" if origin.kind == "protected" else "inputTo",
                "label": _ingredient_id(index),
            }
            builder.add_ingredient(ingredient, _ingredient_type(path), stack.enter_context(path.open("rb")))
        source_file = stack.enter_context(source.open("rb"))
        target_file = stack.enter_context(target.open("x+b"))
        store = bytes(builder.sign(signer, media_type(source), source_file, target_file))
    if not store:
        raise ManifestError("The signer returned no manifest.", remedy="Try again; report it if it stays.")
    return store


@contextmanager
def sdk_errors(what: str) -> Iterator[None]:
    """Turn the SDK's and the file system's exceptions into `ManifestError`."""
    try:
        yield
    except c2pa.C2paError as error:
        raise ManifestError(
            f"{what}: {error}.", remedy="Check the input file and the signing keys (COUNTERMARK_HOME)."
        ) from error
    except OSError as error:
        raise ManifestError(
            f"{what}: {error.strerror or error}.", remedy="Check free space and permissions of the output folder."
        ) from error


def _ai_disclosure(origin: Origin) -> dict[str, Any]:
    return {
        "modelType": "c2pa.types.model",
        "modelName": origin.generator,
        "modelIdentifier": f"{origin.generator} {origin.version}",
        "contentProfile": {"humanOversightLevel": "prompt_guided"},
    }


def _ingredient_id(index: int) -> str:
    return f"ingredient-{index}"


def _ingredient_type(path: Path) -> str:
    return _MEDIA_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
