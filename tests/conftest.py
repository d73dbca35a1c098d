"""Shared fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips and fixtures, where present (``COUNTERMARK_TEST_DATA``)."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("COUNTERMARK_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"test data folder {folder} is absent")
    return folder
