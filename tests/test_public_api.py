"""The public API: five functions, the models they return, and how little an import costs."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import typing

import numpy as np
import pytest
from pydantic import BaseModel

import countermark
from countermark.cli import app as cli
from countermark.core.errors import ConfigurationError, MediaError, UsageError
from countermark.core.settings import get_settings

VERBS = ("check", "generate", "protect", "screen", "verify")


def returned(verb: str) -> type:
    """The class in a verb's return annotation, which names one that the package exports."""
    return getattr(countermark, inspect.signature(getattr(countermark, verb)).return_annotation)


def parts(annotation: object) -> set[object]:
    """An annotation and everything inside it, fields of models included."""
    seen: set[object] = set()
    todo = [annotation]
    while todo:
        part = todo.pop()
        if part in seen:
            continue
        seen.add(part)
        todo += typing.get_args(part) if typing.get_origin(part) is not typing.Literal else ()
        if inspect.isclass(part) and issubclass(part, BaseModel):
            todo += [field.annotation for field in part.model_fields.values()]
    return seen


def imported_by(code: str) -> set[str]:
    """Top-level modules in a fresh process after running ``code``."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules}, sep='\\n')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines())


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_return_models_and_never_pictures(verb):
    result = returned(verb)
    assert issubclass(result, BaseModel)
    for part in parts(result):
        origin = typing.get_origin(part) or part
        assert origin not in (bytes, np.ndarray)
        assert getattr(origin, "__module__", "").split(".")[0] not in ("numpy", "torch", "PIL")
        assert getattr(origin, "__name__", "") != "Frames"


def test_the_only_verbs_that_make_a_video_return_a_sealed_one():
    sealing = {verb for verb in VERBS if issubclass(returned(verb), countermark.SealedVideo)}
    assert sealing == {"generate", "protect"}


def test_every_exported_name_exists_and_no_other():
    assert sorted(countermark.__all__) == countermark.__all__
    for name in countermark.__all__:
        assert getattr(countermark, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'undress'"):
        _ = countermark.undress


def test_defaults_agree_with_the_request_and_the_command_line():
    from generator import GenerationRequest

    api = inspect.signature(countermark.generate).parameters
    command = inspect.signature(cli.generate).parameters
    for name in ("seed", "steps", "guidance"):
        default = GenerationRequest.model_fields[name].default
        assert (api[name].default, command[name].default) == (default, default)


def test_importing_costs_little():
    assert not {"numpy", "pydantic", "torch", "av", "typer"} & imported_by(
        "import countermark, countermark.core.errors"
    )


@pytest.mark.parametrize("words", [["--help"], ["check", "a red balloon over the sea"]])
def test_help_and_check_do_not_wait_for_torch(words):
    code = (
        "import contextlib, io\nfrom countermark.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()): assert main({words!r}) == 0"
    )
    assert not {"torch", "av", "c2pa"} & imported_by(code)


def test_values_out_of_range_are_the_callers_error(tmp_path):
    with pytest.raises(UsageError, match="steps"):
        countermark.generate("a red balloon", tmp_path / "out.mp4", steps=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["verify", "screen", "protect"])
def test_a_path_may_be_text(verb, tmp_path):
    settings = countermark.Settings(home=tmp_path / "home")
    with pytest.raises(MediaError, match="does not exist"):
        getattr(countermark, verb)(str(tmp_path / "missing.mp4"), settings=settings)


def test_a_dotenv_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / ".env").write_bytes(b"COUNTERMARK_ISSUER_NAME=Caf\xe9\n")
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    with pytest.raises(ConfigurationError, match=r"\.env .*cannot be read"):
        get_settings()
    monkeypatch.undo()
    get_settings.cache_clear()


def test_networks_report_to_nobody(tmp_path):
    code = "import countermark.core, onnxruntime"
    environment = {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert list(tmp_path.iterdir()) == []
