from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import yaml

from countermark.core.errors import ConfigurationError, WeightsError
from policy import check, load_policy
from policy.assemble import load_rules
from policy.schema import BUNDLED, Folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled policy that a test may damage."""
    copy = tmp_path / "policy"
    shutil.copytree(BUNDLED, copy, ignore=shutil.ignore_patterns("prompts"))
    return copy


def test_a_copy_of_the_policy_decides_the_same_under_the_same_digest(folder: Path) -> None:
    policy = load_policy(folder / "policy.yaml")
    assert policy.sha256 == load_policy().sha256
    assert check("a red balloon", policy=policy).action == "allow"


def test_the_digest_covers_every_file_that_decides(folder: Path) -> None:
    reader = Folder(folder / "policy.yaml")
    load_rules(reader)
    names = sorted(reader.digests)
    here = {p.relative_to(folder).as_posix() for p in folder.rglob("*.yaml")} | {"encoder.safetensors"}
    assert here == {*names, "thresholds.yaml", "examples.yaml"}  # test cases decide nothing
    for name in names:
        path = folder / name
        before = path.read_bytes()
        path.write_bytes(before + b"\n# changed\n")
        changed = Folder(folder / "policy.yaml")
        for other in names:
            changed.read_bytes(other)
        assert changed.sha256 != reader.sha256, name
        path.write_bytes(before)


@pytest.mark.parametrize(
    "name",
    [
        "policy.yaml",
        "thresholds.yaml",
        "heads.safetensors",
        "encoder.safetensors",
        "minors.yaml",
        "lexicons/sexual.yaml",
        "gazetteers/brands.yaml",
    ],
)
def test_a_missing_file_is_an_error(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match="unusable") as caught:
        load_policy(folder / "policy.yaml")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("minors.yaml", "definite: [this, is, not, the, shape]"),
        ("minors.yaml", "{}"),
        ("minors.yaml", ": : :"),
        ("contexts.yaml", ""),
        ("lexicons/hate.yaml", "category: hate\nstrnog: {en: [misspelt key]}"),
        ("lexicons/hate.yaml", "category: no_such_category"),
        ("gazetteers/brands.yaml", "kind: no_such_kind\nentries: []"),
        ("normalisation.yaml", b"\xff\xfe\x00"),
    ],
)
def test_a_malformed_file_is_an_error(folder: Path, name: str, content: str | bytes) -> None:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError):
        load_policy(folder / "policy.yaml")


def test_damaged_heads_are_an_error(folder: Path) -> None:
    path = folder / "heads.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="SHA-256"):
        load_policy(folder / "policy.yaml")


def test_heads_that_are_no_heads_are_an_error_even_with_the_right_digest(folder: Path) -> None:
    (folder / "heads.safetensors").write_bytes(b"not a safetensors file")
    _edit(folder / "thresholds.yaml", heads_sha256=hashlib.sha256(b"not a safetensors file").hexdigest())
    with pytest.raises(WeightsError, match="cannot be read"):
        load_policy(folder / "policy.yaml")


def test_heads_work_with_the_encoder_that_was_tuned_with_them_alone(folder: Path) -> None:
    content = yaml.safe_load((folder / "policy.yaml").read_text())
    del content["files"]["encoder"]
    (folder / "policy.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match=r"heads trained on .* `files` names both"):
        load_policy(folder / "policy.yaml")


def test_a_list_that_the_heads_need_may_not_be_dropped(folder: Path) -> None:
    content = yaml.safe_load((folder / "policy.yaml").read_text())
    content["files"]["lexicons"].remove("lexicons/sexual.yaml")
    (folder / "policy.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError, match="need lists that are missing"):
        load_policy(folder / "policy.yaml")


def test_a_policy_may_extend_the_bundled_one(tmp_path: Path) -> None:
    """A studio adds one list of its own names and keeps everything else by reference."""
    content = yaml.safe_load((BUNDLED / "policy.yaml").read_text())
    files = content["files"]
    for key, value in files.items():
        files[key] = [f"bundled:{v}" for v in value] if isinstance(value, list) else f"bundled:{value}"
    files["gazetteers"].append("own_names.yaml")
    content["version"] = "studio-1"
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))
    (tmp_path / "own_names.yaml").write_text("kind: character\nentries:\n  - {en: [Zorblax the Mild]}\n")
    policy = load_policy(tmp_path / "policy.yaml")
    decision = check("Zorblax the Mild waters his plants", policy=policy)
    assert decision.action == "rewrite"
    assert decision.policy_version == "studio-1"
    assert decision.policy_sha256 != load_policy().sha256


def _edit(path: Path, **changes: object) -> None:
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**content, **changes}))
