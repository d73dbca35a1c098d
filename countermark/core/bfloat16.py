"""Where bfloat16 pays: on processors with an instruction for it. Others imitate it, many times slower than float32."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@cache
def cpu_multiplies_bfloat16() -> bool:
    """Whether this processor has AVX512-BF16 or AMX. Linux only; elsewhere float32 is used."""
    try:
        flags = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def training_autocast() -> torch.autocast:
    """The context in which networks are trained on a processor: bfloat16 if it multiplies in it, else float32."""
    import torch

    return torch.autocast("cpu", torch.bfloat16, enabled=cpu_multiplies_bfloat16())
