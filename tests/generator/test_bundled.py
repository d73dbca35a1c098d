import numpy as np
import pytest
import torch

from countermark.core.errors import WeightsError
from generator.backends import bundled
from generator.backends.bundled import BundledModel, load_networks
from generator.dit.planner import make_plan
from generator.dit.text import understand
from generator.request import GenerationRequest


def frames_for(prompt: str, *, seed: int = 0, steps: int = 8) -> np.ndarray:
    heard: list[tuple[int, int]] = []
    request = GenerationRequest(prompt=prompt, seed=seed, steps=steps)
    chunks = list(BundledModel().sample(request, on_progress=lambda *step: heard.append(step)))
    assert heard == [(i, steps) for i in range(1, steps + 1)]
    return np.concatenate(chunks)


@pytest.fixture(scope="module")
def red_ball() -> np.ndarray:
    return frames_for("a red ball hovering over the snow", seed=3)


def plan_for(prompt: str, *, seed: int) -> np.ndarray:
    words = torch.tensor([understand(prompt, seed=seed).tokens])
    return make_plan(load_networks().planner, words, seed=seed)[0].numpy()


def test_a_clip_has_the_promised_shape(red_ball):
    assert red_ball.shape == (25, 256, 256, 3)
    assert red_ball.dtype == np.uint8


def test_the_same_seed_gives_the_same_frames_bit_for_bit(red_ball):
    assert np.array_equal(red_ball, frames_for("a red ball hovering over the snow", seed=3))
    assert not np.array_equal(red_ball, frames_for("a red ball hovering over the snow", seed=4))


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


def test_damaged_weights_are_an_error_with_a_remedy(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(bundled, "load_file", lambda path: {})
        load_networks.cache_clear()
        with pytest.raises(WeightsError, match="Install countermark again"):
            load_networks()
    load_networks.cache_clear()
