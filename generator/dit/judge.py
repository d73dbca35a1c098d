"""An automatic judge: which subject, colour, motion and scene does a clip show?

It measures what is generated, and it reads given pictures and clips for the tasks that go on from them.
"""

from __future__ import annotations

from importlib.resources import as_file, files

import torch
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor, nn

from generator.world.clips import ClipSpec
from generator.world.vocabulary import BY_KIND, KINDS, Kind

FRAMES = 9
SIDE = 64
STEP = 3  # every third of 25 frames


class Judge(nn.Module):
    """Classifies a clip by every kind of concept.

    What is shown is read from the strongest response anywhere in the clip; how it moves, from where responses are.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(3, width // 2, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width * 2, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width * 2, width * 2, 3, padding=1),
            nn.ReLU(),
        )
        self.what = nn.Sequential(nn.Linear(width * 4, 256), nn.ReLU())
        self.place = nn.Linear(width * 2 * (SIDE // 8) ** 2, 64)
        self.where = nn.Sequential(nn.ReLU(), nn.Linear(64 * FRAMES, 128), nn.ReLU())
        self.say = nn.ModuleDict({kind: nn.Linear(256 + 128, len(BY_KIND[kind])) for kind in KINDS})

    def forward(self, clips: Tensor) -> dict[Kind, Tensor]:
        """Clips [B, FRAMES, 3, 64, 64] in [-1, 1] to logits per kind, {kind: [B, concepts]}."""
        seen = rearrange(self.look(rearrange(clips, "b t c h w -> (b t) c h w")), "(b t) c h w -> b t c h w", t=FRAMES)
        what = self.what(torch.cat((seen.amax((1, 3, 4)), seen.mean((1, 3, 4))), dim=1))
        where = self.where(self.place(seen.flatten(2)).flatten(1))
        both = torch.cat((what, where), dim=1)
        return {kind: self.say[kind](both) for kind in KINDS}


def labels(spec: ClipSpec) -> list[int]:
    """The index of each concept of ``spec`` within its kind."""
    return [[c.name for c in BY_KIND[kind]].index(getattr(spec, kind)) for kind in KINDS]


def load_judge() -> Judge:
    """The judge with the weights inside the package."""
    judge = Judge().eval()
    with as_file(files("generator") / "weights" / "judge.safetensors") as path:
        judge.load_state_dict(load_file(path))
    return judge
