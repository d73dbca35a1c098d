"""The text tower that belongs to the image encoder (CLIP ViT-B/16), through open_clip.

No published package carries its weights, so they are used where an operator has put them: open_clip's checkpoint
``ViT-B-16-quickgelu``/``openai`` (or its text part) as a safetensors file in a weights folder.

Reference: A. Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from countermark.core.errors import WeightsError
from countermark.core.settings import Settings
from countermark.core.weights import weights_home

FILENAME = "clip_vit_b16_openai.safetensors"
LOGIT_SCALE = 100.0
"""What CLIP multiplies cosines with before the softmax over sentences."""

_WIDTH, _HEADS, _LAYERS = 512, 8, 12


def find_text_tower(settings: Settings) -> Path | None:
    """The checkpoint in the weights folders of these settings, None when there is none."""
    folders = [folder for folder in (settings.weights_dir, weights_home(settings)) if folder is not None]
    return next((folder / FILENAME for folder in folders if (folder / FILENAME).is_file()), None)


def embed_sentences(path: Path, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
    """Sentences in the joint space, float32 [N, 512], rows of unit length.

    Raises:
        WeightsError: the file is not a checkpoint of this tower.
    """
    import torch
    from open_clip import SimpleTokenizer
    from open_clip.transformer import QuickGELU, TextTransformer
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    tower = TextTransformer(width=_WIDTH, heads=_HEADS, layers=_LAYERS, output_dim=_WIDTH, act_layer=QuickGELU)
    try:
        state = {k: v.float() for k, v in load_file(path).items() if not k.startswith(("visual.", "logit_"))}
        tower.load_state_dict(state, strict=True)
    except (RuntimeError, SafetensorError, OSError) as error:
        why = str(error).split("\n", maxsplit=1)[0]
        raise WeightsError(
            f"{path} is not open_clip's ViT-B-16-quickgelu checkpoint: {why}", remedy="Replace the file, or remove it."
        ) from error
    with torch.inference_mode():
        vectors = tower.eval()(SimpleTokenizer()(list(sentences)))
        return np.asarray(torch.nn.functional.normalize(vectors, dim=-1).numpy(), np.float32)
