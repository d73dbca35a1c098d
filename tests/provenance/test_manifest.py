"""What a manifest states and must not reveal, and how a file is signed; the rubrics have `test_rubrics`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import c2pa
import pytest
from signed_clip import BINDING, GENERATED, Signed

from countermark.core.errors import ConfigurationError, ManifestError, UsageError
from countermark.core.settings import Settings
from provenance.bmff import MalformedBoxError, is_cut_short, manifest_store, signed_claim, top_level_boxes
from provenance.credentials import load_or_create_credentials
from provenance.manifest import media_type, new_context, sign
from provenance.statements import Terms, definition


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
        with pytest.raises(UsageError, match="cannot be embedded") as caught:
            media_type(Path(name))
        # It writes H.264, which Matroska can hold and WebM cannot.
        assert ("protect --sidecar" in caught.value.remedy) == (name == "a.mkv")
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


def test_terms_of_training_are_the_choice_of_the_settings(signed: Signed, settings: Settings) -> None:
    chosen = settings.model_copy(update={"training": "constrained", "training_terms": "https://example.com/terms"})
    with pytest.raises(ConfigurationError, match="COUNTERMARK_TRAINING_TERMS"):
        Terms.from_settings(chosen.model_copy(update={"training_terms": " "}))
    _, document = signed(GENERATED, terms=Terms.from_settings(chosen))
    entries = document["manifests"][0]["assertions"]["cawg.training-mining"]["entries"]
    assert set(map(str, entries.values())) == {
        str({"constraint_info": "https://example.com/terms", "use": "constrained"})
    }


def test_prompt_is_written_only_when_given(signed: Signed) -> None:
    _, document = signed(replace(GENERATED, prompt="a red balloon"))
    assert document["manifests"][0]["assertions"]["org.countermark.policy"]["prompt"] == "a red balloon"
