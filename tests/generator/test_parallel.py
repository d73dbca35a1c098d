"""Two processes on one video, over Gloo on a CPU."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
import torch

from countermark.core.errors import ConfigurationError, GenerationError
from countermark.core.settings import Settings
from generator import GenerationRequest, Studio
from generator.backends.bundled import BundledModel
from generator.dit import parallel
from generator.dit.device import PLAIN, Execution
from generator.dit.networks import load_transformer
from generator.dit.parallel import Team, team
from generator.model import GenerationCancelledError, Inputs
from provenance.registry import open_registry

pytestmark = [
    pytest.mark.skipif(torch.cuda.is_available(), reason="written for the CPU"),
    pytest.mark.timeout(600),  # each process imports torch first
]
TWO = Execution(processes=2)
REQUEST = GenerationRequest(prompt="a red ball hovering over the snow", seed=3, seconds=0.5, size=(192, 192))


@pytest.fixture(scope="module")
def followers() -> Iterator[Team]:
    yield team(TWO)
    team(TWO).close()


def inputs(batch: int, frames: int, rows: int, columns: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, frames, 24, rows, columns, generator=generator),
        torch.rand(batch, frames, generator=generator),
        torch.randint(1, 9, (batch, 4), generator=generator),
    )


def agrees(shape: tuple[int, int, int, int]) -> bool:
    with torch.inference_mode():
        alone = load_transformer("transformer_fast", PLAIN)(*inputs(*shape))
        together = load_transformer("transformer_fast", TWO)(*inputs(*shape))
    return torch.allclose(alone, together, atol=1e-4)


def sampled(execution: Execution, cancelled=lambda: False) -> np.ndarray:
    chunks = BundledModel(fast=True, execution=execution).sample(
        REQUEST, Inputs(), on_progress=lambda *_: None, on_notice=lambda _: None, cancelled=cancelled
    )
    return np.concatenate(list(chunks))


@pytest.mark.parametrize("shape", [(1, 1, 4, 4), (2, 3, 8, 8), (1, 2, 12, 12), (3, 1, 4, 20)])  # 1, 4, 9, 5 tokens
def test_two_processes_compute_what_one_does(followers, shape):
    assert agrees(shape)


def test_a_clip_is_the_same_and_cancelling_leaves_the_processes_at_work(followers):
    members = followers._followers
    asked = count()
    with pytest.raises(GenerationCancelledError):
        sampled(TWO, cancelled=lambda: next(asked) == 2)  # asked once a step
    assert next(asked) == 3
    assert np.abs(sampled(TWO).astype(int) - sampled(PLAIN)).max() <= 1
    assert followers._followers is members


def test_one_decision_one_sealed_file_one_entry(followers, tmp_path):
    (tmp_path / "out").mkdir()
    settings = Settings(home=tmp_path / "home", generator_processes=2)
    made = Studio("bundled:fast", settings=settings).generate(REQUEST, tmp_path / "out" / "clip.mp4")
    assert list((tmp_path / "out").iterdir()) == [made.path]
    with open_registry(settings) as registry:
        assert registry.count() == 1
    assert len(followers._followers) == 1  # it has taken part


def test_a_follower_that_fails_is_an_error_and_is_replaced(followers, monkeypatch):
    assert agrees((1, 1, 4, 4))
    (follower,) = followers._followers
    follower.kill()
    follower.wait()
    with monkeypatch.context() as patched:
        patched.setattr(followers, "_gather", lambda: None)  # as if it had died after it was looked at
        with pytest.raises(GenerationError, match="2 processes could not share the work"):
            agrees((1, 1, 4, 4))
    assert followers._followers == []
    assert agrees((1, 1, 4, 4))


def test_a_follower_ends_with_its_input(followers):
    assert agrees((1, 1, 4, 4))
    (follower,) = followers._followers
    follower.stdin.close()
    assert follower.wait(60) == 0


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(parallel.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(parallel.torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigurationError, match="there are 1 GPUs"):
        Team(Execution(processes=3)).led("transformer", torch.zeros_like)()
