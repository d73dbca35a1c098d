"""Fixtures of the provenance tests; the clip and the settings are drawn in `drawn_clip`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from drawn_clip import ORIGIN, SPEC, Case, draw, make_settings
from signed_clip import BINDING, Signed, crjson

from countermark.core.media import VideoWriter, transcode
from countermark.core.settings import Settings
from provenance import verify as verify_module
from provenance.credentials import load_or_create_credentials
from provenance.manifest import sign
from provenance.origin import Origin
from provenance.seal import seal
from provenance.statements import Terms, definition


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Fresh settings: no keys and no registry yet."""
    return make_settings(tmp_path)


@pytest.fixture
def quick_decoding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`verify` decodes in this process, and looks for no picture that was turned or cut where no mark can be read.

    The first saves starting a child, the second seconds that find nothing. A test that asks for ``isolated`` has both.
    """
    if "isolated" not in request.fixturenames:
        quick = partial(verify_module.extract, isolated=False, search=False)
        monkeypatch.setattr(verify_module, "extract", quick)


@pytest.fixture
def isolated() -> None:
    """Decode as users do: in a confined child, with every attempt to find a mark."""


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


@pytest.fixture(scope="session")
def transcoded(case: Case) -> Path:
    """The sealed video after a platform: H.264 CRF 28, no metadata."""
    path = case.folder / "transcoded.mp4"
    transcode(case.sealed.path, path, crf=28)
    return path


@pytest.fixture
def signed(settings: Settings, plain: Path, tmp_path: Path) -> Signed:
    """Signs the plain clip with an origin (and changes to its definition); gives the file and its crJSON."""

    def run(
        origin: Origin, edit: Callable[[dict[str, Any]], None] | None = None, terms: Terms | None = None
    ) -> tuple[Path, dict[str, Any]]:
        credentials = load_or_create_credentials(settings)
        target = tmp_path / f"signed-{len(list(tmp_path.glob('signed-*')))}.mp4"
        manifest = definition(origin, BINDING, title="t", file_format="video/mp4", when=datetime.now(UTC), terms=terms)
        if edit is not None:
            edit(manifest)
        sign(plain, target, manifest, credentials, origin=origin)
        return target, crjson(target, credentials.root_pem)

    return run
