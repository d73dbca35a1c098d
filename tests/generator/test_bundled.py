from itertools import count

import numpy as np
import pytest
import torch

from countermark.core.errors import UsageError, WeightsError
from generator.backends.bundled import BundledModel
from generator.dit import networks as bundled
from generator.dit.bridges import unheard
from generator.dit.light import graded, lit
from generator.dit.networks import load_networks, load_transformer
from generator.dit.planner import make_plan
from generator.dit.text import TOKEN, tokens_of, understand
from generator.dit.views import read_clip
from generator.model import GenerationCancelledError, Inputs, OnPreview
from generator.request import Condition, GenerationRequest, Shot
from generator.world.clips import ClipSpec, random_spec, render


def sampled(
    request: GenerationRequest,
    inputs: Inputs | None = None,
    *,
    model: BundledModel | None = None,
    heard: list[tuple[int, int]] | None = None,
    on_preview: OnPreview | None = None,
) -> tuple[np.ndarray, list[str]]:
    """All generated frames, and what was said about them; progress has to count to its end."""
    heard = [] if heard is None else heard
    notices: list[str] = []
    chunks = (model or BundledModel()).sample(
        request,
        inputs or Inputs(),
        on_progress=lambda *step: heard.append(step),
        on_preview=on_preview,
        on_notice=notices.append,
        cancelled=lambda: False,
    )
    frames = np.concatenate(list(chunks))
    steps = heard[-1][1]
    assert heard == [(i, steps) for i in range(1, steps + 1)]
    return frames, notices


def frames_for(prompt: str, *, seed: int = 0, steps: int = 8) -> np.ndarray:
    return sampled(GenerationRequest(prompt=prompt, seed=seed, steps=steps))[0]


def given_clip(frames: int, *, motion: str = "hover", scene: str = "snow") -> tuple[np.ndarray, np.ndarray]:
    """A render of a red ball and its track, as something given."""
    clip = render(ClipSpec("ball", "red", motion, scene, 7), frames=frames)
    return clip.frames, clip.track


def at(place: str, **fields: object) -> tuple[Condition, ...]:
    return (Condition.model_validate({"path": "given", "at": place, **fields}),)


@pytest.fixture(scope="module")
def red_ball() -> np.ndarray:
    return frames_for("a red ball hovering over the snow", seed=3)


def plan_for(prompt: str, *, seed: int) -> np.ndarray:
    words = torch.tensor([tokens_of(understand(prompt, seed=seed).concepts, "motion")])
    return make_plan(load_networks().planner, words, seed=seed)[0].numpy()


def test_every_network_knows_the_words_that_it_hears():
    networks = load_networks()
    heard = {
        ("scene",): networks.transformer.words,
        ("motion",): networks.planner.words,
        ("subject", "colour"): networks.painter.said,
    }
    for kinds, embedding in heard.items():
        assert max(token for (kind, _), token in TOKEN.items() if kind in kinds) < embedding.num_embeddings


def test_one_picture_shows_what_was_asked_for():
    frames, _ = sampled(GenerationRequest(prompt="a red ball hovering over the snow", seed=3, steps=8, still=True))
    assert frames.shape == (1, 256, 256, 3)
    seen = read_clip(load_networks(), frames).concepts
    assert (seen["subject"], seen["colour"], seen["scene"]) == ("ball", "red", "snow")
    again, _ = sampled(GenerationRequest(prompt="a red ball hovering over the snow", seed=3, steps=8, still=True))
    assert np.array_equal(frames, again)


def test_a_clip_has_the_promised_shape(red_ball):
    assert red_ball.shape == (25, 256, 256, 3)
    assert red_ball.dtype == np.uint8


def test_the_scene_moves_from_words_and_from_a_picture():
    from_words = frames_for("a red ball hovering over the sea", seed=3)
    still = given_clip(1, scene="sea")[0]
    request = GenerationRequest(prompt="it hovers", seed=1, steps=8, conditions=at("start", still=True))
    from_picture = sampled(request, Inputs(before=still))[0]
    for frames in (from_words, from_picture):
        water = frames[:, 208:].astype(float)
        steps = np.abs(np.diff(water, axis=0)).mean((1, 2, 3))
        assert np.abs(water[-1] - water[0]).mean() > 1.5
        assert steps.min() > 0.1  # it never stops, also between frames that have a code of their own
        assert steps.max() < 4 * np.median(steps)


def test_previews_come_to_show_what_is_made():
    thumbnails: list[np.ndarray] = []
    request = GenerationRequest(prompt="a red ball hovering over the snow", seed=3, steps=6)
    frames, _ = sampled(request, on_preview=thumbnails.append)
    middle = frames[12].reshape(32, 8, 32, 8, 3).mean((1, 3))
    off = [np.abs(thumbnail - middle).mean() for thumbnail in thumbnails]
    assert len(thumbnails) == 6
    assert {(thumbnail.shape, thumbnail.dtype.name) for thumbnail in thumbnails} == {((32, 32, 3), "uint8")}
    assert off[-1] < 4 < off[0]


def test_the_same_seed_gives_the_same_frames_bit_for_bit():
    prompt = "a red ball hovering over the snow"
    first, again, other = (
        sampled(GenerationRequest(prompt=prompt, seed=seed, steps=2, size=SMALL))[0] for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_prompt_gives_the_subject_its_colour(red_ball):
    x, y, _ = plan_for("a red ball hovering over the snow", seed=3)[0]
    row, column = int(y * 256) + 12, int(x * 256)
    patch = np.s_[0, row - 6 : row + 6, column - 6 : column + 6]
    red, _, blue = red_ball[patch].mean((0, 1))
    assert red > blue + 60
    red, _, blue = frames_for("a blue ball hovering over the snow", seed=3)[patch].mean((0, 1))
    assert blue > red + 60


@pytest.mark.parametrize(
    "motion,axis,sign", [("rising", 1, -1), ("falling", 1, 1), ("moving left", 0, -1), ("向右", 0, 1)]
)
def test_plans_move_as_the_prompt_says(motion, axis, sign):
    for seed in range(4):
        plan = plan_for(f"a white boat {motion}", seed=seed)
        assert sign * (plan[-1, axis] - plan[0, axis]) > 0.2


def is_red_at(frame: np.ndarray, x: float, y: float) -> bool:
    """Whether the middle of the ball is there; its band is light, so red has only to be more than the rest."""
    row, column = int(y * 256), int(x * 256)
    red, green, blue = frame[row - 16 : row + 16, column - 16 : column + 16].mean((0, 1))
    return bool(red > max(green, blue) + 40)


def test_what_a_clip_shows_and_where_is_read_from_it():
    frames, track = given_clip(13, motion="right")
    view = read_clip(load_networks(), frames)
    assert view.concepts == {"subject": "ball", "colour": "red", "scene": "snow"}
    assert view.frames.shape == (13, 3, 256, 256)
    assert view.plan.shape == (13, 3)
    assert np.abs(view.plan.numpy() - track).mean() < 0.05


def test_the_locator_belongs_to_the_judge_whose_features_it_reads():
    rng = np.random.default_rng(5)
    clips = [render(random_spec(rng), frames=3) for _ in range(24)]
    read = np.stack([read_clip(load_networks(), clip.frames).plan[1].numpy() for clip in clips])
    off = np.abs(read - np.stack([clip.track[1] for clip in clips]))
    assert (np.median(off, axis=0) < (0.03, 0.04, 0.05)).all()


def test_a_still_picture_is_brought_to_life():
    frames, track = given_clip(1)
    request = GenerationRequest(prompt="moving right", seed=1, steps=6, conditions=at("start", still=True))
    made, notices = sampled(request, Inputs(before=frames))
    assert made.shape == (24, 256, 256, 3)
    assert is_red_at(made[2], *track[0, :2])
    assert "taken from what was given" in notices[0]
    assert np.abs(made[0, :40].astype(int) - frames[0, :40]).mean() < 12  # the same sky


@pytest.mark.parametrize("place", ["start", "end"])
def test_a_clip_is_extended_in_both_directions(place):
    frames, track = given_clip(12)
    inputs = Inputs(before=frames) if place == "start" else Inputs(after=frames)
    request = GenerationRequest(prompt="hovering", steps=6, seconds=1, conditions=at(place))
    made, _ = sampled(request, inputs)
    assert made.shape == (12, 256, 256, 3)
    near, given = (made[0], frames[-1]) if place == "start" else (made[-1], frames[0])
    assert np.abs(near.astype(int) - given).mean() < 12
    assert is_red_at(near, *track[-1 if place == "start" else 0, :2])


def test_two_clips_are_joined():
    first, _ = given_clip(12, scene="snow")
    second, _ = given_clip(12, scene="sunset")
    request = GenerationRequest(prompt="blend", steps=6, conditions=(*at("start"), *at("end")))
    made, _ = sampled(request, Inputs(before=first, after=second))
    assert made.shape == (16, 256, 256, 3)
    distance = [
        [np.abs(made[i].astype(int) - clip[j]).mean() for clip, j in ((first, -1), (second, 0))] for i in (0, -1)
    ]
    assert distance[0][0] < distance[0][1]
    assert distance[1][1] < distance[1][0]


def test_a_background_is_changed_by_words():
    frames, track = given_clip(10, scene="snow")
    request = GenerationRequest(prompt="in space", steps=8, conditions=at("whole", strength=0.1))
    made, _ = sampled(request, Inputs(whole=iter([frames[:7], frames[7:]])))
    assert made.shape == frames.shape
    assert made[:, :40].mean() < 90 < frames[:, :40].mean()
    assert is_red_at(made[5], *track[5, :2])


def test_an_hour_is_the_light_of_what_is_edited_as_strong_as_the_edit():
    frames, _ = given_clip(5, scene="snow")
    made = {}
    for prompt, strength in (("it", 0.15), ("at night", 0.15), ("在夜晚", 0.15), ("at night", 0.6), ("at night", 1.0)):
        request = GenerationRequest(prompt=prompt, steps=2, conditions=at("whole", strength=strength))
        made[prompt, strength], notices = sampled(request, Inputs(whole=iter([frames])))
        assert any("the prompt names no scene: snow" in notice for notice in notices)
    plain = torch.from_numpy(made["it", 0.15]).permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = ((lit(plain, [("night", torch.full((5,), 0.85))]) + 1) * 127.5).permute(0, 2, 3, 1).numpy()
    assert np.abs(expected - made["at night", 0.15]).mean() < 0.5
    assert np.array_equal(made["at night", 0.15], made["在夜晚", 0.15])
    levels = [made["at night", strength].mean() for strength in (0.15, 0.6, 1.0)]
    assert levels[0] + 20 < levels[1] < levels[2] - 20


def test_an_edit_says_what_it_cannot_do():
    frames, _ = given_clip(2, scene="snow")
    request = GenerationRequest(
        prompt="it rises at night in heavy rain, watercolor, zoom in", steps=1, conditions=at("whole", strength=0.15)
    )
    said = " ".join(sampled(request, Inputs(whole=iter([frames])))[1])
    assert "the motion was left out (rise)" in said
    assert "not understood and left out: heavy, rain, watercolor" in said
    assert "an edit changes subject, colour, scene and hour" in said
    assert "the camera move was left out (zoom in)" in said
    assert "the light was left out" not in said


@pytest.mark.parametrize(("prompt", "said"), [("by day", True), ("by day in the snow", False), ("in the snow", False)])
def test_an_edit_by_day_asks_for_the_name_of_the_scene(prompt, said):
    frames, _ = given_clip(2, scene="snow")
    request = GenerationRequest(prompt=prompt, steps=1, conditions=at("whole", strength=0.15))
    notices = sampled(request, Inputs(whole=iter([frames])))[1]
    assert any("often taken for another" in notice for notice in notices) == said


def test_what_is_made_around_a_video_has_its_light():
    frames, _ = given_clip(2, scene="snow")
    around = (Condition(path="v", at="whole", strength=0, around=True),)
    request = GenerationRequest(prompt="after dark", steps=1, size=(256, 256), conditions=around)
    mask = np.zeros((256, 256), bool)
    mask[:, 200:] = True
    notices = sampled(request, Inputs(whole=iter([frames]), mask=mask))[1]
    assert any("the light was left out (night)" in notice for notice in notices)


@pytest.mark.parametrize(("size", "factor"), [((512, 288), 1), ((288, 512), 1), ((192, 128), 1), ((640, 400), 2.5)])
def test_any_size_shows_the_subject_where_the_plan_says(size, factor):
    width, height = size
    request = GenerationRequest(prompt="a red ball hovering, snow", seed=3, steps=6, seconds=0.5, size=size)
    frames, _ = sampled(request)
    assert frames.shape == (6, height, width, 3)
    red, green, blue = frames[3].astype(int).transpose(2, 0, 1)
    ball = (red > green + 60) & (red > blue + 60)
    rows, columns = ball.any(1).sum(), ball.any(0).sum()
    assert 40 * factor < rows < 120 * factor
    assert 40 * factor < columns < 120 * factor


@pytest.mark.parametrize("size", [(100, 256), (1024, 256), (256, 64), (1320, 720), (1280, 280)])
def test_a_size_that_cannot_be_made_is_refused(size):
    with pytest.raises(UsageError, match="multiples of 16"):
        BundledModel().size_for(size)


def test_only_the_mask_is_made_anew():
    frames, _ = given_clip(8, scene="snow")
    mask = np.zeros((256, 256), bool)
    mask[:96] = True
    request = GenerationRequest(prompt="at night", steps=8, conditions=at("whole", strength=0.0))
    made, _ = sampled(request, Inputs(whole=iter([frames]), mask=mask))
    assert made.shape == frames.shape
    assert made[:, :48].mean() < frames[:, :48].mean() - 50
    assert np.abs(made[:, 160:].astype(int) - frames[:, 160:]).mean() < 12


def test_a_loop_ends_where_it_begins():
    frames, _ = sampled(GenerationRequest(prompt="a red ball rising, snow", steps=6, seconds=3, loop=True))
    assert len(frames) == 36
    steps = np.abs(np.diff(frames.astype(int), axis=0)).mean((1, 2, 3))
    assert np.abs(frames[-1].astype(int) - frames[0]).mean() < 3 * np.median(steps)


@pytest.mark.parametrize(
    ("prompt", "left_out"),
    [
        ("a red ball over the snow", []),
        ("a ball", []),
        ("a blue star bouncing in the desert", ["star", "blue", "bounce", "desert"]),
    ],
)
def test_what_a_prompt_names_between_two_clips_that_show_something_else_is_left_out_and_said(prompt, left_out):
    ball = {"subject": "ball", "colour": "red", "scene": "snow"}
    notices = list(unheard(understand(prompt, seed=0, seen={}).concepts, (ball, ball | {"scene": "sea"})))
    assert [notice.split("(")[1].split(")")[0] for notice in notices] == left_out
    assert not notices or "shows snow and sea" in notices[-1]


def test_a_blend_says_what_it_leaves_out():
    ends = [given_clip(12, scene=scene)[0] for scene in ("snow", "sea")]
    conditions = (*at("start"), *at("end"))
    request = GenerationRequest(prompt="a star in the snow", steps=1, conditions=conditions)
    _, notices = sampled(request, Inputs(before=ends[0], after=ends[1]))
    assert any("the subject was left out (star): what is led over shows ball" in notice for notice in notices)


def test_a_storyboard_keeps_its_subject():
    shots = (Shot(prompt="a red ball rising, snow", seconds=1), Shot(prompt="at night", seconds=2, transition="blend"))
    frames, _ = sampled(GenerationRequest(prompt="", steps=6, shots=shots))
    assert len(frames) == 36
    networks = load_networks()
    for part in (frames[:12], frames[-8:]):
        concepts = read_clip(networks, part).concepts
        assert (concepts["subject"], concepts["colour"]) == ("ball", "red")


def test_a_longer_clip_has_the_length_that_was_asked_for():
    frames, _ = sampled(GenerationRequest(prompt="a red ball bouncing, snow", steps=2, seconds=3.3, size=SMALL))
    assert len(frames) == round(3.3 * 12)


def test_a_step_is_left_when_nobody_wants_it_any_more():
    asked = count()
    heard: list[tuple[int, int]] = []
    chunks = BundledModel().sample(
        GenerationRequest(prompt="a red ball"),
        Inputs(),
        on_progress=lambda *step: heard.append(step),
        on_notice=lambda _: None,
        cancelled=lambda: next(asked) > 11,  # 8 blocks a step: within the second
    )
    with pytest.raises(GenerationCancelledError):
        next(iter(chunks))
    assert [step for step, _ in heard] == [1]


def test_damaged_weights_are_an_error_with_a_remedy(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(bundled, "load_file", lambda path: {})
        load_transformer.cache_clear()
        with pytest.raises(WeightsError, match="Install countermark again"):
            load_networks()


def test_the_fast_model_takes_four_steps():
    request = GenerationRequest(prompt="a red ball hovering over the snow", seed=3)
    heard: list[tuple[int, int]] = []
    frames, _ = sampled(request, model=BundledModel(fast=True), heard=heard)
    assert frames.shape == (25, 256, 256, 3)
    assert heard[-1] == (4, 4)


@pytest.mark.parametrize("asked", [{"guidance": 2.0}, {"negative_prompt": "snow"}])
def test_the_fast_model_refuses_what_it_was_not_taught(asked):
    with pytest.raises(UsageError, match="guidance built in"):
        BundledModel(fast=True).check(GenerationRequest(prompt="a red ball", **asked))


SMALL = (128, 128)


def test_a_camera_moves_over_a_larger_picture():
    prompt = "a red ball hovering over the snow"
    plain, notices = sampled(GenerationRequest(prompt=prompt, seed=3, steps=2, size=SMALL))
    assert notices == []
    still, _ = sampled(GenerationRequest(prompt=f"static camera, {prompt}", seed=3, steps=2, size=SMALL))
    assert np.array_equal(still, plain)
    request = GenerationRequest(prompt=f"the camera pans left, {prompt}", seed=3, steps=2, size=SMALL)
    moved, notices = sampled(request)
    assert moved.shape == plain.shape
    assert notices == []
    assert np.array_equal(moved, sampled(request)[0])
    assert not np.array_equal(moved, plain)


def test_a_prompt_without_camera_words_is_not_resampled(monkeypatch):
    monkeypatch.setattr("generator.dit.camera.Camera.look", lambda *_: pytest.fail("resampled"))
    sampled(GenerationRequest(prompt="a red ball moving left", steps=1, size=SMALL))


@pytest.mark.parametrize("fields", [{"still": True}, {"loop": True}, {"conditions": at("start", still=True)}])
def test_where_the_camera_stays_it_is_said(fields):
    request = GenerationRequest(prompt="zoom in on a red ball moving left, snow", steps=1, size=SMALL, **fields)
    picture = np.full((1, 128, 128, 3), 200, np.uint8)
    _, notices = sampled(request, Inputs(before=picture) if request.conditions else None)
    assert "the camera move was left out (zoom in)" in " ".join(notices)


def test_every_shot_has_its_own_camera():
    shots = (
        Shot(prompt="zoom in on a red ball hovering, snow", seconds=1),
        Shot(prompt="镜头左移", seconds=2, transition="blend"),
    )
    frames, _ = sampled(GenerationRequest(prompt="", steps=1, shots=shots, size=SMALL))
    assert frames.shape == (36, 128, 128, 3)


def test_light_changes_the_finished_frames_and_nothing_else():
    by_day, at_night = (
        sampled(GenerationRequest(prompt=f"a red ball over the sea{hour}", seed=3, steps=1, size=SMALL))[0]
        for hour in ("", " at night")
    )
    frames = torch.from_numpy(by_day).permute(0, 3, 1, 2).float() / 127.5 - 1
    expected = ((graded(frames, "night") + 1) * 127.5).permute(0, 2, 3, 1).numpy()
    assert np.abs(expected - at_night).mean() < 0.5
    assert np.abs(expected - at_night).max() < 8  # by the rounding of dark values


def test_light_is_for_what_is_made_from_words_alone():
    request = GenerationRequest(prompt="golden hour", steps=1, size=SMALL, conditions=at("start", still=True))
    picture = np.full((1, 128, 128, 3), 200, np.uint8)
    _, notices = sampled(request, Inputs(before=picture))
    assert "the light was left out (sunset)" in " ".join(notices)


def test_light_goes_over_from_one_shot_to_the_next():
    shots = (Shot(prompt="a red ball, sea", seconds=1), Shot(prompt="at night, sea", seconds=2, transition="blend"))
    frames, _ = sampled(GenerationRequest(prompt="", steps=1, shots=shots, size=SMALL))
    brightness = frames.mean((1, 2, 3))
    assert brightness[0] > brightness[18] + 10 > brightness[-1] + 20


def test_a_prompt_with_cuts_is_a_storyboard():
    prompt = "a red ball moving left, snow; cut to a blue star falling at night"
    frames, notices = sampled(GenerationRequest(prompt=prompt, steps=1, seconds=2, size=SMALL))
    assert frames.shape == (24, 128, 128, 3)
    assert notices == []
    assert frames[12].mean() < frames[11].mean() - 40
    _, notices = sampled(GenerationRequest(prompt=prompt, steps=1, size=SMALL, still=True))
    assert "cuts were left out" in " ".join(notices)


def colour_at(frame: np.ndarray, x: float, y: float) -> np.ndarray:
    """Mean colour around a place, in shares of the picture."""
    row, column = int(y * frame.shape[0]), int(x * frame.shape[1])
    return frame[row - 5 : row + 6, column - 5 : column + 6].mean((0, 1))


def test_two_subjects_are_drawn_where_the_relation_puts_them():
    prompt = "a red ball to the left of a blue ball, hovering, snow"
    frames, notices = sampled(GenerationRequest(prompt=prompt, seed=3, steps=6))
    assert frames.shape == (25, 256, 256, 3)
    assert notices == []
    red = (frames[12, :, :, 0].astype(int) > frames[12, :, :, 2].astype(int) + 80).nonzero()
    blue = (frames[12, :, :, 2].astype(int) > frames[12, :, :, 0].astype(int) + 80).nonzero()
    assert red[1].mean() + 60 < blue[1].mean()
    assert abs(red[0].mean() - blue[0].mean()) < 60


def test_what_is_in_front_covers_what_is_behind():
    prompt = "a red ball {} a blue ball, hovering, snow"
    frames = {
        where: sampled(GenerationRequest(prompt=prompt.format(where), seed=3, steps=2, still=True))[0]
        for where in ("behind", "in front of")
    }
    assert not np.array_equal(frames["behind"], frames["in front of"])


@pytest.mark.parametrize("fields", [{"loop": True}, {"conditions": at("start", still=True)}])
def test_where_there_is_no_second_subject_it_is_said(fields):
    request = GenerationRequest(prompt="a red ball behind a blue star, snow", steps=1, size=SMALL, **fields)
    picture = np.full((1, 128, 128, 3), 200, np.uint8)
    _, notices = sampled(request, Inputs(before=picture) if request.conditions else None)
    assert "the second subject was left out (star)" in " ".join(notices)


def test_three_subjects_are_drawn_where_their_relations_put_them():
    prompt = "a red ball between a blue ball and a green ball, hovering, snow"
    frames, notices = sampled(GenerationRequest(prompt=prompt, seed=3, steps=4, still=True))
    assert notices == []
    red, green, blue = frames[0].astype(int).transpose(2, 0, 1)
    places = [
        (mine > np.maximum(one, other) + 60).nonzero()[1].mean()
        for mine, one, other in ((blue, red, green), (red, green, blue), (green, blue, red))
    ]
    assert places[0] + 30 < places[1] < places[2] - 30


def test_two_subjects_have_a_camera_light_and_cuts():
    prompt = "a red ball chases a blue star over the sea at night, pan left; cut to a car"
    frames, notices = sampled(GenerationRequest(prompt=prompt, steps=1, seconds=2, size=SMALL))
    assert frames.shape == (24, 128, 128, 3)
    assert "left out" not in " ".join(notices)
