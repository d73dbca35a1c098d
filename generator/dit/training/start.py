"""Going on from trained weights with a network that has grown since."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn


@torch.no_grad()
def start_from(model: nn.Module, path: Path) -> None:
    """Load ``path`` into ``model``. Parts that the weights do not have, and rows of concepts that they do not know yet,
    stay as they are. Raises RuntimeError where anything else differs.
    """
    known = load_file(path)
    own = model.state_dict()
    unknown = known.keys() - own.keys()
    if unknown:
        raise RuntimeError(f"{path} has parts that the network has not: {', '.join(sorted(unknown))}")
    for name, tensor in known.items():
        if tensor.ndim:
            own[name][: len(tensor)] = tensor
        else:
            own[name].copy_(tensor)
