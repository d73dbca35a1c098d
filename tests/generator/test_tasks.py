from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from countermark.core.errors import UsageError
from generator.request import MAX_SECONDS, Condition, GenerationRequest, Shot
from generator.tasks import DEFAULT_STRENGTH, read_storyboard, request_for

PROMPT = "a red ball over the sea"


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    """A picture, two files that are none, and a storyboard."""
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "still.png")
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"\0" * 64)
    board = "- prompt: a red ball\n- {prompt: it bounces, seconds: 2, transition: blend}\n"
    (tmp_path / "board.yaml").write_text(board)
    names = {"image": "still.png", "a": "a.mp4", "b": "b.mp4", "board": "board.yaml"}
    return {key: tmp_path / name for key, name in names.items()}


def test_every_task_is_a_list_of_conditions(files):
    image, a, b = files["image"], files["a"], files["b"]

    def conditions(**options: object) -> tuple[Condition, ...]:
        return request_for(PROMPT, **options).conditions

    assert conditions() == ()
    assert conditions(image=image) == (Condition(path=image, still=True),)
    assert conditions(extend=a) == conditions(extend=a, direction="forward") == (Condition(path=a, at="start"),)
    assert conditions(extend=str(a), direction="backward") == (Condition(path=a, at="end"),)
    assert conditions(blend=(a, b)) == (Condition(path=a, at="start"), Condition(path=b, at="end"))
    (edited,) = conditions(edit=a)
    assert (edited.at, edited.strength) == ("whole", pytest.approx(1 - DEFAULT_STRENGTH))
    assert conditions(edit=a, mask=image) == (Condition(path=a, at="whole", strength=0, mask=image),)
    assert conditions(outpaint=a, size="512x288") == (Condition(path=a, at="whole", strength=0, around=True),)


def test_tasks_have_names(files):
    image, a, b, board = files["image"], files["a"], files["b"], files["board"]
    options = {
        "text": {},
        "image": {"image": image},
        "extend": {"extend": a},
        "blend": {"blend": (a, b)},
        "edit": {"edit": a, "strength": 0.5},
        "outpaint": {"outpaint": a, "size": (512, 288)},
        "storyboard": {"storyboard": board},
        "still": {"still": True},
    }
    made = {name: request_for("" if name == "storyboard" else PROMPT, **given) for name, given in options.items()}
    assert {name: request.task for name, request in made.items()} == {n: n for n in options}


@pytest.mark.parametrize(
    "options,message",
    [
        ({"image": "image", "extend": "a"}, "image and extend are different tasks"),
        ({"edit": "a", "storyboard": "board"}, "edit and storyboard"),
        ({"direction": "backward"}, "direction belongs to extend"),
        ({"extend": "a", "direction": "sideways"}, "no direction 'sideways'"),
        ({"blend": ("one.mp4",)}, "from one video to another"),
        ({"consents": ("token",)}, "a consent is for the persons in"),
        ({"strength": 0.5}, "strength belongs to edit"),
        ({"edit": "a", "strength": 1.5}, "between 0 and 1"),
        ({"edit": "a", "seconds": 3}, "keeps the length"),
        ({"storyboard": "board", "seconds": 3}, "seconds of every shot"),
        ({"image": "image", "loop": True}, "loop"),
        ({"extend": "a", "direction": "backward", "loop": True}, "loop"),
        ({"mask": "image"}, "mask belongs to edit"),
        ({"edit": "a", "mask": "b"}, "not a picture"),
        ({"outpaint": "a"}, "needs the size"),
        ({"outpaint": "a", "size": (512, 288), "seconds": 3}, "keeps its length"),
        ({"outpaint": "a", "edit": "b", "size": (512, 288)}, "edit and outpaint are different tasks"),
        ({"size": "wide"}, "'wide' is not a size"),
        ({"size": "0x64"}, "^size: "),
        ({"image": "a"}, "not a picture"),
        ({"extend": "image"}, "not a video"),
        ({"extend": Path("missing.mp4")}, "missing.mp4 is not a file"),
        ({"still": True, "image": "image"}, "from a prompt alone"),
        ({"still": True, "edit": "a"}, "from a prompt alone"),
        ({"still": True, "storyboard": "board"}, "a storyboard has its own prompts"),
        ({"still": True, "loop": True}, "from a prompt alone"),
        ({"still": True, "seconds": 2}, "from a prompt alone"),
        ({"still": True, "fps": 24}, "from a prompt alone"),
        ({"fps": 0}, "fps"),
        ({"seconds": MAX_SECONDS + 1}, "seconds"),
        ({"steps": 0}, "steps"),
        ({"guidance": 0.5}, "guidance"),
    ],
)
def test_options_that_make_no_sense_are_the_callers_error(files, options, message):
    given = {name: files.get(value, value) if isinstance(value, str) else value for name, value in options.items()}
    if options.get("direction"):
        given["direction"] = options["direction"]
    with pytest.raises(UsageError, match=message):
        request_for(PROMPT, **given)


@pytest.mark.parametrize(
    "fields",
    [
        {"conditions": [Condition(path="a", at="start"), Condition(path="b", at="start")]},
        {"conditions": [Condition(path="a", at="end", still=True)]},
        {"conditions": [Condition(path="a", strength=0.5)]},
        {"conditions": [Condition(path="a", mask="b")]},
        {"conditions": [Condition(path="a", at="whole", mask="b", around=True)], "size": (64, 64)},
        {"conditions": [Condition(path="a", at="whole", around=True)]},
        {"shots": [Shot(prompt="a ball")], "loop": True},
        {"shots": [Shot(prompt="a ball", seconds=40), Shot(prompt="a ball", seconds=40)]},
    ],
)
def test_a_request_that_contradicts_itself_cannot_be_made(fields):
    with pytest.raises(ValidationError):
        GenerationRequest(prompt=PROMPT, **fields)


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "not a storyboard"),
        ("[]", "no shots"),
        ("prompt: one", "not a storyboard"),
        ("- prompt: a\n  seconds: 0", "shot 1, seconds: "),
        ("- prompt: a\n  camera: left", "camera"),
        ("- {prompt: a, transition: dissolve}", "transition"),
        ("- [", "not YAML"),
        ("- {prompt: a, seconds: 2024-13-45}", "not YAML"),
        (f"- {{prompt: a, seconds: {'1' * 5000}}}", "not YAML"),
        ("- {prompt: a, seconds: .nan}", "seconds"),
        ("- {prompt: a, seconds: .inf}", "seconds"),
        ("- !!python/object/apply:os.system [ls]", "not YAML"),
        ("&a [" + "*a," * 40000 + "]", "over"),
    ],
)
def test_a_storyboard_that_is_none_is_the_callers_error(tmp_path, text, message):
    path = tmp_path / "board.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_storyboard(path)


def test_the_first_shot_is_blended_from_nothing():
    with pytest.raises(ValidationError, match="none before it"):
        GenerationRequest(prompt="", shots=(Shot(prompt="a red ball", seconds=2, transition="blend"),))


def test_a_blank_negative_prompt_is_none():
    request = request_for(PROMPT, negative_prompt=" \n")
    assert (request.negative_prompt, request.texts) == ("", (PROMPT,))


def test_all_texts_of_a_request_are_for_the_policy(files):
    request = request_for("", storyboard=files["board"], negative_prompt="a cat")
    assert request.texts == ("a red ball", "it bounces", "a cat")
