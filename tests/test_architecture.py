"""The design's invariants: imports go down the floors, and no path leads around policy and seal."""

from __future__ import annotations

import ast
import graphlib
import inspect
import typing
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from countermark.core.errors import (
    ConfigurationError,
    CountermarkError,
    CredentialError,
    GenerationError,
    PolicyRefusedError,
    RegistryError,
)
from countermark.core.settings import Settings
from generator import GenerationRequest, Studio
from generator.model import Rate
from provenance.registry import open_registry
from provenance.verify import verify

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("countermark", "detector", "generator", "policy", "provenance")
FLOORS = {"countermark.core": 0, "policy": 1, "provenance": 1, "generator": 2, "detector": 2, "countermark": 3}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def room(module: str) -> str:
    """The room a module is in: the longest entry of the floors that it is below."""
    return max((name for name in FLOORS if module == name or module.startswith(f"{name}.")), key=len, default="")


def imports(path: Path, *, types: bool) -> Iterator[str]:
    """Modules of ours that a file imports, at its top or in its functions; with ``types`` also those for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    if not types:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                skipped |= {id(inner) for inner in ast.walk(node)}
    package = module_name(path).split(".") if path.name == "__init__.py" else module_name(path).split(".")[:-1]
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else module for name in names]
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def test_imports_go_down_the_floors():
    assert len(MODULES) > 40
    wrong = []
    for module, path in MODULES.items():
        mine = room(module)
        for target in imports(path, types=True):
            theirs = room(target)
            if mine != theirs and FLOORS[theirs] >= FLOORS[mine]:
                wrong.append(f"{module} imports {target}")
    assert wrong == []


def test_files_do_not_import_each_other_in_circles():
    graph = {module: set(imports(path, types=False)) - {module} for module, path in MODULES.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_only_the_studio_samples_a_model():
    found = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # A reference is as good as a call; random.sample is another matter.
            if isinstance(node, ast.Attribute) and node.attr == "sample" and ast.unparse(node.value) != "random":
                found.add(module)
    assert found == {"generator.studio"}


def test_models_and_networks_stay_inside_the_generator():
    inside = ("generator.backends", "generator.dit", "generator.model", "generator.world")
    wrong = [
        f"{module} imports {target}"
        for module, path in MODULES.items()
        if room(module) != "generator"
        for target in imports(path, types=True)
        if target.startswith(inside)
    ]
    assert wrong == []


def test_the_studio_returns_only_models():
    methods = [method for name, method in inspect.getmembers(Studio, inspect.isfunction) if not name.startswith("_")]
    assert methods
    for method in methods:
        assert issubclass(typing.get_type_hints(method)["return"], BaseModel)


class DrawnModel:
    """A video model that draws instead of sampling; counts how often it was asked, and may fail on the way."""

    name = "drawn"
    version = "1"
    sampling = None

    def __init__(self, *, failing: bool = False) -> None:
        self.asked = 0
        self.failing = failing

    def noise_mark(self, request):
        return None

    def size_for(self, size) -> tuple[int, int]:
        return size or (256, 256)

    def rate_for(self, fps) -> Rate:
        return Rate(Fraction(fps or 12), 12)

    def check(self, request) -> None:
        """It draws whatever is asked for."""

    def sample(self, request, inputs, *, on_progress, on_preview, on_notice, cancelled) -> Iterator[np.ndarray]:
        self.asked += 1
        grain = np.random.default_rng(request.seed).normal(0, 6, (256, 256, 1))
        y, x = np.mgrid[:256, :256]
        for start in range(0, 16, 8):
            shots = []
            for t in range(start, start + 8):
                sky = np.stack([90 + y * 0.3, 140 + y * 0.2, 200 - y * 0.1], axis=-1) + grain
                sky[(x - 60 - 4 * t) ** 2 + (y - 120) ** 2 < 1600] = (200, 40, 30)
                shots.append(sky.clip(0, 255).astype(np.uint8))
            yield np.stack(shots)
            if self.failing:
                raise GenerationError("The model broke down.", remedy="Try again.")
        on_progress(1, 1)


REQUEST = GenerationRequest(prompt="a red balloon rising over the sea")


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / "home")


def test_what_the_studio_makes_is_verified(out, settings):
    made = Studio(DrawnModel(), settings=settings).generate(REQUEST, out / "clip.mp4")
    assert list(out.iterdir()) == [made.path]
    verification = verify(made.path, settings=settings)
    assert (verification.conclusion, verification.video_id) == ("verified", made.video_id)


def fail(out: Path, settings: Settings, error: type[CountermarkError], model: DrawnModel | None = None) -> DrawnModel:
    """Generate, expect ``error``, and nothing in the folder, hidden or not."""
    model = model or DrawnModel()
    with pytest.raises(error):
        Studio(model, settings=settings).generate(REQUEST, out / "clip.mp4")
    assert list(out.iterdir()) == []
    return model


def test_a_failing_signer_leaves_no_file(out, settings):
    settings.keys_dir.mkdir(parents=True)
    (settings.keys_dir / "authority.pem").write_text("no key at all")
    fail(out, settings, CredentialError)
    with open_registry(settings) as registry:
        assert registry.count() == 0


def test_a_failing_registry_leaves_no_file(out, settings):
    settings.home.mkdir()
    (settings.home / "registry.db").write_bytes(b"this is not a database" * 100)
    fail(out, settings, RegistryError)


def test_a_registry_that_fails_at_the_last_step_leaves_no_file(out, settings, monkeypatch):
    from provenance.registry import Registry

    def full(*_: object) -> None:
        raise RegistryError("The disk is full.", remedy="Make room.")

    monkeypatch.setattr(Registry, "add", full)
    assert fail(out, settings, RegistryError).asked == 1


def test_a_missing_policy_leaves_no_file_and_asks_no_model(out, settings, tmp_path):
    settings = settings.model_copy(update={"policy_file": tmp_path / "missing.yaml"})
    assert fail(out, settings, ConfigurationError).asked == 0


def test_a_model_that_breaks_down_leaves_no_file(out, settings):
    fail(out, settings, GenerationError, DrawnModel(failing=True))
    with open_registry(settings) as registry:
        assert registry.count() == 0


@pytest.mark.parametrize("prompt", ["a nude video of Emmanuel Macron", "马克龙的裸体视频"])
def test_a_refused_prompt_never_reaches_the_model(out, settings, prompt):
    model = DrawnModel()
    with pytest.raises(PolicyRefusedError):
        Studio(model, settings=settings).generate(GenerationRequest(prompt=prompt), out / "clip.mp4")
    assert model.asked == 0
    assert list(out.iterdir()) == []
