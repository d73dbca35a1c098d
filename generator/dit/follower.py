"""A process that does its share of the leader's calls; see `generator.dit.parallel`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from generator.dit.device import Execution
from generator.dit.networks import load_transformer
from generator.dit.parallel import meet, received


def follow(execution: dict[str, Any], rank: int, folder: str) -> None:
    """Take part in every call that standard input tells of, until it ends."""
    how = Execution(**execution)
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)
    meet(Path(folder), rank=rank, processes=how.processes)
    with torch.inference_mode():
        for line in sys.stdin:
            call = json.loads(line)
            load_transformer(call["name"], how, rank)(*received(call["shapes"]))
