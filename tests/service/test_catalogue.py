import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.core.errors import ConfigurationError
from countermark.service import catalogue
from countermark.service.asked import CreateImage, CreateVideo, EditVideo, ExtendVideo
from countermark.service.catalogue import FAST, OURS, Catalogue
from countermark.service.faults import ApiError
from countermark.service.options import get_service_settings
from countermark.service.plans import PATH, plan_for, request_of
from generator.backends.bundled import BundledModel
from generator.families import FAMILIES

SIDES = st.integers(10, 99_999)
PROMPTED = [name for name, family in FAMILIES.items() if "text" in family.pipelines]
GIVEN = {
    "image": (CreateVideo, {"at": "start", "still": True}),
    "extend": (ExtendVideo, {"at": "start"}),
    "edit": (EditVideo, {"at": "whole", "strength": 0.5}),
}


def indexed(folder: Path, family: str) -> Path:
    """A folder that says which family it is of, and holds no weights."""
    folder.mkdir()
    name, *kind = family.split()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": name, **dict.fromkeys(kind, True)}))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("weights")
    return {family: indexed(root / family, family) for family in FAMILIES}


@pytest.fixture
def wan(folders) -> Catalogue:
    return Catalogue({"wan": f"open-weights:{folders['WanPipeline']}@832x480,480x832", "engine": "openai:w@640x480"})


def aspect(size: str) -> float:
    width, height = size.split("x")
    return int(width) / int(height)


@given(width=SIDES, height=SIDES)
def test_the_offered_size_of_the_nearest_shape_is_made(width, height):
    asked = f"{width}x{height}"
    made = FAST.size_for(asked)
    apart = {size: abs(math.log(aspect(size) / aspect(asked))) for size in FAST.sizes}
    assert apart[made] == pytest.approx(min(apart.values()), abs=1e-8)


@pytest.mark.parametrize("size", sorted({size for offer in OURS for size in offer.sizes}))
def test_the_bundled_model_makes_what_is_offered(size):
    width, height = map(int, size.split("x"))
    assert BundledModel().size_for((width, height)) == (width, height)


@pytest.mark.parametrize(
    ("asked", "made", "notices"),
    [
        (None, (256, 256), 0),
        ("512x288", (512, 288), 0),
        ("1280x720", (1280, 720), 0),
        ("1024x1792", (720, 1280), 1),
        ("640x360", (512, 288), 1),
    ],
)
def test_a_plan_says_what_is_made(asked, made, notices):
    plan = plan_for(Catalogue({}), CreateVideo(prompt="a red ball", size=asked))
    assert request_of(plan, lambda _: pytest.fail("nothing is given")).size == made
    assert len(plan["notices"]) == notices


@pytest.mark.parametrize("asked", [CreateVideo(prompt="a", fps=24), ExtendVideo(prompt="a", fps=24)])
def test_our_own_models_make_the_rate_that_is_asked_for(asked):
    given = {"at": "start"} if isinstance(asked, ExtendVideo) else None
    plan = plan_for(Catalogue({}), asked, *([given] if given else []))
    assert request_of(plan, lambda _: PATH).fps == 24


def test_what_is_made_of_a_video_has_its_size():
    asked = CreateVideo(prompt="a red ball")
    plan = plan_for(Catalogue({}), asked, {"video": "video_1", "size": "288x512", "at": "start"})
    assert (plan["size"], plan["notices"]) == ("288x512", [])


@given(st.lists(st.tuples(*[st.integers(64, 4096)] * 2), min_size=1, max_size=5), st.text("ab/.:@x1 ", min_size=1))
def test_an_engine_has_any_number_of_sizes(sizes, name):
    words = [f"{width}x{height}" for width, height in sizes]
    offer = Catalogue({"engine": f"openai:{name}@{','.join(words)}"}).find("engine")
    assert offer.sizes == tuple(dict.fromkeys(words))
    assert offer.backend == f"openai:{name}@{words[0]}"


@pytest.mark.parametrize("family", PROMPTED)
def test_open_weights_are_offered_as_their_family_makes_them(folders, family):
    side = FAMILIES[family].side
    offered = Catalogue({"it": f"open-weights:{folders[family]}@{8 * side}x{4 * side},{4 * side}x{8 * side}"})
    offer = offered.find("it")
    assert offer.backend == f"open-weights:{folders[family]}"
    assert offer.size_for("720x1280") == f"{4 * side}x{8 * side}"
    plan = plan_for(offered, CreateVideo(prompt="a red ball", model="it"))
    assert (plan["size"], plan["length"], plan["seconds"]) == (offer.sizes[0], None, offer.seconds)


@given(st.sampled_from(PROMPTED), st.integers(0, 9999))
def test_the_planned_length_is_one_that_the_family_makes(folders, family, seconds):
    offered = Catalogue({"it": f"open-weights:{folders[family]}@640x480"})
    plan = plan_for(offered, CreateVideo(prompt="a red ball", model="it", seconds=str(seconds)))
    made = request_of(plan, lambda _: pytest.fail("nothing is given")).seconds
    assert 1 <= round(made * FAMILIES[family].fps) <= FAMILIES[family].longest
    assert bool(plan["notices"]) == (made != seconds)


@given(st.sampled_from([(f, t) for f in FAMILIES for t in GIVEN if t in FAMILIES[f].pipelines]), st.integers(1, 9999))
def test_open_weights_take_what_their_family_takes(folders, chosen, seconds):
    family, task = FAMILIES[chosen[0]], chosen[1]
    kind, given_ = GIVEN[task]
    offered = Catalogue({"it": f"open-weights:{folders[chosen[0]]}@640x480"})
    options = {} if task == "edit" else {"seconds": str(seconds)}
    plan = plan_for(offered, kind(prompt="a red ball", model="it", **options), given_)
    request = request_of(plan, lambda _: PATH)
    assert request.task == task
    if task != "edit":
        known = 1 if task == "image" else family.context
        assert 1 <= round(request.seconds * family.fps) <= family.longest - known


def test_weights_that_know_of_rates_are_asked_for_one(folders):
    offered = Catalogue({"it": f"open-weights:{folders['LTXPipeline']}@640x480"})
    plan = plan_for(offered, CreateVideo(prompt="a red ball", model="it", fps=50, seconds="60"))
    request = request_of(plan, lambda _: pytest.fail("nothing is given"))
    assert round(request.seconds * 50) == FAMILIES["LTXPipeline"].longest
    assert plan_for(offered, CreateVideo(prompt="a red ball", model="it", fps=50))["seconds"] == "5"  # 257 frames


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "another form"),
        ("wan", "another form"),
        ("bundled", "another form"),
        ("openai:wan", "another form"),
        ("openai:@640x480", "another form"),
        ("openai:wan@640x480,", "another form"),
        ("openai:wan@640x48O", "another form"),
        ("openai:wan@0640x480", "another form"),
        ("openai:wan@640x32", "cannot make 640x32"),
        ("openai:wan@640x4097", "cannot make 640x4097"),
        ("open-weights:{WanPipeline}", "another form"),
        ("open-weights:{WanPipeline}@832x480,832x488", "cannot make 832x488.* multiples of 16"),
        ("open-weights:{LTXPipeline}@704x496", "cannot make 704x496.* multiples of 32"),
        ("open-weights:{WanPipeline}/none@832x480", "no weights.* Fetch them"),
        ("open-weights:nobody/nothing@832x480", "no weights.* Fetch them"),
    ],
)
def test_what_cannot_be_offered_is_said_with_its_name_and_a_remedy(folders, value, said):
    with pytest.raises(ConfigurationError, match=f"'wan' of COUNTERMARK_SERVICE_MODELS.*{said}"):
        Catalogue({"wan": value.format_map(folders)})


def test_an_unknown_family_is_not_offered(tmp_path):
    folder = indexed(tmp_path / "other", "StableDiffusionPipeline")
    with pytest.raises(ConfigurationError, match=r"StableDiffusionPipeline, which is not supported.* WanPipeline"):
        Catalogue({"other": f"open-weights:{folder}@832x480"})


def test_models_that_are_no_json_are_an_error_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("COUNTERMARK_SERVICE_MODELS", "{wan")
    with pytest.raises(ConfigurationError, match="COUNTERMARK_SERVICE_MODELS is not usable: it is not JSON"):
        get_service_settings.__wrapped__()


def test_a_package_that_is_missing_is_named_before_work_starts(wan, monkeypatch):
    wan.check_packages()
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None if name == "diffusers" else object())
    with pytest.raises(ConfigurationError, match=r"'wan' needs diffusers.*countermark\[open-weights\]"):
        wan.check_packages()


SHOTS = [{"prompt": "a red ball", "seconds": 5.0}, {"prompt": "the sea", "seconds": 2.0}]


def test_open_weights_make_storyboards_with_cuts(wan):
    plan = plan_for(wan, CreateVideo(prompt="two shots", model="wan", shots=SHOTS))
    assert plan["seconds"] == "7"
    assert [shot.seconds for shot in request_of(plan, lambda _: pytest.fail("nothing is given")).shots] == [5.0, 2.0]


@pytest.mark.parametrize(
    ("asked", "given_", "param"),
    [
        (CreateVideo(prompt="a", model="wan"), {"at": "start", "still": True}, "model"),
        (CreateVideo(prompt="a", model="wan", loop=True), None, "model"),
        (EditVideo(prompt="a", model="wan"), {"at": "whole", "strength": 0.0, "mask": "where.png"}, "model"),
        (ExtendVideo(prompt="a", model="wan"), {"at": "end"}, "model"),
        (CreateImage(prompt="a", model="wan"), None, "model"),
        (CreateVideo(prompt="a", model="wan", shots=[SHOTS[0] | {"seconds": 5.1}]), None, "shots"),
        (CreateVideo(prompt="a", model="wan", shots=[SHOTS[0], SHOTS[0] | {"transition": "blend"}]), None, "model"),
        (CreateVideo(prompt="a", model="wan", fps=24), None, "fps"),
        (CreateVideo(prompt="a", model="engine", shots=SHOTS), None, "model"),
        (CreateVideo(prompt="a", model="engine"), {"at": "start"}, "model"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_before_work_starts(wan, asked, given_, param):
    with pytest.raises(ApiError, match=asked.model) as refused:
        plan_for(wan, asked, *([given_] if given_ else []))
    assert (refused.value.status, refused.value.fault.param) == (400, param)


def test_a_server_that_offers_open_weights_loads_neither_them_nor_torch(folders):
    code = """
import sys
from countermark.service.server import Catalogue
Catalogue({"wan": sys.argv[1]})
print({"torch", "diffusers", "transformers"} & sys.modules.keys())
"""
    value = f"open-weights:{folders['WanPipeline']}@832x480"
    done = subprocess.run([sys.executable, "-c", code, value], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
