"""What given frames show: the subject in them, what stands behind it, and what its code does not say of that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.dit.autoencoder import STRIDE
from generator.dit.close_up import corrected, crops_of
from generator.dit.judge import FRAMES as FRAMES_SEEN
from generator.dit.judge import SIDE as SIDE_SEEN
from generator.dit.locator import steady
from generator.dit.networks import Networks
from generator.dit.piece import Carried
from generator.dit.places import GROUP, off_subject
from generator.dit.timeline import OVERLAP
from generator.model import RGB
from generator.world.vocabulary import BY_KIND, KINDS, Kind

SURELY = 1.08  # how much larger than the locator says a subject is taken to be where it is to be left out
CORRECTIONS = 2  # of where the locator says that a subject is
PAN = 6  # of the judge's pixels, to either side


@dataclass(frozen=True)
class View:
    """Given ``frames`` [T, 3, H, W] in [-1, 1] and what is read from them: the subject's ``plan`` [T, 3] and the
    ``concepts`` that are seen. What is ``mirrored`` faces left.
    """

    frames: Tensor
    plan: Tensor
    concepts: dict[Kind, str]
    mirrored: bool = False

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.frames.shape[3] / self.frames.shape[2]

    def coded(self, *, at_end: bool) -> list[int]:
        """Which frames get a code: every fourth one, counted from the first or from the last, which is always one of
        them; of long clips as many as a window sees of what is known.
        """
        if at_end:
            return [*range(len(self.frames) - 1, -1, -GROUP)][:OVERLAP][::-1]
        return [*range(0, len(self.frames), GROUP)][:OVERLAP]


@torch.inference_mode()
def read_clip(networks: Networks, rgb: RGB) -> View:
    """What given frames show, uint8 [T, H, W, 3], any number."""
    frames = torch.from_numpy(rgb).to(networks.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    concepts, plan, mirrored = seen_in(networks, frames)
    # How it moves is left out: a still says nothing of it, and a clip goes on as it did.
    del concepts["motion"]
    return View(frames, plan, concepts, mirrored)


@dataclass(frozen=True)
class Behind:
    """The background of frames: its ``latents`` [n, C, h, w], and where they are known for they are ``clear`` of the
    subject at some time, bool [h, w].
    """

    latents: Tensor
    clear: Tensor


@torch.inference_mode()
def behind_subject(networks: Networks, view: View, *, at_end: bool) -> Behind:
    """What stands behind the subject at the beginning or at the end of given frames, in those that have a code."""
    at = view.coded(at_end=at_end)
    return behind_all(networks.autoencoder.encode_frames(view.frames[at]), view.plan[at])


def behind_all(latents: Tensor, plan: Tensor) -> Behind:
    """What stands behind the subject of ``plan`` [n, 3] in frames with these ``latents`` [n, C, h, w]. Where it stands
    in some, what is there in the others is taken for it; where it always stands, what is around.
    """
    rows, columns = (side * STRIDE for side in latents.shape[2:])
    clear = torch.stack([_clear(_off(place, rows, columns)) for place in plan])
    ever = clear.any(0)
    elsewhere = latents.where(clear[:, None], latents.new_tensor(math.nan)).nanmedian(0).values
    filled = _surroundings(elsewhere, ever)
    return Behind(latents.where(clear[:, None], filled), ever)


@torch.inference_mode()
def lost_by_code(networks: Networks, view: View, weight: Tensor, *, at_end: bool) -> Carried:
    """What the code of the first or of the last given frame does not say of its background."""
    place = -1 if at_end else 0
    frame = view.frames[place]
    code = networks.autoencoder.encode_frames(frame[None])
    decoded = networks.autoencoder.decode_groups(code, code)[0, -1]
    return Carried((frame - decoded) * _off(view.plan[place], *frame.shape[1:]), decoded, weight)


def _off(plan: Tensor, rows: int, columns: int) -> Tensor:
    """As `off_subject`, of a subject that is a little larger than the locator says."""
    return off_subject(plan * plan.new_tensor([1, 1, SURELY]), rows, columns)


def _clear(off: Tensor) -> Tensor:
    """Which latent cells have nothing of the subject where ``off`` [1, H, W] is 0, bool [h, w]."""
    return F.max_pool2d((off == 0).to(off.dtype), STRIDE)[0] == 0


def _surroundings(picture: Tensor, known: Tensor) -> Tensor:
    """``picture`` [C, h, w] with what is not ``known``, bool [h, w], smoothly filled in from what is around it."""
    if not known.any():
        return torch.zeros_like(picture)
    filled, here = torch.where(known, picture, 0)[None], known.to(picture.dtype)[None, None]
    for _ in range(max(known.shape)):
        weight = F.avg_pool2d(F.pad(here, (1, 1, 1, 1)), 3, 1)
        mean = F.avg_pool2d(F.pad(filled * here, (1, 1, 1, 1)), 3, 1) / weight.clamp(min=1e-6)
        filled, here = torch.where(known, filled, mean), (weight > 0).to(here.dtype)
    return filled[0]


@torch.inference_mode()
def seen_in(networks: Networks, frames: Tensor) -> tuple[dict[Kind, str], Tensor, bool]:
    """What frames [T, 3, H, W] in [-1, 1] show, where the subject is in each, [T, 3], and whether it is mirrored.

    The judge finds it and reads how it moves and where, a closer look says what it is. The judge knows square pictures:
    of another shape it sees squares side by side, and the one counts that shows the subject best.
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
        said.append(_together(networks.judge(small[spread][None] if len(small) > 1 else panned(small[0]))))
    best = torch.stack(heats).argmax(0)
    places = steady(torch.stack(tracks)[best, torch.arange(len(frames), device=frames.device)])
    for _ in range(CORRECTIONS):
        off = networks.close_up(crops_of(frames, places)).off
        places = steady(corrected(places, off, aspect=width / height))
    look = networks.close_up(crops_of(frames, places))
    shown = said[int(best.mode().values)] | _together(look.said)
    concepts = {kind: BY_KIND[kind][int(shown[kind].argmax())].name for kind in KINDS}
    return concepts, places, bool(look.mirrored.mean() > 0)


def _together(said: Mapping[Kind, Tensor]) -> dict[Kind, Tensor]:
    """What is made of several views of one thing: mean scores, [concepts], of each kind, from logits [N, concepts]."""
    return {kind: logits.log_softmax(1).mean(0) for kind, logits in said.items()}


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
