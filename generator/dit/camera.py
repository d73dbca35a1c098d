"""A camera that moves: what is sampled is a larger canvas, and what is seen of it a window that moves smoothly.

The transformer takes a canvas of any size, and draws the subject as large in pixels on all of them. So there is nothing
to learn: the picture is wider than what is seen by the way that the camera goes. The window is resampled with a bicubic
filter, from twice as many points where it shows more than one pixel as one, and never enlarged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.dit.autoencoder import STRIDE
from generator.dit.canvas import Canvas
from generator.dit.plans import MARGIN
from generator.world.cinematography import Move
from generator.world.clips import FPS

TRAVEL = 0.4  # of the picture's side that a pan or a tilt goes
ZOOM = 1.5  # how much more is seen, at each side, when zoomed out
ROLL = math.radians(20)
SWAY = 0.025, math.radians(1.2)  # of the shorter side, and the angle, to either side of a hand that is not steady
LONGEST = 6 * FPS  # frames that a move takes at most; in a longer clip the camera then rests
_DIRECTION: dict[Move, tuple[int, int]] = {
    "pan left": (0, -1),
    "pan right": (0, 1),
    "tilt up": (1, -1),
    "tilt down": (1, 1),
}


@dataclass(frozen=True)
class Camera:
    """A ``move`` during ``frames`` frames, seen on the canvas ``window``; ``seed`` fixes how a hand shakes."""

    window: Canvas
    move: Move
    frames: int
    seed: int = 0

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height of what is seen, in pixels."""
        return self.window.columns * STRIDE, self.window.rows * STRIDE

    @property
    def canvas(self) -> Canvas:
        """The canvas that is sampled."""
        width, height = self.sides
        if self.move in _DIRECTION:
            axis, _ = _DIRECTION[self.move]
            return Canvas(*(math.ceil(side * (1 + TRAVEL * (axis == i))) for i, side in enumerate(self.sides)))
        if self.move in ("zoom in", "zoom out"):
            return Canvas(math.ceil(width * ZOOM), math.ceil(height * ZOOM))
        room, angle = (0.0, ROLL) if self.move == "roll" else (2 * SWAY[0] * min(self.sides), SWAY[1])
        sine, cosine = math.sin(angle), math.cos(angle)
        return Canvas(
            math.ceil(width * cosine + height * sine + room), math.ceil(height * cosine + width * sine + room)
        )

    def path(self, times: Tensor) -> Tensor:
        """The window at ``times`` [T], in frames from the first: [T, 4]: its centre from the canvas's, in pixels, how
        many pixels of the canvas one of its own is (1 or more), and the angle by which it is turned.
        """
        last = max(1, min(self.frames, LONGEST) - 1)
        time = times.double().cpu()
        gone = (time / last).clamp(max=1)
        gone = gone**3 * (gone * (6 * gone - 15) + 10)  # Perlin's curve: starts and ends at rest, without a jolt
        out = torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64).repeat(len(time), 1)
        if self.move in _DIRECTION:
            axis, sign = _DIRECTION[self.move]
            out[:, axis] = sign * (gone - 0.5) * TRAVEL * self.sides[axis]
        elif self.move == "zoom in":
            out[:, 2] = ZOOM ** (1 - gone)  # the same factor in every second looks even
        elif self.move == "zoom out":
            out[:, 2] = ZOOM**gone
        elif self.move == "roll":
            out[:, 3] = ROLL * gone
        elif self.move == "handheld shake":
            phase = 2 * math.pi * torch.rand(3, 3, generator=torch.Generator().manual_seed(self.seed)).double()
            rates = torch.tensor([[0.7, 1.3, 2.1], [0.8, 1.1, 2.3], [0.6, 1.2, 1.9]], dtype=torch.float64)  # a second
            waves = torch.sin(2 * math.pi * rates * time[:, None, None] / FPS + phase)
            sway = (waves * torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)).sum(2)  # at most 1
            out[:, :2] = sway[:, :2] * SWAY[0] * min(self.sides)
            out[:, 3] = sway[:, 2] * SWAY[1]
        return out.float()

    def onto(self, plans: Tensor) -> Tensor:
        """Plans [S, T, 3] of the picture as ones of the canvas, so that all ``S`` subjects stay in view.

        They move over the canvas as was planned for the picture. Where pan and movement together would take one out of
        sight, the camera goes with them so far that they do not.
        """
        width, height = self.sides
        large = plans.new_tensor([self.canvas.columns * STRIDE, self.canvas.rows * STRIDE])
        small = plans.new_tensor([width, height])
        places = plans[..., :2].clone()
        if self.move in _DIRECTION:
            axis, _ = _DIRECTION[self.move]
            way = self.path(torch.arange(plans.shape[1]))[:, axis].to(plans.device) / small[axis]
            places[..., axis] = way + _in_view(places[..., axis], way)
        across = (places - 0.5) * small / large + 0.5
        return torch.cat((across, plans[..., 2:] * height / large[1]), dim=-1)

    def seen(self, plan: Tensor) -> Tensor:
        """A plan [T, 3] of the canvas as one of what is seen."""
        width, height = self.sides
        large = plan.new_tensor([self.canvas.columns * STRIDE, self.canvas.rows * STRIDE])
        path = self.path(torch.arange(len(plan))).to(plan.device)
        x, y = ((plan[:, :2] - 0.5) * large - path[:, :2]).unbind(1)
        sine, cosine, scale = path[:, 3].sin(), path[:, 3].cos(), path[:, 2]
        turned = torch.stack((x * cosine + y * sine, y * cosine - x * sine), dim=1) / scale[:, None]
        size = plan[:, 2] * large[1] / height / scale
        return torch.cat((turned / plan.new_tensor([width, height]) + 0.5, size[:, None]), dim=1)

    def look(self, frames: Tensor, times: Tensor) -> Tensor:
        """What is seen of ``frames`` [T, 3, H, W] of the canvas at ``times`` [T]: [T, 3, height, width]."""
        width, height = self.sides
        path = self.path(times).to(frames.device)
        fine = math.ceil(float(self.path(torch.arange(self.frames))[:, 2].max()))  # one filter for the whole move
        x, y, scale, angle = path[:, :, None, None].unbind(1)
        across = (torch.arange(width * fine, device=frames.device) + 0.5) / fine - width / 2
        down = ((torch.arange(height * fine, device=frames.device) + 0.5) / fine - height / 2)[:, None]
        sine, cosine = angle.sin(), angle.cos()
        there = torch.stack(
            (x + scale * (across * cosine - down * sine), y + scale * (across * sine + down * cosine)), dim=-1
        )
        grid = there / (there.new_tensor([frames.shape[3], frames.shape[2]]) / 2)
        picture = F.grid_sample(frames, grid, mode="bicubic", padding_mode="border", align_corners=False)
        seen: Tensor = F.avg_pool2d(picture, fine).clamp(-1, 1)
        return seen


def _in_view(place: Tensor, way: Tensor) -> Tensor:
    """Where things are seen, planned at ``place`` [S, T], by a camera that goes along ``way`` [T], all in shares of the
    picture: ``place - way`` if that stays inside it when moved as a whole, else with as much of ``way`` as does.
    """
    low, high = min(MARGIN, float(place.min())), max(1 - MARGIN, float(place.max()))
    for share in torch.linspace(1, 0, 41).tolist():
        seen = place - share * way
        if seen.max() - seen.min() <= high - low + 1e-6:
            break
    moved: Tensor = seen + (low - seen.min()).clamp(min=0) - (seen.max() - high).clamp(min=0)
    return moved
