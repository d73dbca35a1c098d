"""What the packages contain: everything that is needed at run time, and no tests or benchmarks."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("countermark", "detector", "generator", "policy", "provenance")
DATA = {".yaml", ".safetensors", ".html", ".js", ".css", ".svg"}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A copy of the source in which a wheel was built, because building writes into the source folder."""
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "results")
    for folder in (*PACKAGES, "tests", "benchmarks", "docs"):
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, source / folder, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, source)
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(source / "dist"),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return source


@pytest.fixture(scope="module")
def members(built: Path) -> set[str]:
    """Paths in the wheel."""
    (wheel,) = (built / "dist").glob("*.whl")
    assert wheel.name.startswith("countermark-")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def expected(suffixes: set[str]) -> set[str]:
    """Files of the packages in the source, relative to the root."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in suffixes)
    return {path.relative_to(ROOT).as_posix() for path in files}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_there_and_typed(members, package):
    assert {f"{package}/__init__.py", f"{package}/py.typed"} <= members


def test_every_module_and_data_file_is_there(members):
    assert expected({".py"} | DATA) - members == set()


@pytest.mark.parametrize(
    "needed",
    [
        "policy/data/policy.yaml",
        "policy/data/heads.safetensors",
        "policy/data/encoder.safetensors",
        "detector/weights/frames.safetensors",
        "detector/report.html",
        "generator/weights/transformer.safetensors",
        "generator/weights/autoencoder.safetensors",
        "generator/weights/planner.safetensors",
        "generator/weights/upscaler.safetensors",
        "detector/weights/attribution.safetensors",
    ],
)
def test_data_needed_at_run_time_is_there(members, needed):
    assert needed in members


def test_nothing_else_is_there(members):
    tops = {name.split("/")[0] for name in members}
    (info,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {*PACKAGES, info}
    assert f"{info}/licenses/LICENSE" in members
    assert not [name for name in members if Path(name).name.startswith("test_")]


def test_the_source_archive_has_no_part_of_the_tests(built):
    listed = (built / "countermark.egg-info" / "SOURCES.txt").read_text().splitlines()
    assert "policy/data/policy.yaml" in listed
    assert not [name for name in listed if name.startswith("tests/")]
