import os
import shutil
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from hypothesis import given
from hypothesis import strategies as st

from countermark.core.errors import ConfigurationError
from countermark.core.settings import get_settings
from generator.backends.bundled import _cancellable
from generator.dit import transformer as module
from generator.dit.device import PLAIN, Execution, adapted, best_device, precision_on
from generator.dit.share import Share
from generator.dit.timeline import Timeline, sample_timeline
from generator.dit.transformer import Block, TransformerConfig, VideoTransformer, attention, rotate
from generator.model import GenerationCancelledError

TINY = TransformerConfig(words=9, latent=4, patch=2, local=8, head=8, width=48, depth=3, heads=2)
CPU, GPU = torch.device("cpu"), torch.device("cuda")
on_cpu = pytest.mark.skipif(best_device() == GPU, reason="about the CPU")


def tiny(execution: Execution = PLAIN) -> VideoTransformer:
    torch.manual_seed(0)
    model = VideoTransformer(TINY)
    for parameter in model.parameters():  # zero-initialised layers would hide everything behind them
        torch.nn.init.normal_(parameter, std=0.1)
    return adapted(model.eval(), execution)


def inputs(batch: int, frames: int, rows: int, columns: int) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, frames, TINY.latent, rows, columns, generator=generator),
        torch.rand(batch, frames, generator=generator),
        torch.randint(0, TINY.words, (batch, 4), generator=generator),
    )


def test_precision_suits_the_device(monkeypatch):
    assert precision_on(CPU, None) == "float32"
    assert precision_on(CPU, "bfloat16") == "bfloat16"
    for native, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, native=native: native)
        assert precision_on(GPU, None) == expected
        assert precision_on(GPU, "float32") == "float32"


def plain_block(block: Block, x, condition, text, cos, sin, _whole):
    """A block as it is on one process in one precision, written down without regard to either."""
    shift1, scale1, gate1, shift2, scale2, gate2 = (condition + block.modulation).unsqueeze(3).unbind(2)
    n, width = x.shape[1], x.shape[-1:]
    cos, sin = cos.flatten(0, 1), sin.flatten(0, 1)
    h = F.layer_norm(x, width) * (1 + scale1) + shift1
    q, k, v = rearrange(block.qkv(h), "b n p (three h d) -> three b h (n p) d", three=3, h=block.heads)
    tk, tv = rearrange(block.text_kv(text), "b l (two h d) -> two b h l d", two=2, h=block.heads)
    head = q.shape[-1:]
    q = rotate(F.rms_norm(q, head), cos, sin)
    k = torch.cat((rotate(F.rms_norm(k, head), cos, sin), F.rms_norm(tk, head)), dim=2)
    attended = attention(q, k, torch.cat((v, tv), dim=2))
    x = x + gate1 * block.out(rearrange(attended, "b h (n p) d -> b n p (h d)", n=n))
    h = F.layer_norm(x, width) * (1 + scale2) + shift2
    return x + gate2 * block.down(F.gelu(block.up(h), approximate="tanh"))


@on_cpu
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 7, 8, 8), (4, 3, 6, 10)])
@torch.inference_mode()
def test_on_a_cpu_a_seed_gives_what_it_always_gave_bit_for_bit(shape, monkeypatch):
    model, given_ = tiny(), inputs(*shape)
    assert "forward" not in vars(model)
    made = model(*given_)
    monkeypatch.setattr(Block, "forward", plain_block)
    assert torch.equal(made, model(*given_))


@torch.inference_mode()
def test_bfloat16_is_near_float32_and_keeps_its_weights():
    exact, rounded = tiny(), tiny(Execution(precision="bfloat16"))
    for shape in ((1, 2, 4, 6), (2, 9, 16, 16)):  # both ways of attention
        expected, made = exact(*inputs(*shape)), rounded(*inputs(*shape)).float()
        assert 0 < (made - expected).norm() / expected.norm() < 0.05
    assert {parameter.dtype for parameter in rounded.parameters()} == {torch.float32}


def test_samples_are_float32_in_any_precision():
    noisy, *_ = inputs(1, 3, 4, 4)
    timeline = Timeline(noisy[0], torch.ones(3), torch.tensor([2, 0, 0, 0]))
    made = [
        sample_timeline(tiny(Execution(precision)), timeline, noise=torch.randn(noisy[0].shape), steps=2, guidance=2.0)
        for precision in ("float32", "bfloat16")
    ]
    assert [latents.dtype for latents in made] == [torch.float32] * 2
    assert (made[1] - made[0]).norm() / made[0].norm() < 0.05


def test_a_gpu_attends_by_the_fused_kernel(monkeypatch):
    fused = []

    def kernel(q, k, v):
        fused.append(q.shape)
        return q

    monkeypatch.setattr(module.F, "scaled_dot_product_attention", kernel)
    few, many = torch.empty(1, 2, 9, 8), torch.empty(1, 2, 513, 8)
    attention(few, few, few)
    assert fused == []
    attention(many, many, many)
    elsewhere = few.to("meta")
    attention(elsewhere, elsewhere, elsewhere)
    assert fused == [many.shape, few.shape]


@torch.inference_mode()
def test_one_compiled_block_serves_all_and_any_number_of_frames_and_tokens(monkeypatch):
    from torch._dynamo.utils import counters

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # traced as ever; needs no compiler
    torch.compiler.reset()
    counters.clear()
    eager, compiled = tiny(), tiny(Execution(compiled=True))
    for shape in ((2, 3, 4, 10), (4, 5, 8, 8), (3, 2, 6, 14)):
        assert torch.allclose(compiled(*inputs(*shape)), eager(*inputs(*shape)), atol=1e-5)

    asked = iter((False, True))
    with _cancellable(compiled.blocks, lambda: next(asked)), pytest.raises(GenerationCancelledError):
        compiled(*inputs(2, 3, 6, 10))
    assert next(asked, None) is None  # in the second block, and no more
    compiled(*inputs(2, 3, 6, 10))
    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="there is no C++ compiler")
@torch.inference_mode()
def test_what_is_compiled_agrees():
    torch.compiler.reset()
    eager, compiled = tiny(), tiny(Execution(compiled=True))
    for shape in ((2, 3, 4, 10), (4, 5, 8, 8)):
        expected, made = eager(*inputs(*shape)), compiled(*inputs(*shape))
        assert torch.allclose(made, expected, atol=1e-4 * expected.abs().max())


def test_without_a_compiler_it_is_said_what_to_do(monkeypatch):
    from torch._dynamo.exc import BackendCompilerFailed

    def compiled(forward, dynamic):
        def call(*_):
            raise BackendCompilerFailed(compiled, RuntimeError("No working C++ compiler found"), None)

        return call

    monkeypatch.setattr(torch, "compile", compiled)
    with pytest.raises(ConfigurationError, match=r"No working C\+\+ compiler.*unset COUNTERMARK_GENERATOR_COMPILE"):
        tiny(Execution(compiled=True))(*inputs(1, 1, 2, 2))


@given(count=st.integers(1, 40), processes=st.integers(1, 9))
def test_shares_are_equal_and_together_the_whole(count, processes):
    tokens = torch.arange(1, 2 * 3 * count * 2 + 1).reshape(2, 3, count, 2)
    shares = [Share(rank, processes).own(tokens) for rank in range(processes)]
    assert {share.shape for share in shares} == {(2, 3, -(-count // processes), 2)}
    assert torch.equal(torch.cat(shares, dim=2)[:, :, :count], tokens)


@pytest.mark.parametrize(
    "name,value", [("PRECISION", "float16"), ("PRECISION", "exact"), ("COMPILE", "perhaps"), ("PROCESSES", "0")]
)
def test_a_setting_that_makes_no_sense_is_named(monkeypatch, name, value):
    monkeypatch.setenv(f"COUNTERMARK_GENERATOR_{name}", value)
    get_settings.cache_clear()
    with pytest.raises(ConfigurationError, match=f"COUNTERMARK_GENERATOR_{name} is not usable"):
        get_settings()
    monkeypatch.undo()
    get_settings.cache_clear()
