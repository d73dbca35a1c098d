"""Every path's manifest against the rubrics of the conformance programme: our reading of them, and the official one."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rubrics import conformance, failed, integrity, official, official_rubric, signals
from signed_clip import GENERATED, Signed, protected

from provenance.origin import Origin
from provenance.statements import COMPOSITE_WITH_TRAINED, Terms

Document = dict[str, Any]


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


def edited(parent: Path, *inputs: Path) -> Origin:
    return replace(GENERATED, kind="edited", ingredients=(parent, *inputs))


def test_edited_video_has_a_parent_and_a_composite_source_type(signed: Signed, plain: Path, tmp_path: Path) -> None:
    image = tmp_path / "reference.png"
    Image.new("RGB", (32, 32), (10, 200, 30)).save(image)
    parent, _ = signed(GENERATED)
    for source, found in ((parent, set()), (plain, {"mediaUnknownProvenance"})):
        _, document = signed(edited(source, image))
        assert failed(document) == []
        assert signals(document) == {"perceptibleGenAI", "nonEditorial"} | found
        assertions = document["manifests"][0]["assertions"]
        opened, edit, _ = assertions["c2pa.actions.v2"]["actions"]
        assert (opened["action"], edit["action"]) == ("c2pa.opened", "c2pa.edited")
        assert edit["digitalSourceType"] == COMPOSITE_WITH_TRAINED
        assert assertions["c2pa.ingredient.v3"]["relationship"] == "parentOf"
        assert assertions["c2pa.ingredient.v3__1"]["relationship"] == "inputTo"


@pytest.fixture
def documents(signed: Signed, plain: Path) -> dict[str, Document]:
    """crJSON of each path."""
    parent, generated = signed(GENERATED)
    return {
        "generated": generated,
        "from a video": signed(replace(GENERATED, ingredients=(parent,)))[1],
        "edited": signed(edited(parent))[1],
        "edited, unknown parent": signed(edited(plain))[1],
        "protected": signed(protected(plain))[1],
        "protected, signed parent": signed(protected(parent))[1],
    }


def test_integrity_rubric_is_satisfied_by_every_path(documents: dict[str, Document]) -> None:
    for document in documents.values():
        assert len(integrity(document)) == 6
        assert all(integrity(document).values())


def test_the_official_evaluation_agrees(documents: dict[str, Document], shared_data: Path, tmp_path: Path) -> None:
    for name, document in documents.items():
        for rubric, count in (("conformance0.2-spec2.4", 31), ("integrity", 6)):
            results = official(shared_data, rubric, document, tmp_path)
            assert (name, len(results), [c for c, met in results.items() if not met]) == (name, count, [])
        found = official(shared_data, "signals-local", document, tmp_path)
        assert {c.removeprefix("signal_") for c, present in found.items() if present} == signals(document)


def test_version_2_2_on_request(signed: Signed, shared_data: Path, tmp_path: Path) -> None:
    _, document = signed(GENERATED, terms=Terms(spec="2.2"))
    assertions = document["manifests"][0]["assertions"]
    assert "c2pa.ai-disclosure" not in assertions
    assert [a["action"] for a in assertions["c2pa.actions.v2"]["actions"]] == ["c2pa.created", "c2pa.watermarked"]
    assert set(failed(document)) == {"mandatory_spec_version", "no_deprecated_actions"}  # checks of the newer version
    results = official(shared_data, "conformance0.2-spec2.2", document, tmp_path)
    assert [c for c, met in results.items() if not met] == []


def active(document: Document) -> Any:
    return document["manifests"][0]


def actions(document: Document) -> Any:
    return active(document)["assertions"]["c2pa.actions.v2"]["actions"]


def ingredient(document: Document) -> Any:
    return active(document)["assertions"]["c2pa.ingredient.v3"]


def add(label: str, /, **data: Any) -> Callable[[Document], None]:
    return lambda document: active(document)["assertions"].update({label: data})


def fail_with(code: str) -> Callable[[Document], None]:
    return lambda document: active(document)["validationResults"]["failure"].append({"code": code})


# check -> the path that is spoilt, and how
SPOILT: dict[str, tuple[str, Callable[[Document], Any]]] = {
    "mandatory_dst_for_perceptible_transformations": (
        "edited",
        lambda d: actions(d)[1].pop("digitalSourceType"),
    ),
    "mandatory_spec_version": ("generated", lambda d: active(d)["claim.v2"]["claim_generator_info"].pop("specVersion")),
    "mandatory_all_actions_included": (
        "generated",
        lambda d: active(d)["assertions"]["c2pa.actions.v2"].pop("allActionsIncluded"),
    ),
    "no_dst_for_opened_action": ("edited", lambda d: actions(d)[0].update(digitalSourceType=COMPOSITE_WITH_TRAINED)),
    "well_formed_data_present": ("generated", lambda d: active(d).pop("validationResults")),
    "well_formed_success": ("generated", fail_with("assertion.bmffHash.malformed")),
    "valid_data_present": ("generated", lambda d: active(d).pop("validationResults")),
    "valid_success": ("generated", fail_with("assertion.bmffHash.mismatch")),
    "inception_action_position": ("generated", lambda d: actions(d).reverse()),
    "no_deprecated_assertions": ("generated", add("stds.exif", a=1)),
    "no_unsupported_assertions": ("generated", add("c2pa.training-mining", entries={})),
    "no_deprecated_actions": ("generated", lambda d: actions(d)[1].update(action="c2pa.watermarked")),
    "no_unsupported_actions": ("generated", lambda d: actions(d)[1].update(action="c2pa.invented")),
    "no_unrecognized_custom_assertions": ("generated", add("nodot", a=1)),
    "no_unrecognized_custom_actions": ("generated", lambda d: actions(d)[1].update(action="nodot")),
    "no_unrecognized_custom_action_parameters": ("protected", lambda d: actions(d)[0]["parameters"].update(nodot=1)),
    "discouraged_legacy_action_parameters": (
        "protected",
        lambda d: actions(d)[0]["parameters"].update(description="x"),
    ),
    "active_manifest_urn": ("generated", lambda d: active(d).update(label="urn:uuid:1")),
    "review_ratings_datasource": (
        "generated",
        add("org.example.review", reviewRatings=[1], dataSource={"type": "humanEntry.anonymous"}),
    ),
    "ingredient_v3_no_active_manifest": ("protected", lambda d: ingredient(d).update(validationResults={"a": 1})),
    "ingredient_v3_mandatory_validation_results": (
        "protected, signed parent",
        lambda d: ingredient(d).pop("validationResults"),
    ),
    "ingredient_relationship_values": ("protected", lambda d: ingredient(d).update(relationship="cousinOf")),
    "mandatory_dst_for_created_action": ("generated", lambda d: actions(d)[0].pop("digitalSourceType")),
    "no_deprecated_claim_fields": ("generated", lambda d: active(d)["claim.v2"].update(specVersion="2.4.0")),
    "ingredient_v3_choice": (
        "protected, signed parent",
        lambda d: ingredient(d).update(digitalSourceType=COMPOSITE_WITH_TRAINED),
    ),
    "alternative_content_representation_choice": (
        "generated",
        add("c2pa.alternative-content-representation", type="exif.originalPreservationImage", parameters={"x.y": 1}),
    ),
    "forbidden_labels_in_external_references": (
        "generated",
        add("c2pa.external-reference", label="c2pa.actions.v2", url="self#x"),
    ),
    "no_url_in_hashes": (
        "generated",
        lambda d: active(d)["assertions"]["c2pa.hash.bmff.v3"].update(url="http://example.com"),
    ),
    "all_actions_included_opened": (
        "protected",
        lambda d: (
            active(d)["assertions"]["c2pa.actions.v2"].update(allActionsIncluded=False),
            actions(d).__delitem__(slice(1, None)),
        ),
    ),
    "opened_action_ingredient_reference": ("protected", lambda d: actions(d)[0].pop("parameters")),
    "no_box_hash_for_tiff": (
        "generated",
        lambda d: (add("c2pa.hash.boxes", a=1)(d), add("c2pa.asset-type.v2", **{"dc:format": "image/tiff"})(d)),
    ),
}


def test_our_reading_of_each_check_notices_its_violation(documents: dict[str, Document]) -> None:
    assert set(SPOILT) == set(conformance(documents["generated"]))
    for check, (path, spoil) in SPOILT.items():
        document = copy.deepcopy(documents[path])
        spoil(document)
        assert check in failed(document)


def test_the_official_evaluation_notices_the_same(
    documents: dict[str, Document], shared_data: Path, tmp_path: Path
) -> None:
    for path, spoil in SPOILT.values():
        document = copy.deepcopy(documents[path])
        spoil(document)
        results = official(shared_data, "conformance0.2-spec2.4", document, tmp_path)
        assert {c for c, met in results.items() if not met} == set(failed(document))


def test_our_reading_covers_the_whole_rubric(shared_data: Path, documents: dict[str, Document]) -> None:
    for name, reading in (("conformance0.2-spec2.4", conformance), ("integrity", integrity)):
        _, checks = official_rubric(shared_data, name)
        assert {c["id"].removeprefix("validation:") for c in checks} == set(reading(documents["generated"]))
