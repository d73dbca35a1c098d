from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.dit.autoencoder import GROUP, Autoencoder, AutoencoderConfig
from generator.dit.flow import flow_loss, sample, schedule, training_levels
from generator.dit.planner import Planner, decode_plan, encode_plan, make_plan
from generator.dit.transformer import TransformerConfig, VideoTransformer, attention, plan_maps

TINY = TransformerConfig(words=9, latent=4, patch=2, local=8, head=8, width=48, depth=2, heads=2)


def a_plan(batch: int, latent_frames: int) -> torch.Tensor:
    return torch.tensor([0.4, 0.6, 0.3]).expand(batch, 1 + GROUP * (latent_frames - 1), 3)


def tiny_transformer() -> VideoTransformer:
    torch.manual_seed(0)
    model = VideoTransformer(TINY)
    for parameter in model.parameters():  # zero-initialised layers would hide everything behind them
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


@pytest.fixture(scope="module")
def autoencoder() -> Autoencoder:
    torch.manual_seed(0)
    model = Autoencoder(AutoencoderConfig(latent=8, decoder=(32, 16, 16))).eval()
    ramp = torch.linspace(-1, 1, 64).expand(3, 64, 64)
    model.fit(torch.stack([ramp * torch.rand(()) + torch.rand(4, 3, 1, 1) - 0.5 for _ in range(32)]))
    return model


def test_the_linear_code_returns_what_it_was_fitted_on(autoencoder):
    video = torch.linspace(-0.4, 0.4, 64).expand(1, 9, 3, 64, 64)
    assert (autoencoder.decode(autoencoder.encode(video)) - video).abs().mean() < 0.05


def test_latents_are_causal_and_groups_independent(autoencoder):
    torch.manual_seed(1)
    video = torch.rand(1, 1 + 2 * GROUP, 3, 32, 32) * 2 - 1
    latents = autoencoder.encode(video)
    assert latents.shape == (1, 3, 8, 2, 2)
    assert torch.allclose(autoencoder.encode(video[:, : 1 + GROUP]), latents[:, :2], atol=1e-5)
    assert torch.allclose(autoencoder.decode(latents)[:, : 1 + GROUP], autoencoder.decode(latents[:, :2]), atol=1e-5)


def test_a_clip_of_the_wrong_length_is_refused(autoencoder):
    with pytest.raises(ValueError, match="1 \\+ 4n"):
        autoencoder.encode(torch.zeros(1, 6, 3, 32, 32))


@given(frames=st.integers(1, 4), rows=st.integers(1, 4), columns=st.integers(1, 4))
@settings(max_examples=12, deadline=None)
def test_the_transformer_takes_any_length_and_ratio(frames, rows, columns):
    model = tiny_transformer()
    noisy = torch.randn(2, frames, 4, 2 * rows, 2 * columns)
    out = model(noisy, torch.rand(2, frames), torch.randint(0, 9, (2, 4)), a_plan(2, frames))
    assert out.shape == noisy.shape
    assert out.isfinite().all()


def test_sides_that_do_not_fit_the_patch_are_refused():
    with pytest.raises(ValueError, match="multiples of 2"):
        tiny_transformer()(
            torch.zeros(1, 1, 4, 3, 4), torch.zeros(1, 1), torch.zeros(1, 4, dtype=torch.int64), a_plan(1, 1)
        )


def test_words_levels_and_the_plan_matter():
    model, noisy = tiny_transformer(), torch.randn(1, 2, 4, 4, 4)
    level, words, plan = torch.full((1, 2), 0.5), torch.tensor([[1, 2, 3, 4]]), a_plan(1, 2)
    base = model(noisy, level, words, plan)
    assert not torch.allclose(base, model(noisy, level, torch.tensor([[5, 2, 3, 4]]), plan), atol=1e-4)
    assert not torch.allclose(base, model(noisy, level * 1.5, words, plan), atol=1e-4)
    assert not torch.allclose(base, model(noisy, level, words, plan + 0.1), atol=1e-4)


def test_plan_maps_tell_where_the_subject_is():
    plan = torch.tensor([[[0.25, 0.5, 0.25]]])
    maps = plan_maps(plan, 16, 32)  # 2:1, so the subject is 4 pixels wide around column 8
    assert maps.shape == (1, 1, 12, 16, 32)
    near = maps[0, 0, 2] > 0
    assert near[7, 7]
    assert not near[7, 20]
    assert maps[0, 0, 0, 8, 9] == pytest.approx(1.5 / 2)  # 1.5 pixels right of the centre, in half sizes
    assert (plan_maps(plan * torch.tensor([1, 1, 0.0]), 16, 32) == 0).all()  # size 0 leaves the place to the model


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=5, deadline=None)
def test_a_plan_is_fixed_by_its_seed(seed):
    torch.manual_seed(0)
    planner, words = Planner(9, frames=5, width=16, depth=1).eval(), torch.tensor([[1, 2, 3, 4]])
    plan = make_plan(planner, words, seed=seed, steps=3)
    assert plan.shape == (1, 5, 3)
    assert torch.equal(plan, make_plan(planner, words, seed=seed, steps=3))
    assert torch.allclose(decode_plan(encode_plan(plan)), plan, atol=1e-5)


def test_both_attention_paths_agree():
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 40, 8) for _ in range(3))
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(attention(q, k, v), fused, atol=1e-5)


@given(steps=st.integers(1, 50), shift=st.floats(1, 8))
def test_the_schedule_falls_from_one_to_zero(steps, shift):
    levels = schedule(steps, shift=shift)
    assert len(levels) == steps + 1
    assert levels[0] == pytest.approx(1)
    assert levels[-1] == 0
    assert all(a > b for a, b in pairwise(levels))


@given(steps=st.integers(1, 8), guidance=st.sampled_from([1.0, 2.5]))
@settings(max_examples=10, deadline=None)
def test_a_perfect_network_is_sampled_exactly_and_has_no_loss(steps, guidance):
    clean = torch.randn(1, 2, 4, 4, 4)

    def oracle(noisy, level, words):
        return clean.expand(noisy.shape)

    words = torch.zeros(1, 4, dtype=torch.int64)
    *_, last = sample(oracle, torch.randn_like(clean), words, steps=steps, guidance=guidance)
    assert torch.allclose(last, clean, atol=1e-5)
    assert flow_loss(oracle, clean, words, torch.rand(1, 2) + 0.01) == 0


def test_given_frames_have_level_zero_and_no_loss():
    torch.manual_seed(0)
    level = training_levels(400, 5, mean=1.0, clean_share=0.5)
    given = (level == 0).any(1)
    assert 0.4 < given.float().mean() < 0.6
    assert (level > 0).any(1).all()

    clean = torch.zeros(1, 2, 4, 4, 4)
    wrong_on_given_frames = torch.cat((torch.ones(1, 1, 4, 4, 4), torch.zeros(1, 1, 4, 4, 4)), dim=1)
    loss = flow_loss(lambda *_: wrong_on_given_frames, clean, torch.zeros(1, 4), torch.tensor([[0.0, 0.7]]))
    assert loss == 0


def test_training_reduces_the_loss():
    torch.manual_seed(0)
    model = VideoTransformer(TINY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    clean = torch.randn(4, 2, 4, 4, 4)
    words = torch.tensor([[1, 2, 3, 4], [2, 2, 3, 4], [3, 2, 3, 4], [4, 2, 3, 4]])
    network = partial(model, plan=a_plan(4, 2))
    losses = []
    for _ in range(150):
        loss = flow_loss(network, clean, words, torch.full((4, 2), 0.9))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
