import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.dit.text import NOTHING, TOKEN, WORDS, named, negative_tokens, tokens_of, understand
from generator.world.cinematography import OWN_LIGHT
from generator.world.neighbours import NEIGHBOURS
from generator.world.vocabulary import AT_REST, BY_KIND, COLOURS, CONCEPTS, KINDS, SCENES


@pytest.mark.parametrize(
    "prompt,expected",
    [
        ("a red balloon rising over the sea", ("balloon", "red", "rise", "sea")),
        ("A GREEN ball bounces on the grass", ("ball", "green", "bounce", "meadow")),
        ("a golden star falls at night", ("star", "yellow", "fall", "night")),
        ("a snow-white boat drifting to the left, sunset", ("boat", "white", "left", "sunset")),
        ("一只红色气球在海面上升起", ("balloon", "red", "rise", "sea")),
        ("一辆黄色汽车在雪地里向右行驶", ("car", "yellow", "right", "snow")),
        ("夜空中紫色火箭升空", ("rocket", "purple", "rise", "night")),
    ],
)
def test_prompts_are_understood_in_both_languages(prompt, expected):
    understanding = understand(prompt, seed=0)
    assert tuple(understanding.concepts.values()) == expected
    assert understanding.chosen == ()


@pytest.mark.parametrize(
    ("prompt", "motion", "subject"),
    [
        ("a green tire rolling along", "roll", None),
        ("a red ball rolls to the left", "left", "ball"),
        ("a blue bicycle spins in the snow", "spin", "bicycle"),
        ("一个橙色苹果在草地上滚动", "roll", "apple"),
        ("一只灰色猫头鹰在森林里旋转", "spin", "owl"),
        ("雪地里的蓝色雪人向左移动", "left", "snowman"),
        ("一辆红色自行车在马路上向右行驶", "right", "bicycle"),
    ],
)
def test_words_that_contain_others_mean_themselves(prompt, motion, subject):
    found = understand(prompt, seed=0, seen={}).concepts
    assert (found["motion"], found.get("subject")) == (motion, subject)


def test_unknown_words_and_free_choices_are_reported():
    understanding = understand("a velociraptor on the moon", seed=4)
    assert understanding.unknown == ("velociraptor",)
    assert understanding.chosen == ("subject", "colour", "motion")
    assert "velociraptor" in " ".join(understanding.notices)


@pytest.mark.parametrize(
    ("prompt", "expected", "near"),
    [
        ("a fire engine on a bridge", {"subject": "truck", "scene": "city"}, ["fire engine", "bridge"]),
        ("two sports cars", {"subject": "car"}, ["sports cars"]),
        ("客厅里的摩托车", {"subject": "bicycle", "scene": "room"}, ["摩托车"]),
        ("a tiger beside the lake", {"subject": "cat", "scene": "sea"}, ["tiger"]),
        ("a red cat like a tiger", {"subject": "cat"}, []),  # what is known goes before what is near
        ("a fly flies", {"subject": "bee", "motion": "right"}, ["fly", "flies"]),
    ],
)
def test_what_is_not_in_the_world_is_the_nearest_thing_that_is(prompt, expected, near):
    understanding = understand(prompt, seed=0)
    assert {kind: understanding.concepts[kind] for kind in expected} == expected
    assert not set(expected) & set(understanding.chosen)
    assert [word for word, _ in understanding.near] == near
    for word, name in understanding.near:
        assert any(repr(word) in notice and name in notice for notice in understanding.notices)


def test_every_neighbour_is_taken_for_a_concept_that_it_stands_beside():
    words: dict[str, set[tuple[str, str]]] = {}
    for concept, (english, chinese) in NEIGHBOURS.items():
        assert concept in TOKEN
        for word in (*english.split(), *chinese.split()):
            words.setdefault(word.replace("-", " "), set()).add(concept)
    for word, concepts in words.items():
        assert set(named(word)[0].found.items()) & concepts, word


def test_every_surface_word_means_its_concept():
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            assert understand(word, seed=0).concepts[concept.kind] == concept.name, word


@given(st.text(max_size=80), st.integers(0, 1000))
def test_any_text_gives_four_known_tokens(prompt, seed):
    tokens = tokens_of(understand(prompt, seed=seed).concepts)
    assert len(tokens) == 4
    assert all(0 < token < WORDS for token in tokens)
    assert tokens == tokens_of(understand(prompt, seed=seed).concepts)


def test_tokens_are_distinct():
    assert len(set(TOKEN.values())) == len(CONCEPTS) == WORDS - 1


def test_what_a_prompt_leaves_open_is_taken_from_what_is_given():
    seen = {"subject": "car", "colour": "yellow", "scene": "sea"}
    understanding = understand("bouncing over the desert", seed=0, seen=seen)
    assert understanding.concepts == {"subject": "car", "colour": "yellow", "motion": "bounce", "scene": "desert"}
    assert understanding.seen == ("subject", "colour")
    assert "car" in " ".join(understanding.notices)


def test_how_a_given_clip_goes_on_is_left_to_the_model_where_the_prompt_is_silent():
    understanding = understand("a desert", seed=0, seen={"subject": "car", "colour": "yellow", "scene": "sea"})
    assert "motion" not in understanding.concepts
    assert tokens_of(understanding.concepts)[2] == NOTHING


def test_a_negative_prompt_steers_away_from_the_scene_that_it_names():
    assert negative_tokens("no clouds, a red thing") == [NOTHING] * 4
    assert negative_tokens("a red thing in the city") == [NOTHING] * 3 + [TOKEN["scene", "city"]]


@pytest.mark.parametrize(
    ("prompt", "left_out"),
    [("a red bear on a bicycle", "bicycle"), ("一只兔子在大树下", "tree"), ("an apple falls from a tree", "tree")],
)
def test_a_subject_that_is_not_shown_is_reported(prompt, left_out):
    understanding = understand(prompt, seed=0)
    assert understanding.others == (left_out,)
    assert f"not understood; left out: {left_out}" in understanding.notices[-1]


def test_what_stays_where_it_is_hovers_unless_told_otherwise():
    assert set(AT_REST) <= {c.name for c in BY_KIND["subject"]}
    for seed in range(20):
        assert understand("a red house", seed=seed).concepts["motion"] == "hover"
        assert understand("a red house", seed=seed, negative="hovering").concepts["motion"] != "hover"
    assert understand("a red house spins", seed=0).concepts["motion"] == "spin"
    assert len({understand("a red car", seed=seed).concepts["motion"] for seed in range(40)}) > 5


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unwanted_is_not_chosen(kind):
    for concept in BY_KIND[kind]:
        chosen = {understand("", seed=seed, negative=concept.en[0]).concepts[kind] for seed in range(60)}
        assert concept.name not in chosen
        assert len(chosen) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_all_that_is_unwanted_is_chosen(kind):
    names = [concept.name for concept in BY_KIND[kind]]
    kept, unwanted = names[:3], ", ".join(concept.en[0] for concept in BY_KIND[kind][3:])
    assert {understand("", seed=seed, negative=unwanted).concepts[kind] for seed in range(40)} == set(kept)
    every = ", ".join(concept.en[0] for concept in BY_KIND[kind])
    assert understand("", seed=0, negative=every).concepts[kind] in names


def test_nothing_unwanted_is_chosen_for_a_second_subject_or_beside_a_light():
    colours, scenes = (", ".join(c.en[0] for c in BY_KIND[kind][3:]) for kind in ("colour", "scene"))
    for seed in range(40):
        (companion,) = understand("a balloon and a fish", seed=seed, negative=colours).companions
        assert companion.concepts["colour"] in COLOURS[:3]
        concepts = understand("a red ball in the golden hour", seed=seed, negative=scenes).concepts
        assert concepts["scene"] in SCENES[:3]


@pytest.mark.parametrize(
    "prompt,move,motion",
    [
        ("the camera pans left over a red car", "pan left", None),
        ("panning left: a red car moving right", "pan left", "right"),
        ("zooming in on a red car moving right", "zoom in", "right"),
        ("a rocket rising while the camera tilts down slowly", "tilt down", "rise"),
        ("a right-to-left pan, a ball bounces", "pan left", "bounce"),
        ("the camera moves to the right, a fish swimming left", "pan right", "left"),
        ("dolly in on a star", "zoom in", None),
        ("the camera slowly pulls back from a boat", "zoom out", None),
        ("the camera rolls, a red ball falls", "roll", "fall"),
        ("a handheld shot of a fish", "handheld shake", None),
        ("crane up, a heart hovering", "tilt up", "hover"),
        ("static camera, a red ball rises", "still", "rise"),
        ("a red ball rolls to the right", "still", "roll"),
        ("a ball moving left", "still", "left"),
        ("镜头左移，一只红色气球在海面上升起", "pan left", "rise"),
        ("镜头缓缓向右平移，汽车向左行驶", "pan right", "left"),
        ("推近一辆向右行驶的红色汽车", "zoom in", "right"),
        ("镜头拉远，星星落下", "zoom out", "fall"),
        ("镜头向上摇，火箭升空", "tilt up", "rise"),
        ("镜头下摇", "tilt down", None),
        ("手持镜头，一只皮球弹跳", "handheld shake", "bounce"),
        ("镜头旋转，一条鱼", "roll", None),
        ("固定镜头，气球升起", "still", "rise"),
        ("镜头里向左移动的汽车", "still", "left"),
    ],
)
def test_the_camera_is_kept_apart_from_what_moves(prompt, move, motion):
    read, camera = named(prompt)
    assert camera.move == move
    assert read.found.get("motion") == motion
    assert not {"camera", "pan", "zoom", "left", "right"} & set(read.unknown)


def test_camera_words_change_no_token():
    plain = understand("a red ball", seed=5)
    assert understand("a red ball, the camera pans left", seed=5).concepts == plain.concepts
    assert plain.filmed.move == "still"


def test_every_concept_is_still_read_beside_the_cameras_words():
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            assert named(word)[1].move == "still", word


def test_what_is_assumed_of_the_camera_is_said():
    assert "pan right" in " ".join(understand("panning shot of a boat", seed=0).notices)
    assert "zoom in" in " ".join(understand("pan left then zoom in, a boat", seed=0).notices)


@given(st.text(alphabet="镜头缓慢速快地的向左移推拉上下", max_size=400))
def test_no_wording_makes_the_reader_slow(prompt):
    named(prompt)


@pytest.mark.parametrize(
    "prompt,scene,light",
    [
        ("a red ball at night", "night", None),
        ("a red ball over the sea at night", "sea", "night"),
        ("at night, a red ball over the sea", "sea", "night"),
        ("a boat by the beach, golden hour", "beach", "sunset"),
        ("a boat by the beach at dusk", "beach", "sunset"),
        ("a boat by the beach at dawn", "beach", "dawn"),
        ("a boat at sunset", "sunset", None),
        ("a boat at sunrise", "sunset", None),
        ("a car in the city in broad daylight", "city", "day"),
        ("a car in the city, early morning", "city", "dawn"),
        ("a star under a starry night sky", "night", None),
        ("a rocket in space over the desert", "night", None),
        ("一辆汽车在城市里，夜晚", "city", "night"),
        ("夜晚的城市里一辆汽车", "city", "night"),
        ("清晨的森林里一只气球", "forest", "dawn"),
        ("黄昏的海滩上一艘白色的船", "beach", "sunset"),
        ("白天，沙漠里一颗星星", "desert", "day"),
        ("夜空中紫色火箭升空", "night", None),
        ("a rabbit on the stage at night", "stage", "night"),
        ("at dusk, a kite by the waterfall", "waterfall", "sunset"),
        ("清晨的城堡前一只小狗", "castle", "dawn"),
    ],
)
def test_light_is_not_confused_with_scenes(prompt, scene, light):
    read, said = named(prompt)
    found = read.found
    assert (found["scene"], said.light) == (scene, light)


@pytest.mark.parametrize(
    "prompt,expected",
    [
        ("a red kite among fall leaves", {"subject": "kite", "colour": "red", "scene": "autumn"}),
        ("a ball falls in the autumn park", {"subject": "ball", "motion": "fall", "scene": "autumn"}),
        ("a star in the concert hall", {"subject": "star", "scene": "stage"}),
        ("秋天的树林里一只小熊", {"subject": "bear", "scene": "autumn"}),
    ],
)
def test_a_longer_name_wins_over_the_words_within_it(prompt, expected):
    assert named(prompt)[0].found == expected


@pytest.mark.parametrize(
    ("prompt", "scene", "light"),
    [
        ("at night", "sea", "night"),
        ("make it sunset", "sea", "sunset"),
        ("turn night into day", "sea", "day"),
        ("turn day into night", "sea", "night"),
        ("改成夜晚", "sea", "night"),
        ("at dawn over a city", "city", "dawn"),
        ("in space", "night", None),
        ("it rises", "sea", None),
    ],
)
def test_an_hour_is_the_light_of_a_place_that_is_there(prompt, scene, light):
    understanding = understand(prompt, seed=0, seen={"scene": "sea"}, placed=True)
    assert (understanding.concepts["scene"], understanding.filmed.light) == (scene, light)
    assert understanding.unknown == ()


def test_a_place_with_a_light_of_its_own_keeps_it():
    understanding = understand("a rabbit on the stage at night", seed=0)
    assert understanding.concepts["scene"] == "stage"
    assert "the scene stage has its own" in " ".join(understanding.notices)


def test_the_golden_hour_is_no_colour():
    assert "colour" not in named("a boat in the golden hour")[0].found
    assert "colour" not in named("白天的一艘船")[0].found


def test_a_scene_that_is_chosen_leaves_room_for_the_light():
    for seed in range(40):
        scene = understand("a red ball in the golden hour", seed=seed).concepts["scene"]
        assert scene not in OWN_LIGHT
    assert "has its own" in " ".join(understand("the night sky in the golden hour", seed=0).notices)


def test_no_concept_is_a_light():
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            assert named(word)[1].light is None, word
