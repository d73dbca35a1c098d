import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from generator.dit import plans
from generator.dit.autoencoder import Autoencoder, AutoencoderConfig, led_on
from generator.dit.canvas import Canvas
from generator.dit.flow import SHIFT, Given, at_level, flow_loss, sample, schedule, training_levels
from generator.dit.locator import GRID, Locator, linear, steady
from generator.dit.networks import FAST_STEPS, load_networks
from generator.dit.piece import Piece, shown
from generator.dit.places import GROUP, off_subject, place_maps
from generator.dit.planner import Planner, decode_plan, encode_plan, make_plan
from generator.dit.plans import long_plan, way_between
from generator.dit.timeline import LARGEST, OVERLAP, Timeline, sample_timeline, windows
from generator.dit.training.__main__ import main as train
from generator.dit.training.distillation import SUBSTEPS, distillation_loss, target_of
from generator.dit.training.locator import fit, ridge
from generator.dit.training.start import start_from
from generator.dit.transformer import TransformerConfig, VideoTransformer, attention
from generator.dit.views import View

TINY = TransformerConfig(words=9, latent=4, patch=2, local=8, head=8, width=48, depth=2, heads=2)


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
    model.fit(torch.stack([ramp * torch.rand(()) + torch.rand(3, 1, 1) - 0.5 for _ in range(64)]))
    return model


def test_the_linear_code_returns_what_it_was_fitted_on(autoencoder):
    video = torch.linspace(-0.4, 0.4, 64).expand(1, 9, 3, 64, 64)
    assert (autoencoder.decode(autoencoder.encode(video)) - video).abs().mean() < 0.05


def test_every_fourth_frame_is_coded_by_itself_and_decoded_without_later_ones(autoencoder):
    torch.manual_seed(1)
    video = torch.rand(1, 1 + 2 * GROUP, 3, 32, 32) * 2 - 1
    latents = autoencoder.encode(video)
    assert latents.shape == (1, 3, 8, 2, 2)
    assert torch.allclose(autoencoder.encode_frames(video[0, [0, GROUP]]), latents[0, :2], atol=1e-5)
    whole, part = autoencoder.decode(latents), autoencoder.decode(latents[:, :2])
    assert torch.allclose(whole[:, : 1 + GROUP], part, atol=1e-5)


def test_between_two_codes_one_frame_fades_into_the_other(autoencoder):
    """Before any training; what it learns is added to that."""
    untrained = Autoencoder(autoencoder.config).eval()
    untrained.fit(torch.rand(64, 3, 32, 32))
    before, latents = torch.randn(2, 1, 8, 2, 2)
    frames = untrained.decode_groups(before, latents)[0]
    for frame, code in ((frames[0], before), (frames[-1], latents)):
        assert torch.allclose(frame, untrained.decode_groups(code, code)[0, 2], atol=1e-5)
    steps = frames.diff(dim=0)
    assert torch.allclose(steps, steps[:1].expand_as(steps), atol=1e-5)


def test_a_group_begins_where_the_one_before_ended():
    group, last = torch.randn(2, 1 + GROUP, 3, 4, 4), torch.randn(2, 3, 4, 4)
    led = led_on(group, last)
    assert torch.equal(led[:, -1], group[:, -1])
    assert torch.allclose(led_on(group, group[:, 0]), group[:, 1:], atol=1e-6)
    off = torch.cat((last[:, None], led), dim=1) - group
    assert torch.allclose(off.diff(dim=1), off.diff(dim=1)[:, :1].expand(-1, GROUP, -1, -1, -1), atol=1e-5)


@given(groups=st.integers(1, 3), missing=st.integers(0, GROUP - 1))
@settings(max_examples=8)
@torch.inference_mode()
def test_a_piece_that_goes_on_shows_all_but_the_frame_before(groups, missing):
    networks = load_networks()
    latents = torch.randn(1 + groups, networks.autoencoder.config.latent, 4, 4)
    count = GROUP * groups - missing
    whole = torch.cat(list(shown(networks, Piece(latents, (), 1 + count, start=True))))
    rest = torch.cat(list(shown(networks, Piece(latents, (), count, start=False))))
    assert len(whole) == 1 + count
    assert torch.equal(whole[1:], rest)


@given(frames=st.integers(1, 40), at_end=st.booleans())
def test_given_frames_are_coded_up_to_where_something_joins_them(frames, at_end):
    coded = View(torch.zeros(frames, 3, 1, 1), torch.zeros(frames, 3), {}).coded(at_end=at_end)
    assert coded[-1 if at_end else 0] == (frames - 1 if at_end else 0)
    assert all(b - a == GROUP for a, b in pairwise(coded))
    assert 1 <= len(coded) <= OVERLAP


def test_a_clip_of_the_wrong_length_is_refused(autoencoder):
    with pytest.raises(ValueError, match="1 \\+ 4n"):
        autoencoder.encode(torch.zeros(1, 6, 3, 32, 32))


@given(frames=st.integers(1, 4), rows=st.integers(1, 4), columns=st.integers(1, 4))
@settings(max_examples=12)
def test_the_transformer_takes_any_length_and_ratio(frames, rows, columns):
    model = tiny_transformer()
    noisy = torch.randn(2, frames, 4, 2 * rows, 2 * columns)
    out = model(noisy, torch.rand(2, frames), torch.randint(0, 9, (2, 4)))
    assert out.shape == noisy.shape
    assert out.isfinite().all()


def test_sides_that_do_not_fit_the_patch_are_refused():
    with pytest.raises(ValueError, match="multiples of 2"):
        tiny_transformer()(torch.zeros(1, 1, 4, 3, 4), torch.zeros(1, 1), torch.zeros(1, 4, dtype=torch.int64))


def test_words_and_levels_matter():
    model, noisy = tiny_transformer(), torch.randn(1, 2, 4, 4, 4)
    level, words = torch.full((1, 2), 0.5), torch.tensor([[1, 2, 3, 4]])
    base = model(noisy, level, words)
    assert not torch.allclose(base, model(noisy, level, torch.tensor([[5, 2, 3, 4]])), atol=1e-4)
    assert not torch.allclose(base, model(noisy, level * 1.5, words), atol=1e-4)


def test_place_maps_tell_where_the_subject_is():
    plan = torch.tensor([0.25, 0.5, 0.25]).expand(1, 1, GROUP, 3)
    maps = place_maps(plan, 16, 32)  # 2:1, so the subject is 4 pixels wide around column 8
    assert maps.shape == (1, 1, GROUP, 3, 16, 32)
    near = maps[0, 0, 0, 2] > 0
    assert near[7, 7]
    assert not near[7, 20]
    assert maps[0, 0, 0, 0, 8, 9] == pytest.approx(1.5 / 2)  # 1.5 pixels right of the centre, in half sizes
    assert (place_maps(plan * torch.tensor([1, 1, 0.0]), 16, 32) == 0).all()  # size 0 leaves the place to the model


def test_off_the_subject_is_where_it_is_not():
    away = off_subject(torch.tensor([0.5, 0.5, 0.25]), 64, 128)[0]
    assert away[32, 64] == 0
    assert away[32, 64 + 7] == 0  # within half of 16 pixels
    assert away[32, 64 + 14] == 1
    assert away[2, 2] == 1
    assert (off_subject(torch.tensor([0.5, 0.5, 0.0]), 64, 64) > 0.9).float().mean() > 0.99  # nobody knows where


@given(width=st.integers(8, 32), height=st.integers(8, 32))
@settings(max_examples=20)
def test_a_canvas_holds_a_picture_in_its_middle(width, height):
    canvas = Canvas(16 * width, 16 * height)
    rgb = np.random.default_rng(0).integers(0, 255, (1, 16 * height, 16 * width, 3)).astype(np.uint8)
    whole = canvas.around(rgb)
    assert whole.shape == (1, 16 * canvas.rows, 16 * canvas.columns, 3)
    assert canvas.rows % 4 == canvas.columns % 4 == 0
    back = canvas.picture(torch.from_numpy(whole).permute(0, 3, 1, 2))
    assert np.array_equal(back.permute(0, 2, 3, 1).numpy(), rgb)


def test_only_what_the_mask_leaves_whole_is_kept():
    canvas = Canvas(64, 48)  # on a canvas of 64 x 64
    mask = np.zeros((48, 64), bool)
    mask[20, 40] = True
    kept = canvas.kept(mask)
    assert kept.shape == (4, 4)
    assert (~kept).nonzero().tolist() == [[1, 2]]  # 8 rows are above the picture


def test_what_is_kept_is_there_at_the_end_and_as_noisy_as_the_rest_before():
    seen = []

    def network(noisy, level, words):
        seen.append((noisy[0, 0, 0].std().item(), level.mean().item()))
        return torch.zeros_like(noisy)

    keep = torch.zeros(8, 8, dtype=torch.bool)
    keep[:, :4] = True
    given = Given(torch.full((1, 2, 3, 8, 8), 5.0), torch.ones(1, 2), keep)
    words = torch.zeros(1, 4, dtype=torch.int64)
    *_, last = sample(network, torch.randn(1, 2, 3, 8, 8), words, steps=5, guidance=1.0, given=given)
    assert torch.allclose(last[..., :4], torch.tensor(5.0))
    assert last[..., 4:].abs().max() < 1e-5
    assert seen[0][0] == pytest.approx(1, abs=0.4)
    assert seen[-1][0] > 1.5  # half of it is nearly 5, half nearly 0


def tiny_planner() -> Planner:
    torch.manual_seed(0)
    return Planner(9, frames=25, width=16, depth=1).eval()


WORDS = torch.tensor([1, 2, 3, 4])


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=5)
def test_a_plan_is_fixed_by_its_seed(seed):
    plan = make_plan(tiny_planner(), WORDS[None], seed=seed, steps=3)
    assert plan.shape == (1, 25, 3)
    assert torch.equal(plan, make_plan(tiny_planner(), WORDS[None], seed=seed, steps=3))
    assert torch.allclose(decode_plan(encode_plan(plan)), plan, atol=1e-5)


@given(frames=st.integers(1, 60), given_frames=st.integers(1, 14), end=st.sampled_from(["", "before", "after"]))
@settings(max_examples=12)
def test_a_plan_has_any_length_beside_any_end(frames, given_frames, end):
    known = 0.2 + 0.6 * torch.rand(given_frames, 3)
    beside = {end: known} if end else {}
    plan = long_plan(tiny_planner(), WORDS, frames, seed=0, stretched=frames % 2 == 0, **beside)
    for each in (plan, way_between(known, known.flip(0), frames)):
        assert each.shape == (frames, 3)
        assert each.isfinite().all()


def test_a_bridge_leaves_and_arrives_smoothly():
    before = torch.tensor([[0.2, 0.5, 0.3], [0.21, 0.5, 0.3]])
    after = torch.tensor([[0.7, 0.4, 0.4], [0.71, 0.4, 0.4]])
    way = torch.cat((before, way_between(before, after, 24), after))
    assert way.diff(dim=0).abs().max() < 0.04


class DraftsOf(torch.nn.Module):
    """In the place of a planner: drafts that hop with this period, from everywhere."""

    frames = 25

    def hops(self, period: float) -> torch.Tensor:
        phase = torch.rand(256, 1, generator=torch.Generator().manual_seed(0))
        s = (torch.arange(25)[None] / period + phase) % 1
        return torch.stack((torch.full_like(s, 0.5), 0.7 - 1.6 * s * (1 - s), torch.full_like(s, 0.35)), dim=-1)


@pytest.mark.parametrize("backward", [False, True])
def test_a_movement_goes_on_as_it_was(monkeypatch, backward):
    drafts = DraftsOf()
    monkeypatch.setattr(plans, "make_plan", lambda *_, **__: drafts.hops(10.0))
    s = (torch.arange(72) / 10.0 + 0.33) % 1
    truth = torch.stack((torch.full((72,), 0.5), 0.7 - 1.6 * s * (1 - s), torch.full((72,), 0.35)), dim=-1)
    known = {"after": truth[60:]} if backward else {"before": truth[:12]}
    made = long_plan(drafts, WORDS, 60, seed=0, **known)
    assert (made - (truth[:60] if backward else truth[12:])).abs().max() < 0.08


def test_a_movement_that_goes_on_stays_in_the_picture(monkeypatch):
    rising = torch.stack((torch.full((25,), 0.5), torch.linspace(0.75, 0.25, 25), torch.full((25,), 0.35)), dim=-1)
    monkeypatch.setattr(plans, "make_plan", lambda *_, **__: rising.expand(256, -1, -1))
    made = long_plan(DraftsOf(), WORDS, 60, seed=0, before=rising[-12:] - torch.tensor([0, 0.05, 0]))
    assert made[:, 1].min() >= 0.13
    assert (made[:, 1].diff() <= 1e-6).all()


class Filler(torch.nn.Module):
    """Predicts frames filled with their prompt's first word."""

    def forward(self, noisy: torch.Tensor, level: torch.Tensor, words: torch.Tensor):
        return words[:, 0, None, None, None, None].expand(noisy.shape).float()


def timeline(free: torch.Tensor, words: torch.Tensor) -> Timeline:
    return Timeline(torch.full((len(free), 2, 4, 4), 9.0), free, words)


@given(length=st.integers(1, 40), known=st.integers(0, 3), backward=st.booleans(), steps=st.integers(1, 3))
@settings(max_examples=20)
def test_a_timeline_keeps_what_is_known_and_makes_the_rest(length, known, backward, steps):
    free = torch.ones(length + known)
    free[: known or None] = 0 if known else 1
    free = free.flip(0) if backward else free
    heard = []
    out = sample_timeline(
        Filler(),
        timeline(free, torch.tensor([5, 0, 0, 0])),
        noise=torch.randn(len(free), 2, 4, 4),
        steps=steps,
        guidance=1.0,
        on_step=lambda window, latents: heard.append(latents.shape[0] == len(range(*window.indices(len(free))))),
    )
    assert (out[free == 0] == 9).all()
    assert torch.allclose(out[free == 1], torch.tensor(5.0), atol=1e-5)
    assert heard == [True] * steps * len(windows(free))


@given(length=st.integers(1, 200), backward=st.booleans())
def test_windows_cover_a_timeline_and_each_sees_its_neighbour(length, backward):
    free = torch.ones(length)
    if backward:
        free[-1] = 0
    done: set[int] = set()
    for window in windows(free):
        frames = set(range(length)[window])
        assert len(frames) <= LARGEST
        assert not done or len(done & frames) >= OVERLAP
        done |= frames
    assert done == set(range(length))


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
@settings(max_examples=10)
def test_a_perfect_network_is_sampled_exactly_and_has_no_loss(steps, guidance):
    clean = torch.randn(1, 2, 4, 4, 4)

    def oracle(noisy, level, words):
        return clean.expand(noisy.shape)

    words = torch.zeros(1, 4, dtype=torch.int64)
    *_, last = sample(oracle, torch.randn_like(clean), words, steps=steps, guidance=guidance)
    assert torch.allclose(last, clean, atol=1e-5)
    assert flow_loss(oracle, clean, words, torch.rand(1, 2) + 0.01) == 0


def test_a_frame_between_kept_and_free_joins_when_the_noise_has_fallen_to_its_level():
    seen = []

    def network(noisy, level, words):
        seen.append(level[0].tolist())
        return torch.zeros_like(noisy)

    given = Given(torch.ones(1, 3, 1, 2, 2), torch.tensor([[0.0, 0.4, 1.0]]))
    words = torch.zeros(1, 4, dtype=torch.int64)
    *_, last = sample(network, torch.randn(1, 3, 1, 2, 2), words, steps=10, guidance=1.0, shift=1.0, given=given)
    assert [level[0] for level in seen] == [0.0] * 10
    assert [level[1] for level in seen][:6] == pytest.approx([0.4] * 6)
    assert (last[0, 0] == 1).all()
    assert torch.allclose(last[0, 1:], torch.zeros(2, 1, 2, 2), atol=1e-5)


def test_guidance_leads_away_from_the_negative_prompt():
    def network(noisy, level, words):
        return words[:, :1, None, None, None].expand(noisy.shape).float()

    words, negative = torch.tensor([[3, 0]]), torch.tensor([[2, 0]])
    sampling = {"steps": 2, "guidance": 2.0}
    *_, free = sample(network, torch.randn(1, 1, 1, 2, 2), words, **sampling)
    *_, led = sample(network, torch.randn(1, 1, 1, 2, 2), words, negative=negative, **sampling)
    assert free.mean() == pytest.approx(6)
    assert led.mean() == pytest.approx(4)


def test_what_guidance_adds_is_kept_for_every_other_step():
    asked = []

    def network(noisy, level, words):
        asked.append(len(noisy))
        return words[:, :1, None, None, None].expand(noisy.shape).float()

    words = torch.tensor([[3, 0]])
    *_, led = sample(network, torch.randn(1, 1, 1, 2, 2), words, steps=5, guidance=2.0)
    assert asked == [2, 1, 2, 1, 2]
    assert led.mean() == pytest.approx(6)


def test_given_frames_have_level_zero_and_no_loss():
    torch.manual_seed(0)
    level = training_levels(400, 5, mean=1.0, clean_share=0.5)
    given = level.std(1) > 0
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
    losses = []
    for _ in range(150):
        loss = flow_loss(model, clean, words, torch.full((4, 2), 0.9))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


@given(
    free=st.lists(st.sampled_from([0.0, 0.2, 0.6, 1.0]), min_size=2, max_size=4),
    first=st.integers(0, FAST_STEPS - 1),
)
def test_the_pupil_is_told_where_its_teacher_arrives(free, first):
    def oracle(noisy, level, words):
        return torch.cat((clean, clean))[: len(noisy)]

    clean, noise = torch.randn(1, len(free), 2, 4, 4), torch.randn(1, len(free), 2, 4, 4)
    freedom = torch.tensor([free])
    levels = schedule(FAST_STEPS * SUBSTEPS, shift=SHIFT)[first * SUBSTEPS : (first + 1) * SUBSTEPS + 1]
    x = at_level(clean, noise, freedom.clamp(max=levels[0]))
    target = target_of(oracle, x, freedom, torch.ones(1, 4, dtype=torch.int64), levels)
    moved = freedom[0] > levels[-1]
    assert torch.allclose(target[:, moved], clean[:, moved], atol=1e-4)
    assert torch.equal(target[:, ~moved], x[:, ~moved])


def test_distillation_reduces_the_loss():
    torch.manual_seed(0)
    teacher, pupil = VideoTransformer(TINY), VideoTransformer(TINY)
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=3e-3)
    clean, words, losses = torch.randn(4, 2, 4, 4, 4), torch.tensor([[1, 2, 3, 4]]).repeat(4, 1), []
    for _ in range(120):
        loss = distillation_loss(pupil, teacher, clean, words, clean_share=0.2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) < 0.7 * sum(losses[:20])


def test_training_goes_on_from_a_smaller_network(tmp_path):
    small, large = tiny_transformer(), VideoTransformer(replace(TINY, words=12))
    save_file(small.state_dict(), tmp_path / "small.safetensors")
    start_from(large, tmp_path / "small.safetensors")
    args = torch.randn(1, 1, 4, 4, 4), torch.ones(1, 1), torch.tensor([[1, 2, 8, 0]])
    assert torch.equal(small(*args), large(*args))
    with pytest.raises(RuntimeError, match="has not"):
        start_from(tiny_planner(), tmp_path / "small.safetensors")


def test_a_ridge_fit_finds_a_linear_rule():
    torch.manual_seed(0)
    x, rule = torch.randn(200, 5), torch.randn(6, 2)
    assert torch.allclose(ridge(x, linear(x, rule), penalty=1e-9), rule, atol=1e-4)


def test_the_locator_finds_a_bright_spot():
    torch.manual_seed(0)
    truth = torch.cat((0.2 + 0.6 * torch.rand(2000, 2), torch.full((2000, 1), 0.3)), dim=1)
    axis = (torch.arange(GRID) + 0.5) / GRID
    far = (axis[None, None] - truth[:, 0, None, None]) ** 2 + (axis[None, :, None] - truth[:, 1, None, None]) ** 2
    features = torch.rand(2000, 128, 1, 1) * 0.1 + torch.exp(-far / 0.02)[:, None] * torch.rand(1, 128, 1, 1)
    locator = Locator()
    fit(locator, features[:1500], truth[:1500])
    assert (locator(features[1500:]) - truth[1500:]).abs().mean() < 0.01


def test_a_track_is_freed_of_single_wrong_readings():
    track = torch.stack((torch.linspace(0.2, 0.6, 12), torch.full((12,), 0.5), torch.full((12,), 0.3)), dim=1)
    wrong = track.clone()
    wrong[5] = torch.tensor([0.9, 0.1, 0.6])
    assert (steady(wrong) - track).abs().max() < 0.04
    assert (steady(track) - track).abs().max() < 1e-5
    assert steady(track[:1]).shape == (1, 3)


def test_training_runs_the_module_that_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["training", "planner", "--help"])
    with pytest.raises(SystemExit) as ended:
        train()
    assert ended.value.code == 0
    assert "--examples" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["training", "averaging"])
    with pytest.raises(SystemExit, match=r"usage: .*autoencoder,.*upscaler"):
        train()
