import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.world.clips import FPS, SPIN, ClipSpec, random_spec, render, track, turned
from generator.world.scenes import scene_of
from generator.world.sprites import FIGURES, Sprite
from generator.world.vocabulary import COLOURS, CONCEPTS, MOTIONS, SCENES, SUBJECTS

specs = st.builds(
    ClipSpec,
    subject=st.sampled_from(SUBJECTS),
    colour=st.sampled_from(COLOURS),
    motion=st.sampled_from(MOTIONS),
    scene=st.sampled_from(SCENES),
    seed=st.integers(0, 2**31 - 1),
)


@given(specs)
@settings(max_examples=10)
def test_rendering_is_a_pure_function(spec):
    first, second = (render(spec, frames=3, height=64, width=96) for _ in range(2))
    assert first.frames.shape == (3, 64, 96, 3)
    assert np.array_equal(first.frames, second.frames)


@pytest.mark.parametrize("motion,axis,sign", [("rise", 1, -1), ("fall", 1, 1), ("left", 0, -1), ("right", 0, 1)])
def test_motion_goes_where_its_name_says(motion, axis, sign):
    places = render(ClipSpec("ball", "red", motion, "sea", 3), frames=2 * FPS, height=64, width=64).track
    steps = np.diff(places[:, axis])
    assert (sign * steps > 0).all()
    assert np.allclose(np.diff(places[:, 1 - axis]), 0)


def test_a_falling_subject_accelerates():
    y = render(ClipSpec("star", "blue", "fall", "sea", 5), frames=24, height=64, width=64).track[:, 1]
    assert np.allclose(np.diff(y, 2), np.diff(y, 2)[0], atol=1e-5)
    assert np.diff(y, 2)[0] > 0


def path(motion: str, seed: int = 5, frames: int = 25) -> np.ndarray:
    return track(ClipSpec("star", "blue", motion, "sea", seed), frames)[:, :2]


def test_what_is_thrown_flies_a_parabola():
    x, y = path("throw").T
    assert np.allclose(np.diff(x, 2), 0, atol=1e-5)
    assert np.allclose(np.diff(y, 2), np.diff(y, 2)[0], atol=1e-5)
    assert 5 < y.argmin() < 20
    assert np.diff(y, 2)[0] > 0


def test_what_circles_keeps_its_distance_and_goes_round():
    points = path("circle", frames=40)
    centre = (points.max(0) + points.min(0)) / 2
    assert np.allclose(np.hypot(*(points - centre).T), 0.2, atol=0.01)


def test_a_pendulum_is_slow_at_its_ends_and_lowest_in_the_middle():
    x, y = path("swing", frames=40).T
    lowest = y.argmax()
    assert abs(x[lowest] - (x.max() + x.min()) / 2) < 0.05
    speed = np.hypot(np.diff(x), np.diff(y))
    assert speed[min(lowest, 38)] > 2 * min(speed[max(x.argmax() - 1, 0)], speed[max(x.argmin() - 1, 0)])


def test_a_zigzag_turns_and_goes_on():
    x, y = path("zigzag").T
    assert (np.diff(x) > 0).all()
    assert (np.diff(np.sign(np.diff(y))) != 0).sum() >= 3


@pytest.mark.parametrize("motion", MOTIONS)
def test_subjects_stay_in_the_picture(motion):
    for seed in range(20):
        points = path(motion, seed)
        assert points.min() > 0.08
        assert points.max() < 0.92


def test_a_subject_is_as_large_in_pixels_at_any_size():
    spec = ClipSpec("ball", "red", "hover", "sea", 3)
    clip = render(spec, frames=1, height=320, width=512, scale=256 / 320)
    assert clip.track[0, 2] * 320 == pytest.approx(track(spec, 1)[0, 2] * 256)
    assert clip.background.shape == (1, 320, 512, 3)


def test_every_subject_has_a_drawing():
    assert set(FIGURES) == set(SUBJECTS)


@given(st.sampled_from(SCENES), st.integers(32, 160), st.integers(32, 160), st.integers(0, 1000))
@settings(max_examples=40)
def test_every_scene_is_drawn_at_any_size(scene, height, width, seed):
    first, second = (scene_of(scene, height, width, np.random.default_rng(seed)).at(0) for _ in range(2))
    assert (first.shape, first.dtype) == ((height, width, 3), np.float32)
    assert np.array_equal(first, second)
    assert first.min() >= 0
    assert first.max() <= 1
    assert not np.array_equal(first, scene_of(scene, height, width, np.random.default_rng(seed + 1)).at(0))


@given(st.sampled_from(SCENES), st.integers(16, 128), st.integers(16, 128), st.floats(0, 1000))
@settings(max_examples=40)
def test_a_scene_at_a_time_is_a_pure_function(name, height, width, seconds):
    first, second = (scene_of(name, height, width, np.random.default_rng(3)) for _ in range(2))
    later = first.at(seconds + 7)
    picture = first.at(seconds)
    assert (picture.shape, picture.dtype) == ((height, width, 3), np.float32)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert np.array_equal(picture, second.at(seconds))
    assert np.array_equal(later, second.at(seconds + 7))


@pytest.mark.parametrize("name", SCENES)
def test_scenes_move_and_calmly(name):
    """In levels of 255: what a second changes, and what a frame changes at most, also where things wrap around."""
    for seed, begin in ((0, 0), (1, 27)):
        scene = scene_of(name, 96, 96, np.random.default_rng(seed))
        frames = 255 * np.stack([scene.at(begin + number / FPS) for number in range(36)])
        assert np.abs(frames[FPS] - frames[0]).mean() > 0.5
        assert np.abs(np.diff(frames, axis=0)).mean((1, 2, 3)).max() < 3


@pytest.mark.parametrize("name", SCENES)
def test_scenes_never_jump(name):
    """Where most changes at a time within a minute, less does in ever shorter times."""
    scene = scene_of(name, 48, 48, np.random.default_rng(2))

    def change(begin: float, end: float) -> float:
        return float(np.abs(scene.at(end) - scene.at(begin)).max())

    times = np.arange(0, 60, 0.25)
    pictures = np.stack([scene.at(time) for time in times])
    most = np.abs(np.diff(pictures, axis=0)).max((1, 2, 3)).argsort()[-8:]
    for span in zip(times[most], times[most + 1], strict=True):
        shorter = span
        for _ in range(8):  # from 250 ms to 1 ms
            middle = sum(shorter) / 2
            shorter = max((shorter[0], middle), (middle, shorter[1]), key=lambda times: change(*times))
        assert change(*shorter) < 0.06


def test_a_clip_shows_its_scene_in_motion():
    clip = render(ClipSpec("ball", "red", "hover", "sea", 3), frames=13, height=64, width=64)
    scene = scene_of("sea", 64, 64, np.random.default_rng((3, 0)))
    assert clip.background.shape == clip.frames.shape
    assert np.array_equal(clip.background[12], np.rint(255 * scene.at(1)).astype(np.uint8))
    assert np.array_equal(clip.frames[:, 60:], clip.background[:, 60:])


def test_scenes_are_told_apart_without_their_hue():
    """The nearest of the scenes' mean pictures, in grey and of 16x16 pixels, is that of its own scene."""

    def grey(scene: str, seed: int) -> np.ndarray:
        picture = scene_of(scene, 64, 64, np.random.default_rng(seed)).at(0).mean(2)
        return picture.reshape(16, 4, 16, 4).mean((1, 3))

    means = np.stack([np.mean([grey(scene, seed) for seed in range(12)], axis=0) for scene in SCENES])
    wrong = [
        (scene, SCENES[nearest])
        for scene in SCENES
        for seed in range(100, 106)
        if SCENES[nearest := int(np.square(means - grey(scene, seed)).mean((1, 2)).argmin())] != scene
    ]
    assert not wrong


def test_tokens_are_never_moved():
    """Trained weights know concepts by their place in the table: what is new comes at the end."""
    first = [c.name for c in CONCEPTS[:28]]
    assert first[:8] == ["balloon", "ball", "star", "heart", "fish", "boat", "car", "rocket"]
    assert first[8:16] == ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white"]
    assert first[16:22] == ["rise", "fall", "left", "right", "bounce", "hover"]
    assert first[22:] == ["sea", "meadow", "desert", "snow", "night", "sunset"]


def test_a_word_names_one_concept_of_a_kind():
    words = [(c.kind, word) for c in CONCEPTS for word in (*c.en, *c.zh)]
    assert len(set(words)) == len(words)


def test_the_track_is_where_the_subject_is_drawn():
    spec = ClipSpec("ball", "red", "right", "snow", 1)
    clip = render(spec, frames=9, height=128, width=128)
    for frame, (x, y, _) in zip(clip.frames, clip.track, strict=True):
        red, green, blue = frame[int(y * 128) + 8, int(x * 128)].astype(int)
        assert red > green + 60
        assert red > blue + 60


def test_held_out_pairs_never_come_up_in_training():
    rng = np.random.default_rng(0)
    seen = {(s.subject, s.colour) for s in (random_spec(rng, held_out=False) for _ in range(3000))}
    unseen = {(s.subject, s.colour) for s in (random_spec(rng, held_out=True) for _ in range(300))}
    assert not seen & unseen
    assert len(seen) > 6 * len(unseen) > 0
    assert {subject for subject, _ in seen} == set(SUBJECTS)
    assert {colour for _, colour in unseen} == set(COLOURS)


def test_what_rolls_does_not_slip():
    places = track(ClipSpec("ball", "red", "roll", "sea", 5), 25)
    turn = turned("roll", places, aspect=1.0)
    assert turn[0] == 0
    assert np.allclose(np.diff(turn) * places[0, 2] / 2, np.diff(places[:, 0]), atol=1e-5)
    assert np.ptp(places[:, 1]) == 0


def test_what_spins_turns_evenly_and_the_rest_not_at_all():
    still = np.zeros((25, 3), np.float32) + 0.5
    assert np.allclose(np.diff(turned("spin", still, aspect=1.0)), 2 * np.pi / (SPIN * FPS), atol=1e-5)
    assert not turned("right", track(ClipSpec("ball", "red", "right", "sea", 5), 25), aspect=1.0).any()


@pytest.mark.parametrize("angle", [0.5 * np.pi, 1.0, 4.0])
def test_a_turned_sprite_is_turned_clockwise_about_its_middle(angle):
    upright, turned_one = (np.zeros((128, 128, 3), np.uint8) for _ in range(2))
    sprite = Sprite("rocket", "white", 80)
    sprite.composite(upright, 64, 64)
    sprite.turned(angle).composite(turned_one, 64, 64)
    back = np.asarray(Image.fromarray(turned_one).rotate(np.degrees(angle), Image.Resampling.BILINEAR))
    assert np.abs(back.astype(int) - upright).mean() < 6  # the light stays where it was
    assert np.abs(turned_one.astype(int) - upright).mean() > 15
