"""Folders and files named by the environment or an .env file."""

from __future__ import annotations

from pathlib import Path

import pytest

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Settings, get_settings
from countermark.service.options import ServiceSettings, get_service_settings


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


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("HOME", "", "it is empty"),
        ("HOME", "~nobody-of-that-name/x", "~nobody-of-that-name/x names no folder of a user"),
        ("WEIGHTS_DIR", "~nobody-of-that-name/x", "~nobody-of-that-name/x names no folder of a user"),
        ("SERVICE_FILES", "~nobody-of-that-name/x", "~nobody-of-that-name/x names no folder of a user"),
    ],
)
def test_a_path_that_names_nothing_is_refused(
    unread: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str, said: str
) -> None:
    monkeypatch.setenv(f"COUNTERMARK_{name}", given)
    read = get_service_settings if name.startswith("SERVICE_") else get_settings
    read.cache_clear()
    with pytest.raises(ConfigurationError, match=f"COUNTERMARK_{name} is not usable: {said}"):
        read()


def test_an_empty_variable_is_none_whatever_the_file_says(unread: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("GUARD_URL", "WEIGHTS_DIR", "CLOSED_LOOP_CRF", "GENERATOR_PRECISION")
    values = ("http://guard", "weights", "30", "bfloat16")
    (unread / ".env").write_text("".join(f"COUNTERMARK_{n}={v}\n" for n, v in zip(names, values, strict=True)))
    before = Settings()
    assert (before.guard_url, before.closed_loop_crf) == ("http://guard", 30)
    for name in names:
        monkeypatch.setenv(f"COUNTERMARK_{name}", "")
    after = Settings()
    assert {getattr(after, name.lower()) for name in names} == {None}


@pytest.mark.parametrize(
    "given",
    ["nonsense", "http://", "ftp://a/b", "http://[::1", "http:a.b", "https:\\\\a.b", " http://a.b/c ", "http://a/b c"],
)
@pytest.mark.usefixtures("unread")
def test_an_address_that_cannot_be_asked_is_refused_before_the_work(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    for name in ("TIME_STAMP_URL", "MANIFEST_URL", "GUARD_URL"):
        with monkeypatch.context() as patch, pytest.raises(ConfigurationError, match=f"{name} is not usable: it is no"):
            patch.setenv(f"COUNTERMARK_{name}", given)
            get_settings()
    for fine in ("http://[::1]:80/tsa", "HTTPS://guard.example/v1"):
        assert Settings(time_stamp_url=fine).time_stamp_url == fine


def test_the_services_folder_too(unread: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERMARK_SERVICE_FILES", "~/files")
    assert ServiceSettings().files_dir(Settings()) == unread / "anna" / "files"
