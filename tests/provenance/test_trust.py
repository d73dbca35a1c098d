"""Trust lists: what they change, and that each vouches only for what it is for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from drawn_clip import ORIGIN, SPEC, Case, draw, make_settings
from issued import certificate, issue

from countermark.core.errors import ConfigurationError, UsageError
from countermark.core.settings import Settings
from provenance.credentials import C2PA_CLAIM_SIGNING, load_or_create_credentials
from provenance.reader import read_report
from provenance.selftest import check_validator
from provenance.trust import Anchor, Anchors, load_anchors, remove_trust_list, trust_lists, update_trust_lists
from provenance.verify import verify

pytestmark = pytest.mark.usefixtures("quick_decoding")


@pytest.fixture
def root(case: Case, tmp_path: Path) -> Path:
    """The root of the machine that sealed the case's video."""
    path = tmp_path / "studio.pem"
    path.write_text(load_or_create_credentials(case.settings).root_pem)
    return path


def test_official_lists_are_read_as_published(shared_data: Path, settings: Settings) -> None:
    files = [shared_data / "c2pa" / f"{name}.pem" for name in ("C2PA-TRUST-LIST", "C2PA-TSA-TRUST-LIST")]
    if not all(file.is_file() for file in files):
        pytest.skip("the lists are absent")
    update_trust_lists(files, settings)
    assert [(entry.kind, entry.certificates) for entry in trust_lists(settings)] == [("signer", 30), ("tsa", 22)]
    anchors = load_anchors(settings)
    assert len(anchors.anchors) == 52
    assert anchors.pem is not None
    with pytest.raises(UsageError, match="official list for 'tsa'"):
        update_trust_lists(files[1:], settings, kind="signer")


def test_a_list_makes_strangers_trusted_and_says_who_vouches(case: Case, root: Path, settings: Settings) -> None:
    assert verify(case.sealed.path, settings=settings).conclusion == "untrusted"
    update_trust_lists([root], settings, kind="signer")
    result = verify(case.sealed.path, settings=settings)
    assert result.conclusion == "verified"
    (finding,) = [f for f in result.findings if f.axis == "trust"]
    assert "vouched for by the trust list studio" in finding.message
    assert "trust list studio" in result.summary
    assert "this machine only" not in result.summary + finding.message
    remove_trust_list("studio", settings)
    assert verify(case.sealed.path, settings=settings).conclusion == "untrusted"


def test_a_list_for_time_stamps_does_not_vouch_for_signers(case: Case, root: Path, settings: Settings) -> None:
    """The SDK does not tell the two apart."""
    update_trust_lists([root], settings, kind="tsa")
    report = read_report(case.sealed.path, load_anchors(settings).pem)
    assert report is not None
    assert "signingCredential.trusted" in {s.code for s in report.success}
    result = verify(case.sealed.path, settings=settings)
    assert result.conclusion == "untrusted"
    (finding,) = [f for f in result.findings if f.axis == "trust"]
    assert (finding.status, finding.code) == ("fail", "signingCredential.untrusted")


def test_chains_are_followed_to_root_or_intermediate() -> None:
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
    root = certificate("root", keys[0])
    middle = certificate("middle", keys[1], issuer=(root, keys[0]), authority=True)
    leaf = certificate("leaf", keys[2], issuer=(middle, keys[1]), authority=False)
    stranger = certificate("root", keys[3])  # the same name, another key

    def found(anchor: x509.Certificate, *chain: x509.Certificate) -> bool:
        return Anchors((Anchor(anchor, "signer", "x"),)).vouching_for(chain, "signer") is not None

    assert found(root, leaf, middle)
    assert found(root, leaf, middle, root)
    assert found(middle, leaf)
    assert found(middle, leaf, middle)
    assert not found(stranger, leaf, middle)
    assert not found(stranger, leaf, middle, root)
    assert not found(root, leaf)  # a gap
    assert not found(root, leaf, root)
    assert not found(leaf, leaf)  # an end entity is no authority
    false_authority = certificate("false", keys[3], issuer=(leaf, keys[2]), authority=False)
    assert not found(root, false_authority, leaf, middle)
    assert Anchors((Anchor(root, "tsa", "x"),)).vouching_for((leaf, middle), "signer") is None


def test_wrong_lists_are_refused_and_change_nothing(root: Path, settings: Settings, tmp_path: Path) -> None:
    junk, leaf = tmp_path / "junk.pem", tmp_path / "leaf.pem"
    junk.write_text("no certificate")
    leaf.write_text(issue(make_settings(tmp_path / "o"), usages=[C2PA_CLAIM_SIGNING]).chain_pem.split("-----END")[0])
    leaf.write_text(leaf.read_text() + "-----END CERTIFICATE-----\n")
    update = partial(update_trust_lists, settings=settings, kind="signer")
    for files, message in (
        ([root, junk], "not a list of certificates: Unable to load PEM file."),
        ([root, leaf], "no authority"),
        ([root, tmp_path / "missing.pem"], "No such file"),
        ([tmp_path / "bad name.pem"], "no name"),
    ):
        with pytest.raises(UsageError, match=message):
            update(files)
        assert trust_lists(settings) == []
    with pytest.raises(UsageError, match="not clear"):
        update_trust_lists([root], settings)
    with pytest.raises(UsageError, match="There is no trust list"):
        remove_trust_list("studio", settings)
    (listed,) = update([root])
    assert listed.path.stat().st_size == root.stat().st_size
    listed.path.write_text("damaged")
    with pytest.raises(ConfigurationError, match="not a list"):
        load_anchors(settings)


def test_sealing_is_not_hindered_by_lists(root: Path, settings: Settings, tmp_path: Path) -> None:
    from provenance.seal import seal

    update_trust_lists([root], settings, kind="signer")
    sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    assert "this machine only" in verify(sealed.path, settings=settings).summary


def test_validator_that_ignores_our_settings_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    check_validator.cache_clear()
    check_validator()
    real = c2pa.Context.from_dict
    for changes in (
        {"trust": {"user_anchor": "misspelt"}},
        {"verify": {"verify_trust": False}},
        {"verify": {"verify_after_reading": False}},
    ):
        monkeypatch.setattr(c2pa.Context, "from_dict", lambda options, changes=changes: real(options | changes))
        check_validator.cache_clear()
        with pytest.raises(ConfigurationError, match="self-test"):
            check_validator()
    monkeypatch.undo()
    check_validator()
