"""Folders and files named by the environment or an .env file."""

from __future__ import annotations

from pathlib import Path

import pytest

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Settings, get_settings
from countermark.service.options import ServiceSettings


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder without an .env file to run in, and settings that were not read yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))
    get_settings.cache_clear()
    return tmp_path


def test_the_users_own_folder_may_be_written_as_a_tilde(unread: Path) -> None:
    (unread / ".env").write_text("COUNTERMARK_HOME=~/videos\nCOUNTERMARK_WEIGHTS_DIR=~\n")
    settings = Settings()
    assert settings.home == unread / "anna" / "videos"
    assert settings.weights_dir == unread / "anna"


@pytest.mark.parametrize("name", ["COUNTERMARK_HOME", "COUNTERMARK_WEIGHTS_DIR", "COUNTERMARK_POLICY_FILE"])
@pytest.mark.parametrize(
    ("given", "said"), [("", "it is empty"), ("~nobody-of-that-name/x", "names no folder of a user")]
)
def test_a_path_that_names_nothing_is_refused(
    unread: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str, said: str
) -> None:
    monkeypatch.setenv(name, given)
    try:
        with pytest.raises(ConfigurationError, match=f"{name} is not usable: .*{said}"):
            get_settings()
    finally:
        get_settings.cache_clear()


@pytest.mark.parametrize("given", ["nonsense", "http://", "ftp://a/b", "http://[::1", ""])
def test_an_address_that_cannot_be_asked_is_refused_before_the_work(
    unread: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    for name in ("TIME_STAMP_URL", "MANIFEST_URL", "GUARD_URL"):
        with monkeypatch.context() as patch, pytest.raises(ConfigurationError, match=f"{name} is not usable: it is no"):
            patch.setenv(f"COUNTERMARK_{name}", given)
            get_settings()
    assert Settings(time_stamp_url="http://[::1]:80/tsa").time_stamp_url == "http://[::1]:80/tsa"


def test_the_services_folder_too(unread: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERMARK_SERVICE_FILES", "~/files")
    assert ServiceSettings().files_dir(Settings()) == unread / "anna" / "files"
