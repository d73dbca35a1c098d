# what is imported below needs the extra
"""Tiny pipelines of every family, built from configurations, saved and loaded like real ones. No network."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="the extra open-weights is not installed")

import diffusers
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from countermark.core.errors import UsageError, WeightsError
from generator.backends.open_weights import FAMILIES, OpenWeightsModel
from generator.model import GenerationCancelledError, Inputs
from generator.request import Condition, GenerationRequest, Shot

WORDS = ("<pad>", "</s>", "<unk>", "a", "red", "ball", "sea")


def text_parts(kind: type) -> dict[str, object]:
    """A tokenizer of seven words and a text encoder of two layers."""
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    config = transformers.T5Config if kind is transformers.T5EncoderModel else transformers.UMT5Config
    sizes = config(vocab_size=32, d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    return {"tokenizer": fast, "text_encoder": kind(sizes).eval()}


def wan() -> diffusers.DiffusionPipeline:
    return diffusers.WanPipeline(
        **text_parts(transformers.UMT5EncoderModel),
        vae=diffusers.AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        transformer=diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=32,
            freq_dim=256,
            ffn_dim=32,
            num_layers=2,
            rope_max_seq_len=32,
        ),
    )


def ltx() -> diffusers.DiffusionPipeline:
    return diffusers.LTXPipeline(
        **text_parts(transformers.T5EncoderModel),
        vae=diffusers.AutoencoderKLLTXVideo(
            in_channels=3,
            out_channels=3,
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        transformer=diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            num_layers=1,
            caption_channels=32,
        ),
    )


def cogvideox() -> diffusers.DiffusionPipeline:
    return diffusers.CogVideoXPipeline(
        **text_parts(transformers.T5EncoderModel),
        vae=diffusers.AutoencoderKLCogVideoX(
            in_channels=3,
            out_channels=3,
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ),
        scheduler=diffusers.CogVideoXDDIMScheduler(),
        transformer=diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=8,
            sample_height=8,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=226,
        ),
    )


BUILD = {"WanPipeline": wan, "LTXPipeline": ltx, "CogVideoXPipeline": cogvideox}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def folder(request, tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp(request.param)
    BUILD[request.param]().save_pretrained(path)
    return path


SIZE = (64, 64)


def frames_of(model: OpenWeightsModel, request: GenerationRequest, heard: list | None = None) -> np.ndarray:
    chunks = model.sample(
        request,
        Inputs(),
        on_progress=lambda *step: heard.append(step) if heard is not None else None,
        on_notice=lambda _: None,
        cancelled=lambda: False,
    )
    return np.concatenate(list(chunks))


def test_a_model_of_every_family_is_sampled_as_its_seed_says(folder):
    model = OpenWeightsModel(str(folder))
    heard: list[tuple[int, int]] = []
    request = GenerationRequest(prompt="a red ball", negative_prompt="sea", seconds=0.6, steps=2, seed=3, size=SIZE)
    frames = frames_of(model, request, heard)
    assert frames.shape == (round(0.6 * model.fps), 64, 64, 3)
    assert frames.dtype == np.uint8
    assert heard == [(1, 2), (2, 2)]
    assert np.array_equal(frames, frames_of(model, request))
    assert not np.array_equal(frames, frames_of(model, request.model_copy(update={"seed": 4})))


def test_shots_follow_each_other(folder):
    model = OpenWeightsModel(str(folder))
    shots = (Shot(prompt="a red ball", seconds=0.5), Shot(prompt="sea", seconds=0.5))
    frames = frames_of(model, GenerationRequest(prompt="", shots=shots, steps=1, size=SIZE))
    assert len(frames) == 2 * round(0.5 * model.fps)


def test_a_cancelled_step_is_not_finished(folder):
    heard: list[tuple[int, int]] = []
    chunks = OpenWeightsModel(str(folder)).sample(
        GenerationRequest(prompt="a red ball", seconds=0.5, steps=2, size=SIZE),
        Inputs(),
        on_progress=lambda *step: heard.append(step),
        on_notice=lambda _: None,
        cancelled=lambda: True,
    )
    with pytest.raises(GenerationCancelledError):
        next(iter(chunks))
    assert heard == []


@pytest.mark.parametrize(
    "request_,message",
    [
        (GenerationRequest(prompt="a", conditions=(Condition(path="x.png", still=True),)), "prompts only"),
        (GenerationRequest(prompt="a", loop=True), "prompts only"),
        (GenerationRequest(prompt="", shots=(Shot(prompt="a", transition="blend"),)), "blend"),
        (GenerationRequest(prompt="a", seconds=60), "at most"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_any_weights_are_read(folder, request_, message):
    model = OpenWeightsModel(str(folder))
    with pytest.raises(UsageError, match=message):
        frames_of(model, request_)
    assert "_pipe" not in vars(model)


def test_sizes_that_do_not_fit_are_refused(folder):
    with pytest.raises(UsageError, match="multiples of"):
        OpenWeightsModel(str(folder)).size_for((65, 64))


def test_missing_weights_are_an_error_with_a_remedy(tmp_path):
    with pytest.raises(WeightsError, match="Fetch them"):
        OpenWeightsModel(str(tmp_path / "nothing"))
    with pytest.raises(WeightsError, match="Fetch them"):
        OpenWeightsModel("nobody/nothing")


def test_incomplete_weights_are_an_error_with_a_remedy(folder, tmp_path):
    (tmp_path / "model_index.json").write_bytes((folder / "model_index.json").read_bytes())
    with pytest.raises(WeightsError, match="incomplete"):
        frames_of(OpenWeightsModel(str(tmp_path)), GenerationRequest(prompt="a", seconds=0.5, size=SIZE))


def test_an_unknown_family_is_refused(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(UsageError, match="not supported"):
        OpenWeightsModel(str(tmp_path))
