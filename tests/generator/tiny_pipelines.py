"""Tiny pipelines of every family, built from configurations, saved and loaded like real ones. No network.

Import it after ``pytest.importorskip("diffusers")``.
"""

from __future__ import annotations

from pathlib import Path

import diffusers
import torch
import transformers
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = ("<pad>", "</s>", "<unk>", "a", "red", "ball", "sea")


def tokenizer(**options: str) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer of seven words."""
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **options
    )


def text_encoder(kind: type) -> torch.nn.Module:
    """A text encoder of two layers, 32 numbers a token."""
    config = transformers.T5Config if kind is transformers.T5EncoderModel else transformers.UMT5Config
    return kind(config(vocab_size=300, d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=4)).eval()


def text_parts(kind: type) -> dict[str, object]:
    return {"tokenizer": tokenizer(), "text_encoder": text_encoder(kind)}


def wan_transformer(channels: int, **options: object) -> diffusers.WanTransformer3DModel:
    return diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        **{"in_channels": channels, "out_channels": channels} | options,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
    )


def wan_parts(**options: object) -> dict[str, object]:
    return {
        **text_parts(transformers.UMT5EncoderModel),
        "vae": diffusers.AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        "transformer": wan_transformer(16, **options),
    }


def wan() -> diffusers.DiffusionPipeline:
    return diffusers.WanPipeline(**wan_parts())


def wan_of_two() -> diffusers.DiffusionPipeline:
    return diffusers.WanPipeline(**wan_parts(), transformer_2=wan_transformer(16), boundary_ratio=0.875)


def wan_of_expanded_timesteps() -> diffusers.DiffusionPipeline:
    vae = diffusers.AutoencoderKLWan(
        base_dim=3,
        z_dim=48,
        in_channels=12,
        out_channels=12,
        is_residual=True,
        patch_size=2,
        latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        scale_factor_spatial=16,
        scale_factor_temporal=4,
        temperal_downsample=[False, True, True],
    )
    parts = wan_parts() | {"vae": vae, "transformer": wan_transformer(48)}
    return diffusers.WanPipeline(**parts, expand_timesteps=True)


def wan_image() -> diffusers.DiffusionPipeline:
    seen = transformers.CLIPVisionConfig(
        hidden_size=4, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8, image_size=16, patch_size=8
    )
    return diffusers.WanImageToVideoPipeline(
        **wan_parts(in_channels=36, out_channels=16, image_dim=4),
        image_encoder=transformers.CLIPVisionModel(seen).eval(),
        image_processor=transformers.CLIPImageProcessor(size=16, crop_size=16),
    )


def wan_image_of_two() -> diffusers.DiffusionPipeline:
    channels = {"in_channels": 36, "out_channels": 16}
    second = wan_transformer(16, **channels)
    return diffusers.WanImageToVideoPipeline(**wan_parts(**channels), transformer_2=second, boundary_ratio=0.9)


def ltx_parts() -> dict[str, object]:
    return {
        **text_parts(transformers.T5EncoderModel),
        "vae": diffusers.AutoencoderKLLTXVideo(
            in_channels=3,
            out_channels=3,
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(),
        "transformer": diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            num_layers=1,
            caption_channels=32,
        ),
    }


def ltx() -> diffusers.DiffusionPipeline:
    return diffusers.LTXPipeline(**ltx_parts())


def ltx_condition() -> diffusers.DiffusionPipeline:
    return diffusers.LTXConditionPipeline(**ltx_parts())


def ltx2() -> diffusers.DiffusionPipeline:
    gemma = transformers.Gemma3Config(
        text_config={
            "vocab_size": 32,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
        },
        vision_config={
            "hidden_size": 8,
            "intermediate_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        },
        mm_tokens_per_image=4,
        boi_token_index=7,
        eoi_token_index=8,
        image_token_index=9,
    )
    heads = dict.fromkeys(("video_connector_num_attention_heads", "audio_connector_num_attention_heads"), 2)
    widths = dict.fromkeys(("video_connector_attention_head_dim", "audio_connector_attention_head_dim"), 8)
    layers = dict.fromkeys(("video_connector_num_layers", "audio_connector_num_layers"), 1)
    registers = dict.fromkeys(
        ("video_connector_num_learnable_registers", "audio_connector_num_learnable_registers"), None
    )
    return diffusers.LTX2Pipeline(
        tokenizer=tokenizer(padding_side="left"),
        text_encoder=transformers.Gemma3ForConditionalGeneration(gemma).eval(),
        connectors=LTX2TextConnectors(
            caption_channels=16,
            text_proj_in_factor=3,
            **heads | widths | layers | registers,
            connector_rope_base_seq_len=32,
            rope_double_precision=False,
            rope_type="split",
        ),
        transformer=diffusers.LTX2VideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            audio_in_channels=4,
            audio_out_channels=4,
            audio_num_attention_heads=2,
            audio_attention_head_dim=4,
            audio_cross_attention_dim=8,
            num_layers=1,
            caption_channels=16,
            rope_double_precision=False,
            rope_type="split",
        ),
        vae=diffusers.AutoencoderKLLTX2Video(
            latent_channels=4,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 16, 32),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1),
            spatial_compression_ratio=32,
            temporal_compression_ratio=8,
        ),
        audio_vae=diffusers.AutoencoderKLLTX2Audio(
            base_channels=4,
            ch_mult=(1,),
            num_res_blocks=1,
            resolution=32,
            latent_channels=2,
            mel_bins=8,
        ),
        vocoder=LTX2Vocoder(
            in_channels=16,
            hidden_channels=8,
            upsample_kernel_sizes=[4, 4],
            upsample_factors=[2, 2],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1, 3, 5]],
            output_sampling_rate=16000,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def cogvideox_parts(channels: int) -> dict[str, object]:
    return {
        **text_parts(transformers.T5EncoderModel),
        "vae": diffusers.AutoencoderKLCogVideoX(
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
        "scheduler": diffusers.CogVideoXDDIMScheduler(),
        "transformer": diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=channels,
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
    }


def cogvideox() -> diffusers.DiffusionPipeline:
    return diffusers.CogVideoXPipeline(**cogvideox_parts(4))


def cogvideox_image() -> diffusers.DiffusionPipeline:
    return diffusers.CogVideoXImageToVideoPipeline(**cogvideox_parts(8))


def hunyuan_parts(task: str) -> dict[str, object]:
    before = " ".join(["sea"] * 108)  # so many tokens of the system's message are cut off again
    qwen = transformers.Qwen2_5_VLTextConfig(
        vocab_size=32,
        bos_token_id=None,
        eos_token_id=1,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        rope_parameters={"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1e6},
    )
    return {
        "tokenizer": tokenizer(chat_template=f"{before} {{{{ messages[-1]['content'] }}}}"),
        "text_encoder": transformers.Qwen2_5_VLTextModel(qwen).eval(),
        "tokenizer_2": transformers.ByT5Tokenizer(),
        "text_encoder_2": text_encoder(transformers.T5EncoderModel),
        "vae": diffusers.AutoencoderKLHunyuanVideo15(
            latent_channels=4,
            block_out_channels=(8, 8, 8, 8, 8),
            layers_per_block=1,
            downsample_match_channel=False,
            upsample_match_channel=False,
        ),
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=7.0),
        "transformer": diffusers.HunyuanVideo15Transformer3DModel(
            in_channels=9,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=1,
            num_refiner_layers=1,
            mlp_ratio=2.0,
            text_embed_dim=16,
            text_embed_2_dim=32,
            image_embed_dim=12,
            rope_axes_dim=(2, 2, 4),
            target_size=64,
            task_type=task,
        ),
        "guider": ClassifierFreeGuidance(guidance_scale=1.0),
    }


def hunyuan() -> diffusers.DiffusionPipeline:
    return diffusers.HunyuanVideo15Pipeline(**hunyuan_parts("t2v"))


def hunyuan_image() -> diffusers.DiffusionPipeline:
    seen = transformers.SiglipVisionConfig(
        hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    return diffusers.HunyuanVideo15ImageToVideoPipeline(
        **hunyuan_parts("i2v"),
        image_encoder=transformers.SiglipVisionModel(seen).eval(),
        feature_extractor=transformers.SiglipImageProcessor(size={"height": 28, "width": 28}),
    )


BUILD = {
    "WanPipeline": wan,
    "WanPipeline boundary_ratio": wan_of_two,
    "WanPipeline expand_timesteps": wan_of_expanded_timesteps,
    "WanImageToVideoPipeline": wan_image,
    "WanImageToVideoPipeline boundary_ratio": wan_image_of_two,
    "LTXPipeline": ltx,
    "LTXConditionPipeline": ltx_condition,
    "LTX2Pipeline": ltx2,
    "CogVideoXPipeline": cogvideox,
    "CogVideoXImageToVideoPipeline": cogvideox_image,
    "HunyuanVideo15Pipeline": hunyuan,
    "HunyuanVideo15ImageToVideoPipeline": hunyuan_image,
}


def save_tiny(family: str, folder: Path) -> Path:
    """The folder, with random weights of this family in it; the same at every call."""
    torch.manual_seed(0)
    BUILD[family]().save_pretrained(folder)
    return folder
