"""Sequence parallelism: each of several processes computes its share of the tokens.

The blocks of the transformer treat every token by itself but in attention, where queries meet the keys and values of
all tokens. So a process keeps its share through all blocks and gathers keys and values in each. That is exact, for any
number of processes; exchanging heads instead (Jacobs et al., "DeepSpeed Ulysses", 2023) sends less, but wants a number
that divides the heads, and there are three.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """The share of the process with this ``rank`` in torch's default process group of ``processes``; one has all."""

    rank: int = 0
    processes: int = 1

    def own(self, x: Tensor) -> Tensor:
        """Of tokens [..., P, D] those of this process, [..., ceil(P / processes), D]; zeros stand where there are none.

        All shares are equally large, as collectives want them.
        """
        if self.processes == 1:
            return x
        missing = -x.shape[-2] % self.processes
        return F.pad(x, (0, 0, 0, missing)).chunk(self.processes, dim=-2)[self.rank]

    def whole(self, own: Tensor, count: int) -> Tensor:
        """All tokens [..., count, D] from the shares of all processes, each of which has to call this."""
        if self.processes == 1:
            return own
        shares = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(self.processes)]
        dist.all_gather(shares, own.contiguous())
        return torch.cat(shares, dim=-2)[..., :count, :]
