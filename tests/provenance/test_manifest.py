"""The manifest against our reading of the conformance programme's rubrics, and what it must not reveal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import c2pa
import pytest
import yaml
from PIL import Image

from countermark.core.errors import ManifestError
from countermark.core.settings import Settings
from provenance.bmff import MalformedBoxError, is_cut_short, manifest_store, signed_claim, top_level_boxes
from provenance.credentials import load_or_create_credentials
from provenance.manifest import (
    TRAINED_ALGORITHMIC_MEDIA,
    SoftBinding,
    definition,
    media_type,
    new_context,
    sign,
)
from provenance.origin import Origin

BINDING = SoftBinding("org.countermark.video.2", "10011122334455aa", 708)
GENERATED = Origin(
    kind="generated",
    generator="test-model",
    version="1.2",
    prompt_sha256="ab" * 32,
    policy={"action": "allow", "reason": "the words", "rewritten_prompt": "secret words", "policy_version": "7"},
)
INCEPTION = ("c2pa.created", "c2pa.opened")
NON_EDITORIAL = [
    "c2pa.converted",
    "c2pa.published",
    "c2pa.repackaged",
    "c2pa.transcoded",
    "c2pa.resized.proportional",
    "c2pa.enhanced",
    "c2pa.edited.metadata",
    "c2pa.watermarked",
    "c2pa.watermarked.bound",
    "c2pa.watermarked.unbound",
    "c2pa.redacted",
]
DEPRECATED_ACTIONS = [
    "c2pa.copied",
    "c2pa.formatted",
    "c2pa.version_updated",
    "c2pa.printed",
    "c2pa.managed",
    "c2pa.produced",
    "c2pa.saved",
    "c2pa.color_adjustments",
    "c2pa.watermarked",
]
ALLOWED_ACTIONS = [
    *INCEPTION,
    *NON_EDITORIAL,
    *[
        "c2pa.addedText",
        "c2pa.adjustedColor",
        "c2pa.changedSpeed",
        "c2pa.cropped",
        "c2pa.deleted",
        "c2pa.drawing",
        "c2pa.dubbed",
        "c2pa.edited",
        "c2pa.filtered",
        "c2pa.mastered",
        "c2pa.mixed",
        "c2pa.orientation",
        "c2pa.placed",
        "c2pa.remixed",
        "c2pa.removed",
        "c2pa.resized",
        "c2pa.translated",
        "c2pa.trimmed",
        "c2pa.unknown",
    ],
]
DEPRECATED_ASSERTIONS = [
    "c2pa.claim",
    "c2pa.hash.bmff.v2",
    "c2pa.asset-type",
    "c2pa.ingredient",
    "c2pa.ingredient.v2",
    "c2pa.actions",
]
ALLOWED_ASSERTIONS = [
    "c2pa.hash.data",
    "c2pa.hash.data.part",
    "c2pa.actions.v2",
    "c2pa.ingredient.v3",
    "c2pa.hash.boxes",
    "c2pa.hash.bmff.v3",
    "c2pa.hash.collection.data",
    "c2pa.soft-binding",
    "c2pa.cloud-data",
    "c2pa.embedded-data",
    "c2pa.metadata",
    "c2pa.certificate-status",
    "c2pa.asset-ref",
    "c2pa.asset-type.v2",
    "c2pa.hash.multi-asset",
    "c2pa.thumbnail.claim",
    "c2pa.thumbnail.ingredient",
    "c2pa.depthmap.GDepth",
    "c2pa.icon",
    "c2pa.alternative-content-representation",
    "c2pa.external-reference",
    "c2pa.session-keys",
    "c2pa.environmental-sustainability",
    "c2pa.repository-receipt",
    "c2pa.ai-disclosure",
    "c2pa.assertion.metadata",
    "c2pa.time-stamp",
]
PARAMETERS = [
    "redacted",
    "ingredients",
    "ingredient",
    "description",
    "relatedAssertions",
    "sourceLanguage",
    "targetLanguage",
    "multipleInstances",
    "ranges",
    "weight",
    "width",
    "italic",
    "slant",
    "optical-size",
]
FORBIDDEN_REFERENCES = ("c2pa.actions", "c2pa.actions.v2", "c2pa.cloud-data", "c2pa.external-reference")
NOT_A_TRUST_CODE = re.compile(r"(?!signingCredential\.|claimSignature\.(mismatch|outsideValidity))")


def conformance(document: dict[str, Any]) -> dict[str, bool]:
    """Our reading of asset rubric ``conformance0.2-spec2.4``: check id -> satisfied."""
    manifest = document["manifests"][0]
    assertions = manifest["assertions"]
    claim = manifest["claim.v2"]
    values = [value for value in assertions.values() if isinstance(value, dict)]
    actions = [action for value in values for action in value.get("actions", [])]
    ingredients = [value for value in values if value.get("relationship") is not None]
    failures = [f["code"] for f in manifest["validationResults"]["failure"]]
    broken = [code for code in failures if NOT_A_TRUST_CODE.match(code)]
    created = [a["url"] for a in claim["created_assertions"] if "c2pa.actions" in a["url"]]
    base = [label.split("__")[0] for label in assertions]
    versions = claim["claim_generator_info"].get("specVersion", "").split(".")
    opened = [a for a in actions if a["action"] == "c2pa.opened"]
    parameters = [a["parameters"] for a in actions if a.get("parameters")]
    references = [v for v in values if v.get("label") and v.get("url") and not v.get("relationship")]
    representations = [v for v in values if v.get("type") == "exif.originalPreservationImage"]
    return {
        "mandatory_dst_for_perceptible_transformations": all(
            a.get("digitalSourceType")
            for a in actions
            if a["action"].startswith("c2pa.") and a["action"] not in (*INCEPTION, *NON_EDITORIAL, "c2pa.placed")
        ),
        "mandatory_spec_version": versions[:2] == ["2", "4"],
        "mandatory_all_actions_included": all("allActionsIncluded" in v for v in values if "actions" in v),
        "no_dst_for_opened_action": not any(a.get("digitalSourceType") for a in opened),
        "well_formed_data_present": "validationResults" in manifest,
        "well_formed_success": not broken,
        "valid_data_present": "validationResults" in manifest,
        "valid_success": not broken,
        "inception_action_position": bool(created)
        and created[0].endswith("c2pa.actions.v2")
        and actions[0]["action"] in INCEPTION,
        "no_deprecated_assertions": not any(k.startswith("stds.") or k in DEPRECATED_ASSERTIONS for k in assertions),
        "no_unsupported_assertions": all(b in ALLOWED_ASSERTIONS for b in base if b.startswith("c2pa.")),
        "no_deprecated_actions": not any(a["action"] in DEPRECATED_ACTIONS for a in actions),
        "no_unsupported_actions": all(
            a["action"] in ALLOWED_ACTIONS for a in actions if a["action"].startswith("c2pa.")
        ),
        "no_unrecognized_custom_assertions": all("." in k for k in assertions),
        "no_unrecognized_custom_actions": all("." in a["action"] for a in actions),
        "no_unrecognized_custom_action_parameters": all(k in PARAMETERS or "." in k for p in parameters for k in p),
        "discouraged_legacy_action_parameters": not any("description" in p or "ingredient" in p for p in parameters),
        "active_manifest_urn": manifest["label"].startswith("urn:c2pa:"),
        "review_ratings_datasource": not any("reviewRatings" in v for v in values),
        "ingredient_v3_no_active_manifest": not any(
            "activeManifest" not in i and "validationResults" in i for i in ingredients
        ),
        "ingredient_v3_mandatory_validation_results": not any(
            "activeManifest" in i and "validationResults" not in i for i in ingredients
        ),
        "ingredient_relationship_values": all(
            i["relationship"] in ("parentOf", "inputTo", "componentOf") for i in ingredients
        ),
        "mandatory_dst_for_created_action": all(
            a.get("digitalSourceType") for a in actions if a["action"] == "c2pa.created"
        ),
        "no_deprecated_claim_fields": "specVersion" not in claim,
        "ingredient_v3_choice": not any("activeManifest" in i and "digitalSourceType" in i for i in ingredients),
        "alternative_content_representation_choice": not representations,
        "forbidden_labels_in_external_references": not any(
            v["label"] in FORBIDDEN_REFERENCES or v["label"].startswith(("c2pa.hash", "c2pa.ingredient"))
            for v in references
        ),
        "no_url_in_hashes": "url" not in assertions.get("c2pa.hash.bmff.v3", {}),
        "all_actions_included_opened": len(actions) != 1
        or not opened
        or assertions["c2pa.actions.v2"].get("allActionsIncluded") is True,
        "opened_action_ingredient_reference": all(
            len((a.get("parameters") or {}).get("ingredients") or []) == 1 for a in opened
        ),
        "no_box_hash_for_tiff": "c2pa.hash.boxes" not in assertions,
    }


def signals(document: dict[str, Any]) -> set[str]:
    """Our reading of the signals rubric, as far as it concerns video we write."""
    manifest = document["manifests"][0]
    assertion = manifest["assertions"].get("c2pa.actions.v2", {})
    actions = assertion.get("actions", [])
    gathered = [a["url"] for a in manifest["claim.v2"].get("gathered_assertions", [])]
    found = set()
    if any(a["action"] in INCEPTION and a.get("digitalSourceType") == TRAINED_ALGORITHMIC_MEDIA for a in actions):
        found.add("fullyGenAIMedia")
    ingredient = manifest["assertions"].get("c2pa.ingredient.v3")
    if ingredient is not None and ingredient.get("activeManifest") is None:
        found.add("mediaUnknownProvenance")
    if (
        not actions
        or assertion.get("allActionsIncluded") is not True
        or any(not a["action"].startswith("c2pa.") or a["action"] == "c2pa.unknown" for a in actions)
        or any("c2pa.actions" in url for url in gathered)
    ):
        found.add("ambiguousActions")
    if any(a["action"] in NON_EDITORIAL for a in actions):
        found.add("nonEditorial")
    return found


Signed = Callable[..., tuple[Path, dict[str, Any]]]


@pytest.fixture
def signed(settings: Settings, plain: Path, tmp_path: Path) -> Signed:
    """Signs the plain clip with an origin (and changes to its definition); gives the file and its crJSON."""

    def run(origin: Origin, edit: Callable[[dict[str, Any]], None] | None = None) -> tuple[Path, dict[str, Any]]:
        credentials = load_or_create_credentials(settings)
        target = tmp_path / f"signed-{len(list(tmp_path.glob('signed-*')))}.mp4"
        manifest = definition(origin, BINDING, title="t", file_format="video/mp4", when=datetime.now(UTC))
        if edit is not None:
            edit(manifest)
        sign(plain, target, manifest, credentials, origin=origin)
        return target, crjson(target, credentials.root_pem)

    return run


def crjson(path: Path, anchor: str) -> dict[str, Any]:
    with c2pa.Reader(str(path), context=new_context(anchor)) as reader:
        assert reader.get_validation_state() == "Trusted"
        document: dict[str, Any] = json.loads(reader.crjson())
        return document


def failed(document: dict[str, Any]) -> list[str]:
    return [name for name, satisfied in conformance(document).items() if not satisfied]


def test_generated_video_satisfies_every_check(signed: Signed) -> None:
    _, document = signed(GENERATED)
    assert failed(document) == []
    assert signals(document) == {"fullyGenAIMedia", "nonEditorial"}


def test_reference_image_is_an_input_of_the_creation(signed: Signed, tmp_path: Path) -> None:
    image = tmp_path / "reference.png"
    Image.new("RGB", (32, 32), (10, 200, 30)).save(image)
    _, document = signed(replace(GENERATED, ingredients=(image,)))
    assert failed(document) == []
    assertions = document["manifests"][0]["assertions"]
    assert assertions["c2pa.ingredient.v3"]["relationship"] == "inputTo"
    created = assertions["c2pa.actions.v2"]["actions"][0]
    assert [i["url"].rsplit("/", 1)[-1] for i in created["parameters"]["ingredients"]] == ["c2pa.ingredient.v3"]


def protected(parent: Path) -> Origin:
    return Origin(kind="protected", generator="countermark", version="1", ingredients=(parent,))


def test_protected_video_claims_no_generation(signed: Signed, plain: Path) -> None:
    _, document = signed(protected(plain))
    assert failed(document) == []
    assert signals(document) == {"mediaUnknownProvenance", "nonEditorial"}
    assertions = document["manifests"][0]["assertions"]
    assert [a["action"] for a in assertions["c2pa.actions.v2"]["actions"]] == [
        "c2pa.opened",
        "c2pa.transcoded",
        "c2pa.watermarked.bound",
    ]
    assert "digitalSourceType" not in json.dumps(assertions)
    assert not {"c2pa.ai-disclosure", "cawg.training-mining"} & set(assertions)


def test_credentials_of_the_parent_are_kept(signed: Signed) -> None:
    parent, _ = signed(GENERATED)
    _, document = signed(protected(parent))
    assert failed(document) == []
    assert signals(document) == {"nonEditorial"}
    assert len(document["manifests"]) == 2
    assert document["manifests"][0]["assertions"]["c2pa.ingredient.v3"]["relationship"] == "parentOf"


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        (lambda m: m["assertions"][0].pop("created"), "inception_action_position"),
        (lambda m: m["claim_generator_info"][0].pop("specVersion"), "mandatory_spec_version"),
        (lambda m: m["claim_generator_info"][0].update(specVersion="2.2.0"), "mandatory_spec_version"),
        (lambda m: m["assertions"][0]["data"]["actions"][1].update(action="c2pa.watermarked"), "no_deprecated_actions"),
        (
            lambda m: m["assertions"].append({"label": "c2pa.training-mining", "data": {"entries": {}}}),
            "no_unsupported_assertions",
        ),
        (lambda m: m["assertions"].append({"label": "nodot", "data": {"a": 1}}), "no_unrecognized_custom_assertions"),
    ],
)
def test_our_reading_of_the_rubric_notices_omissions(
    signed: Signed, edit: Callable[[dict[str, Any]], None], check: str
) -> None:
    _, document = signed(GENERATED, edit)
    assert check in failed(document)


def test_our_reading_covers_the_whole_rubric(shared_data: Path, signed: Signed) -> None:
    rubric = shared_data / "c2pa" / "asset-rubric-conformance0.2-spec2.4.yml"
    if not rubric.is_file():
        pytest.skip("the rubric is absent")
    statements = [
        s for document in yaml.safe_load_all(rubric.read_text()) if isinstance(document, list) for s in document
    ]
    _, document = signed(GENERATED)
    assert {s["id"].removeprefix("validation:") for s in statements} == set(conformance(document))


def test_soft_binding_training_and_disclosure(signed: Signed) -> None:
    _, document = signed(GENERATED)
    assertions = document["manifests"][0]["assertions"]
    binding = assertions["c2pa.soft-binding"]
    assert binding["alg"] == "org.countermark.video.2"
    assert binding["blocks"] == [{"scope": {"timespan": {"start": 0, "end": 708}}, "value": "10011122334455aa"}]
    assert {e["use"] for e in assertions["cawg.training-mining"]["entries"].values()} == {"notAllowed"}
    disclosure = assertions["c2pa.ai-disclosure"]
    assert disclosure["modelName"] == "test-model"
    assert disclosure["contentProfile"]["humanOversightLevel"] == "prompt_guided"


def test_prompt_is_present_only_as_its_hash(signed: Signed) -> None:
    path, document = signed(GENERATED)
    record = document["manifests"][0]["assertions"]["org.countermark.policy"]
    assert record == {"action": "allow", "policy_version": "7", "prompt_sha256": "ab" * 32}
    data = path.read_bytes()
    assert b"secret words" not in data
    assert b"the words" not in data


def test_free_and_skip_boxes_are_hashed(signed: Signed, settings: Settings) -> None:
    path, _ = signed(GENERATED)
    with path.open("ab") as file:
        file.write(b"\0\0\0\x18free" + b"hidden message  ")
    with c2pa.Reader(str(path), context=new_context(load_or_create_credentials(settings).root_pem)) as reader:
        assert reader.get_validation_state() == "Invalid"


def test_signing_onto_itself_is_refused_and_harmless(settings: Settings, plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(plain.read_bytes())
    manifest = definition(GENERATED, BINDING, title="t", file_format="video/mp4", when=datetime.now(UTC))
    with pytest.raises(ManifestError, match="onto itself"):
        sign(path, path, manifest, load_or_create_credentials(settings), origin=GENERATED)
    assert path.read_bytes() == plain.read_bytes()


def test_sdk_errors_are_ours(signed: Signed) -> None:
    with pytest.raises(ManifestError, match="could not be signed"):
        signed(GENERATED, lambda m: m["assertions"][0]["data"]["actions"][0].pop("digitalSourceType"))


def test_unknown_containers_are_refused_loudly() -> None:
    for name in ("a.mkv", "a.webm", "a.ts", "a"):
        with pytest.raises(ManifestError, match="cannot be embedded"):
            media_type(Path(name))
    assert media_type(Path("A.MOV")) == "video/quicktime"


def test_store_claim_and_leaf_are_read_from_the_file(signed: Signed, settings: Settings) -> None:
    path, document = signed(GENERATED)
    store = manifest_store(path)
    assert store is not None
    claim = signed_claim(store, document["manifests"][0]["label"])
    assert "not publicly trusted" in claim.leaf.subject.rfc4514_string()
    with pytest.raises(MalformedBoxError):
        signed_claim(store, "urn:c2pa:another")


def test_every_truncation_of_a_store_is_a_clear_error(signed: Signed) -> None:
    path, document = signed(GENERATED)
    store = manifest_store(path)
    assert store is not None
    for length in range(0, len(store), 37):
        with pytest.raises(MalformedBoxError):
            signed_claim(store[:length], document["manifests"][0]["label"])


def test_boxes_of_a_file(plain: Path, tmp_path: Path) -> None:
    with plain.open("rb") as file:
        boxes = list(top_level_boxes(file))
    assert [b.kind for b in boxes if b.kind != b"free"] == [b"ftyp", b"moov", b"mdat"]
    assert sum(b.size for b in boxes) == plain.stat().st_size
    assert manifest_store(plain) is None
    assert not is_cut_short(plain)
    short = tmp_path / "short.mp4"
    short.write_bytes(plain.read_bytes()[:-1])
    assert is_cut_short(short)
    with pytest.raises(MalformedBoxError):
        manifest_store(short)
