"""Our reading of the conformance programme's rubrics, and the official evaluation where its language is at hand.

The official expressions are json-formula. With the npm package @adobe/json-formula (Apache-2.0) in
``node_modules`` beside this file or under ``COUNTERMARK_TEST_NODE_MODULES``, and the rubrics in the test data, they are
run as they are; our reading in Python stands without either.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from provenance.statements import TRAINED_ALGORITHMIC_MEDIA

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


def conformance(document: dict[str, Any]) -> dict[str, bool]:
    """Our reading of asset rubric ``conformance0.2-spec2.4``: check id -> satisfied."""
    manifest = document["manifests"][0]
    assertions = manifest["assertions"]
    claim = manifest["claim.v2"]
    values = [value for value in assertions.values() if isinstance(value, dict)]
    actions = [action for value in values for action in value.get("actions", [])]
    ingredients = [value for value in values if value.get("relationship") is not None]
    created = [a["url"] for a in claim["created_assertions"] if "c2pa.actions" in a["url"]]
    base = [label.split("__")[0] for label in assertions]
    versions = claim["claim_generator_info"].get("specVersion", "").split(".")
    opened = [a for a in actions if a["action"] == "c2pa.opened"]
    parameters = [a["parameters"] for a in actions if a.get("parameters")]
    references = [v for v in values if v.get("label") and v.get("url") and not v.get("relationship")]
    representations = [
        v
        for v in values
        if "exif.originalPreservationImage" in (v.get("type"), (v.get("parameters") or {}).get("type"))
    ]
    return {
        "mandatory_dst_for_perceptible_transformations": all(
            a.get("digitalSourceType")
            for a in actions
            if a["action"].startswith("c2pa.") and a["action"] not in (*INCEPTION, *NON_EDITORIAL, "c2pa.placed")
        ),
        "mandatory_spec_version": versions[:2] == ["2", "4"],
        "mandatory_all_actions_included": all("allActionsIncluded" in v for v in values if "actions" in v),
        "no_dst_for_opened_action": not any(a.get("digitalSourceType") for a in opened),
        **{name: met for name, met in integrity(document).items() if not name.startswith("trusted")},
        "inception_action_position": bool(created)
        and created[0].endswith("c2pa.actions.v2")
        and (not any(a["action"] == "c2pa.created" for a in actions) or actions[0]["action"] in INCEPTION),
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
        "review_ratings_datasource": not any(
            "reviewRatings" in v and str(v.get("dataSource", {}).get("type")).startswith("humanEntry.") for v in values
        ),
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
        "alternative_content_representation_choice": all(
            len({"multiAssetPartIndex", "embeddedOriginalPreservationImage"} & set(v.get("parameters") or {})) == 1
            for v in representations
        ),
        "forbidden_labels_in_external_references": not any(
            v["label"] in FORBIDDEN_REFERENCES or v["label"].startswith(("c2pa.hash", "c2pa.ingredient"))
            for v in references
        ),
        "no_url_in_hashes": not any(
            "url" in assertions.get(label, {}) for label in ("c2pa.hash.bmff.v3", "c2pa.hash.data")
        ),
        "all_actions_included_opened": len(actions) != 1
        or not opened
        or assertions["c2pa.actions.v2"].get("allActionsIncluded") is True,
        "opened_action_ingredient_reference": all(
            len((a.get("parameters") or {}).get("ingredients") or []) == 1 for a in opened
        ),
        "no_box_hash_for_tiff": "c2pa.hash.boxes" not in assertions
        or assertions.get("c2pa.asset-type.v2", {}).get("dc:format") not in ("image/tiff", "image/x-adobe-dng"),
    }


GENERATIVE = [
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic",
    "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData",
]


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
    perceptible = [a.get("digitalSourceType") for a in actions if a["action"] not in (*INCEPTION, *NON_EDITORIAL)]
    if any(kind in GENERATIVE for kind in perceptible):
        found.add("perceptibleGenAI")
    if any(kind is not None and kind not in GENERATIVE for kind in perceptible):
        found.add("perceptibleNonGenAI")
    return found


WELL_FORMED = re.compile(
    r"manifest\.|claim\.|hashedURI\.missing|ingredient\.manifest\.missing|"
    r"assertion\.([a-zA-Z-]+\.(malformed|invalid|unknownBox|labelMismatch|created|missing)|multipleHardBindings)"
)
VALID = re.compile(
    r"assertion\.[a-zA-Z-]+\.(\w*[mM]ismatch|redacted)|hashedURI\.mismatch|claimSignature\.missing|"
    r"ingredient\.(manifest\.mismatch|claimSignature\.\w+)"
)
TRUST = (
    "claimSignature.mismatch",
    "claimSignature.outsideValidity",
    "signingCredential.invalid",
    "signingCredential.ocsp.revoked",
    "signingCredential.untrusted",
)


def integrity(document: dict[str, Any]) -> dict[str, bool]:
    """Our reading of the asset integrity rubric: check id -> satisfied."""
    results = document["manifests"][0].get("validationResults")
    codes = [f["code"] for f in results["failure"]] if results else ["MISSING_VALIDATION_RESULTS"]
    present = results is not None
    return {
        "well_formed_data_present": present,
        "well_formed_success": present and not any(WELL_FORMED.fullmatch(c) or WELL_FORMED.match(c) for c in codes),
        "valid_data_present": present,
        "valid_success": present and not any(VALID.fullmatch(c) for c in codes),
        "trusted_data_present": present,
        "trusted_success": present and not any(c in TRUST for c in codes),
    }


def failed(document: dict[str, Any]) -> list[str]:
    """Conformance checks that the document does not satisfy."""
    return [name for name, satisfied in conformance(document).items() if not satisfied]


def official_rubric(folder: Path, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Head and checks of an official rubric; skips the test when it is absent."""
    path = folder / "c2pa" / f"asset-rubric-{name}.yml"
    if not path.is_file():
        pytest.skip(f"the rubric {name} is absent")
    head, checks = yaml.safe_load_all(path.read_text())
    return head, checks


def official(folder: Path, name: str, document: dict[str, Any], scratch: Path) -> dict[str, bool]:
    """Check id -> what the official expression gives; skips the test without rubric, node or json-formula."""
    here = Path(__file__).parent
    modules = Path(os.environ.get("COUNTERMARK_TEST_NODE_MODULES", here / "node_modules"))
    package = modules / "@adobe" / "json-formula"
    if not package.is_dir() or shutil.which("node") is None:
        pytest.skip("node or the package @adobe/json-formula is absent")
    head, checks = official_rubric(folder, name)
    variables = (head.get("variables") or {}) | {"$expected_spec_version": name.removeprefix("conformance0.2-spec")}
    rubric = {"variables": variables, "expressions": head["expressions"], "checks": checks}
    rubric["perManifest"] = name.startswith("signals")
    (scratch / "rubric.json").write_text(json.dumps(rubric))
    (scratch / "document.json").write_text(json.dumps(document))
    command = ["node", here / "rubric" / "evaluate.mjs", package, scratch / "rubric.json", scratch / "document.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    results: dict[str, bool] = json.loads(done.stdout)
    return results
