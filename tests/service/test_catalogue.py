import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.service.catalogue import FAST, OURS, Catalogue, CreateVideo, plan_for, request_of
from generator.backends.bundled import BundledModel

SIDES = st.integers(10, 99_999)


def aspect(size: str) -> float:
    width, height = size.split("x")
    return int(width) / int(height)


@given(width=SIDES, height=SIDES)
def test_the_offered_size_of_the_nearest_shape_is_made(width, height):
    asked = f"{width}x{height}"
    made = FAST.size_for(asked)
    apart = {size: abs(math.log(aspect(size) / aspect(asked))) for size in FAST.sizes}
    assert apart[made] == pytest.approx(min(apart.values()), abs=1e-8)


@pytest.mark.parametrize("size", {size for offer in OURS for size in offer.sizes})
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


def test_what_is_made_of_a_video_has_its_size():
    asked = CreateVideo(prompt="a red ball")
    plan = plan_for(Catalogue({}), asked, {"video": "video_1", "size": "288x512", "at": "start"})
    assert (plan["size"], plan["notices"]) == ("288x512", [])
