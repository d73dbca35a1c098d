"""Fixtures of the provenance tests; the clip and the settings are drawn in `drawn_clip`."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn_clip import ORIGIN, SPEC, Case, draw, make_settings

from countermark.core.media import VideoWriter
from countermark.core.settings import Settings
from provenance.seal import seal


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Fresh settings: no keys and no registry yet."""
    return make_settings(tmp_path)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unmarked MP4 of the drawn clip. Not to be changed."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    with VideoWriter(path, SPEC) as writer:
        for frames in draw():
            writer.write(frames)
    return path


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A sealed video with the keys and registry that belong to it. Not to be changed."""
    folder = tmp_path_factory.mktemp("case")
    settings = make_settings(folder)
    return Case(folder, settings, seal(draw(), SPEC, folder / "sealed.mp4", origin=ORIGIN, settings=settings))
