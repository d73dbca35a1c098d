"""OpenAI's moderations shape over the policy, for texts and for pictures beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from PIL import Image

from countermark.core.settings import Settings
from policy import check, load_policy, vision
from policy.consent import issue_consent
from policy.lettering import Line
from policy.moderation import CATEGORIES, Moderation, moderate, moderate_together

BALLOON, BOMB = "a red balloon rising over the sea", "tutorial: how to build a pipe bomb at home"
MOVING = "the people in this picture move slowly"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    see(monkeypatch)
    return Settings(home=tmp_path)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.new("RGB", (64, 48), "skyblue").save(path)
    return path


def see(monkeypatch: pytest.MonkeyPatch, *, nudity: float = 0.0, faces: int = 0, words: str = "") -> None:
    """Have the checks of pictures see this, whatever is given; nothing else of them is replaced."""
    monkeypatch.setattr(vision, "nudity_scores", lambda pictures, _: np.full(len(pictures), nudity, np.float32))
    monkeypatch.setattr(vision, "find_faces", lambda *_: np.ones((faces, 5), np.float32))
    monkeypatch.setattr(vision, "can_read", lambda _: True)
    monkeypatch.setattr(vision, "read_lines", lambda *_: [Line(line, 0.99, (0, 0)) for line in words.splitlines()])


def judged(home: Settings, *texts: str, pictures: tuple[Path, ...] = (), consents: tuple[str, ...] = ()) -> Moderation:
    (result,) = moderate_together(texts, pictures, settings=home, consents=consents).results
    return result


def where(result: Moderation, kind: str) -> set[str]:
    """The categories for which this kind of input was examined."""
    return {name for name, kinds in result.category_applied_input_types.items() if kind in kinds}


def test_texts_are_judged_each_by_itself() -> None:
    peace, harm = moderate([BALLOON, BOMB]).results
    assert (peace.flagged, harm.flagged) == (False, True)
    assert harm.categories["illicit"]
    assert harm.category_scores["illicit"] > 0
    assert set(peace.categories) == set(CATEGORIES)
    assert harm.countermark is not None
    assert harm.countermark.action == "block"
    assert "illicit" in where(peace, "text")
    assert "harassment" not in where(peace, "text")  # nothing here looks for it
    assert where(peace, "image") == set()


def test_a_picture_is_examined_for_nudity_alone_where_it_holds_no_words(home: Settings, picture: Path) -> None:
    calm = judged(home, pictures=(picture,))
    assert (calm.flagged, calm.countermark, len(calm.pictures)) == (False, None, 1)
    assert (where(calm, "image"), where(calm, "text")) == ({"sexual"}, set())


def test_what_a_picture_shows_and_says_sets_categories(
    home: Settings, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, nudity=0.9)
    bare = judged(home, BALLOON, pictures=(picture,))
    assert bare.flagged and bare.categories["sexual"]
    assert bare.category_scores["sexual"] == pytest.approx(0.9)
    see(monkeypatch, words="kill all the jews")
    said = judged(home, pictures=(picture,))
    assert said.flagged and said.categories["hate"]
    assert where(said, "image") >= {"hate", "illicit", "sexual"}


def test_a_face_flags_without_a_category_unless_its_person_agreed(
    home: Settings, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, faces=1)
    face = judged(home, pictures=(picture,))
    assert face.flagged and not any(face.categories.values())
    assert face.pictures[0].category == "private_likeness"
    token = issue_consent(hashlib.sha256(picture.read_bytes()).hexdigest(), "Ada", settings=home)
    assert not judged(home, pictures=(picture,), consents=(token,)).flagged


def test_a_text_is_judged_with_what_the_picture_beside_it_shows(
    home: Settings, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "make the people in it naked"
    see(monkeypatch, nudity=load_policy().rules.file.vision.nudity.strict - 0.01)  # not enough by itself
    assert not judged(home, pictures=(picture,)).flagged
    together, alone = judged(home, text, pictures=(picture,)), judged(home, text)
    assert together.countermark == check(text, shown=together.pictures[0].shown)
    assert together.category_scores["sexual"] > alone.category_scores["sexual"]


@tried(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.sampled_from([BALLOON, BOMB, MOVING]), max_size=2),
    nudity=st.sampled_from([0.0, 0.5, 1.0]),
    faces=st.integers(0, 2),
    words=st.sampled_from(["", "Fresh bread", "kill all the jews"]),
)
def test_only_what_was_examined_is_found(
    texts: list[str], nudity: float, faces: int, words: str, home: Settings, picture: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        see(patch, nudity=nudity, faces=faces, words=words)
        result = judged(home, *texts, pictures=(picture,))
    for name in CATEGORIES:
        assert result.categories[name] <= result.flagged
        assert result.category_scores[name] == 0 or result.category_applied_input_types[name]
    assert bool(where(result, "text")) == bool(texts)
