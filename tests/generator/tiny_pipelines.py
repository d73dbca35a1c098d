"""Tiny pipelines of every family, built from configurations, saved and loaded like real ones. No network.

Import it after ``pytest.importorskip("diffusers")``.
"""

from __future__ import annotations

from pathlib import Path

import diffusers
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

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


def save_tiny(family: str, folder: Path) -> Path:
    """The folder, with random weights of this family in it; the same at every call."""
    torch.manual_seed(0)
    BUILD[family]().save_pretrained(folder)
    return folder
