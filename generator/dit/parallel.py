"""Several processes for one video: a leader, and followers that do their share of every call of the transformer.

The leader is the process that was asked for the video. It alone knows the prompt, asks the policy, samples, decodes and
seals: there is one decision and one sealed file, whatever the number of processes. It starts the followers itself, one
on each further GPU, and tells them of each call: a line on their standard input, then the inputs by torch.distributed,
NCCL between GPUs and Gloo on a CPU. All then compute the same call together (`generator.dit.share`). A follower keeps
nothing between two calls but weights, so that it can be replaced at any time, and it ends when its standard input ends,
which it does however the leader ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import cache
from pathlib import Path
from threading import Lock

import torch
import torch.distributed as dist
from torch import Tensor

from countermark.core.errors import ConfigurationError, GenerationError
from generator.dit.device import Execution, Forward, best_device

# -P: no current folder; the leader's own module path is handed over instead.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from generator.dit.follower import follow;"
    "follow(**json.loads(sys.argv[2]))"
)
_PATIENCE = timedelta(minutes=5)  # a process that takes this long to arrive, or for its share of a call, is lost
_DTYPES = (torch.float32, torch.float32, torch.int64)  # of the transformer's inputs
_ONE = "Set COUNTERMARK_GENERATOR_PROCESSES=1, or see what the processes wrote."


class Team:
    """The followers of this process: started when they are first needed, and again after a failure."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._calling = Lock()
        self._followers: list[subprocess.Popen[bytes]] = []
        self._end: weakref.finalize[..., Team] | None = None

    def led(self, name: str, forward: Forward) -> Forward:
        """``forward`` of the transformer called ``name``, in which the followers take part.

        It raises `ConfigurationError` where there are not enough GPUs, and `GenerationError` when a process fails.
        """

        def call(*inputs: Tensor) -> Tensor:
            with self._calling:
                try:
                    self._gather()
                    self._tell(name, inputs)
                    return forward(*inputs)
                except BaseException as error:
                    self.close()  # within a call nobody knows how far the others are
                    if isinstance(error, (RuntimeError, OSError)):
                        count = self._execution.processes
                        raise GenerationError(
                            f"{count} processes could not share the work: {error}.", remedy=_ONE
                        ) from error
                    raise

        return call

    def close(self) -> None:
        """End the followers."""
        if self._end is not None:
            self._end()
        self._followers = []

    def _gather(self) -> None:
        if self._followers and all(follower.poll() is None for follower in self._followers):
            return
        self.close()
        processes, gpus = self._execution.processes, torch.cuda.device_count()
        if torch.cuda.is_available() and gpus < processes:
            raise ConfigurationError(
                f"{processes} processes were asked for, but there are {gpus} GPUs.",
                remedy=f"Set COUNTERMARK_GENERATOR_PROCESSES to {gpus} or less.",
            )
        if dist.is_initialized():
            raise ConfigurationError(
                "This process is part of another process group of torch already.",
                remedy="Unset COUNTERMARK_GENERATOR_PROCESSES, or generate in a process of its own.",
            )
        folder = Path(tempfile.mkdtemp(prefix="countermark-"))
        self._end = weakref.finalize(self, _end, self._followers, folder)
        for rank in range(1, processes):
            follow = {"execution": asdict(self._execution), "rank": rank, "folder": str(folder)}
            command = [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path), json.dumps(follow)]
            # A session of its own: Ctrl-C is for the leader, which ends the others.
            self._followers.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
            )
        meet(folder, rank=0, processes=processes)

    def _tell(self, name: str, inputs: Sequence[Tensor]) -> None:
        line = json.dumps({"name": name, "shapes": [x.shape for x in inputs]}).encode() + b"\n"
        for follower in self._followers:
            assert follower.stdin is not None
            follower.stdin.write(line)
            follower.stdin.flush()
        for x, dtype in zip(inputs, _DTYPES, strict=True):
            dist.broadcast(x.to(dtype).contiguous(), src=0)


@cache
def team(execution: Execution) -> Team:
    """The followers of this process for ``execution``; there can be one kind at a time."""
    return Team(execution)


def meet(folder: Path, *, rank: int, processes: int) -> None:
    """Join the others by way of a file in ``folder``, which is this user's only."""
    gpu = best_device().type == "cuda"
    if not gpu:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # nobody on the network is to take part
    dist.init_process_group(
        "nccl" if gpu else "gloo",
        init_method=(folder / "meeting").as_uri(),
        rank=rank,
        world_size=processes,
        timeout=_PATIENCE,
    )


def received(shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """The inputs of the next call, in a follower."""
    inputs = [
        torch.empty(*shape, dtype=dtype, device=best_device()) for shape, dtype in zip(shapes, _DTYPES, strict=True)
    ]
    for x in inputs:
        dist.broadcast(x, src=0)
    return inputs


def _end(followers: list[subprocess.Popen[bytes]], folder: Path) -> None:
    for follower in followers:
        follower.kill()
        assert follower.stdin is not None
        with contextlib.suppress(OSError):  # what was not yet told
            follower.stdin.close()
        follower.wait()
    if dist.is_initialized():
        dist.destroy_process_group()
    shutil.rmtree(folder, ignore_errors=True)
