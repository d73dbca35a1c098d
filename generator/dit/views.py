"""What given frames show: their latents, the subject in them, and what the code loses of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.dit.autoencoder import STRIDE
from generator.dit.judge import FRAMES as FRAMES_SEEN
from generator.dit.judge import SIDE as SIDE_SEEN
from generator.dit.locator import steady
from generator.dit.networks import Networks
from generator.dit.places import GROUP, off_subject
from generator.model import RGB
from generator.world.vocabulary import BY_KIND, KINDS, Kind

SURELY = 1.2  # how much larger than the locator says a subject is taken to be where it is to be left out
PAN = 6  # of the judge's pixels, to either side


@dataclass(frozen=True)
class View:
    """Given ``frames`` as latents [n, C, h, w], the last group filled up with the last frame, and what is read
    from them: the subject's ``plan`` [4n, 3] and the ``concepts`` that are seen. ``ends`` are the first and the last
    frame, [2, 3, H, W].
    """

    latents: Tensor
    plan: Tensor
    concepts: dict[Kind, str]
    frames: int
    ends: Tensor


@torch.inference_mode()
def read_clip(networks: Networks, rgb: RGB) -> View:
    """What given frames show, uint8 [T, H, W, 3], any number; the last group is filled up with the last frame."""
    frames = torch.from_numpy(rgb).to(networks.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    concepts, places = _seen(networks, frames)
    return view_of(networks, frames, steady(places), concepts)


def view_of(networks: Networks, frames: Tensor, plan: Tensor, concepts: dict[Kind, str]) -> View:
    """A view of ``frames`` [T, 3, H, W] in [-1, 1] of which all else is known; ``plan`` [T, 3]."""
    filled = -len(frames) % GROUP
    latents = encoded(networks, torch.cat((frames, frames[-1:].expand(filled, -1, -1, -1))))
    plan = torch.cat((plan, plan[-1:].expand(filled, -1)))
    return View(latents, plan, concepts, len(frames), frames[[0, -1]])


def lost(networks: Networks, view: View, *, at_end: bool) -> Tensor:
    """What of the background in the first or the last given frame is not in the latents, [3, H, W]."""
    frame = view.frames - 1 if at_end else 0
    group = frame // GROUP
    places = view.plan.unflatten(0, (-1, GROUP))[group]
    decoded = networks.autoencoder.decode_groups(view.latents[group][None], places[None])[0, frame % GROUP]
    given = view.ends[int(at_end)]
    return (given - decoded) * off_subject(view.plan[frame], *given.shape[1:])


@dataclass(frozen=True)
class Behind:
    """The background of a frame: its ``latents`` [1, C, h, w], where they are ``clear`` of the subject, bool [h, w],
    and what of it they have ``lost``, [3, H, W].
    """

    latents: Tensor
    clear: Tensor
    lost: Tensor


def behind_subject(networks: Networks, view: View, *, at_end: bool) -> Behind:
    """What stands behind the subject in the first or the last given frame, as a group of four that stands still."""
    frame = view.ends[int(at_end)]
    latents = encoded(networks, frame.expand(GROUP, -1, -1, -1))
    place = view.plan[view.frames - 1 if at_end else 0]
    clear = off_subject(place * place.new_tensor([1, 1, SURELY]), *frame.shape[1:])
    decoded = networks.autoencoder.drawn(latents)[0, 0]
    cells = F.max_pool2d(1 - clear, STRIDE)[0] == 0
    return Behind(latents, cells, (frame - decoded) * clear)


def _seen(networks: Networks, frames: Tensor) -> tuple[dict[Kind, str], Tensor]:
    """What frames [T, 3, H, W] show, and where the subject is in each, [T, 3].

    The judge knows square pictures: of another shape it sees squares side by side, and the one counts that shows the
    subject best.
    """
    height, width = frames.shape[2:]
    side = min(height, width)
    count = 1 + math.ceil(2 * (max(height, width) - side) / side)
    shares = torch.linspace(0, 1, count).tolist()
    corners = [(round((height - side) * share), round((width - side) * share)) for share in shares]
    spread = torch.linspace(0, len(frames) - 1, FRAMES_SEEN).round().long()
    heats, tracks, said = [], [], []
    for top, left in corners:
        square = frames[:, :, top : top + side, left : left + side]
        small = F.interpolate(square, (SIDE_SEEN, SIDE_SEEN), mode="area")
        features = networks.judge.look(small)
        heats.append(networks.locator.heat(features).amax((1, 2)))
        scale, corner = small.new_tensor([side / width, side / height, side / height]), (left / width, top / height, 0)
        tracks.append(networks.locator(features) * scale + small.new_tensor(corner))
        said.append(_said(networks, small[spread][None] if len(small) > 1 else panned(small[0])))
    best = torch.stack(heats).argmax(0)
    places = torch.stack(tracks)[best, torch.arange(len(frames), device=frames.device)]
    shown = said[int(best.mode().values)]
    # How it moves is not read: a still says nothing of it, and a clip goes on as it did.
    kinds = (kind for kind in KINDS if kind != "motion")
    return {kind: BY_KIND[kind][int(shown[kind].argmax())].name for kind in kinds}, places


def _said(networks: Networks, clips: Tensor) -> dict[str, Tensor]:
    """What the judge makes of clips [N, T, 3, S, S] of one thing together: scores of each kind, [1, concepts]."""
    return {kind: said.log_softmax(1).mean(0, keepdim=True) for kind, said in networks.judge(clips).items()}


def panned(still: Tensor) -> Tensor:
    """A picture [3, S, S] as four clips [4, T, 3, S, S] that pan over it along the diagonals, which is how the judge
    knows pictures.
    """
    size = still.shape[1:]
    wide = F.pad(still[None], (PAN, PAN, PAN, PAN), mode="reflect")[0]
    way = [round(PAN * (2 * t / (FRAMES_SEEN - 1) - 1)) for t in range(FRAMES_SEEN)]
    clips = [
        [wide[:, PAN + down * at :, PAN + across * at :][:, : size[0], : size[1]] for at in way]
        for across, down in ((1, 1), (1, -1), (-1, 1), (-1, -1))
    ]
    return torch.stack([torch.stack(clip) for clip in clips])


def encoded(networks: Networks, frames: Tensor) -> Tensor:
    """Frames [4n, 3, H, W] in [-1, 1] as latents [n, C, h, w]."""
    return networks.autoencoder.encode_groups(frames.unflatten(0, (-1, GROUP)))
