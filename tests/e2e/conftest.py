"""The command line, as a process and in this one, and a folder with one generated clip for all tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from countermark.cli import main
from countermark.core.settings import get_settings

PROGRAM = Path(sys.executable).parent / "countermark"


@dataclass(frozen=True)
class Desk:
    """A folder to work in, and a COUNTERMARK home whose keys and registry belong to the clips in it."""

    folder: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment with the home, at the widths and languages of a plain terminal."""
        return os.environ | {"COUNTERMARK_HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start ``countermark`` with these words."""
        pipe = subprocess.PIPE
        command = [PROGRAM, *words]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=pipe, stderr=pipe, text=True, encoding="utf-8"
        )

    def run(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run ``countermark`` and insist on the exit code."""
        process = self.start(*words)
        out, err = process.communicate(timeout=240)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def names(self) -> set[str]:
        """Everything in the folder, hidden files too."""
        return {path.name for path in self.folder.iterdir()}


@dataclass(frozen=True)
class Generated:
    """A generated clip, and what ``generate --json`` printed about it."""

    path: Path
    home: Path
    printed: str


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> Generated:
    """One clip from the bundled model, made with few steps. Not to be changed."""
    folder = tmp_path_factory.mktemp("generated")
    desk = Desk(folder, tmp_path_factory.mktemp("home"))
    prompt = "a red balloon rising over the sea"
    done = desk.run("generate", prompt, "-o", "out.mp4", "--seed", "3", "--steps", "4", "--json")
    assert desk.names() == {"out.mp4"}
    return Generated(folder / "out.mp4", desk.home, done.stdout)


@pytest.fixture
def desk(tmp_path, tmp_path_factory) -> Desk:
    """An empty folder and an empty home."""
    return Desk(tmp_path, tmp_path_factory.mktemp("home"))


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """`main` is made for a process of its own; give this one its handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def run_here(
    restored_signals: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """As `Desk.run`, but in this process, which saves the imports; what libraries print is caught too."""

    def run(desk: Desk, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(desk.folder)
        monkeypatch.setenv("COUNTERMARK_HOME", str(desk.home))
        get_settings.cache_clear()
        capfd.readouterr()
        found = main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert found == code, f"exit {found}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return subprocess.CompletedProcess(words, found, out, err)

    yield run
    get_settings.cache_clear()


@pytest.fixture
def owner(tmp_path, generated) -> Desk:
    """An empty folder, and the home in which the generated clip is registered."""
    return Desk(tmp_path, generated.home)
