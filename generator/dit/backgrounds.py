"""Backgrounds as they are sampled: a scene from its word alone, behind what is given, onward from it, into another."""

from __future__ import annotations

import torch
from torch import Tensor

from generator.dit.cast import Actor
from generator.dit.networks import Networks
from generator.dit.noise import Draw
from generator.dit.piece import thumbnail
from generator.dit.places import GROUP
from generator.dit.text import tokens_of
from generator.dit.timeline import Timeline, sample_timeline, windows
from generator.dit.views import View, behind_subject
from generator.model import OnPreview, OnProgress, Sampling


class Backgrounds:
    """Samples the backgrounds of one request, one after the other, and counts the steps of all."""

    def __init__(
        self,
        networks: Networks,
        sampling: Sampling,
        *,
        draw: Draw,
        negative: Tensor | None,
        on_progress: OnProgress,
        on_preview: OnPreview | None,
    ) -> None:
        """``draw`` is where the noise comes from, ``negative`` the words that sampling is led away from."""
        self.networks = networks
        self._sampling = sampling
        self._draw = draw
        self._negative = negative
        self._on_progress = on_progress
        self._on_preview = on_preview
        self._done = 0
        self._steps = 0

    def expect(self, *lengths: int) -> None:
        """Announce timelines of these lengths, so that progress counts towards all of them. Who is first knows most:
        what is announced later is a part of it.
        """
        if not self._steps:
            self._steps = sum(len(windows(torch.ones(length))) for length in lengths) * self._sampling.steps

    def sampled(
        self,
        scene: str,
        known: Tensor,
        *,
        free: Tensor | None = None,
        keep: Tensor | None = None,
        cast: tuple[Actor, ...] = (),
    ) -> Tensor:
        """Latents like ``known`` [G, C, h, w] of a scene, without a subject.

        ``free`` [G] says how freely it may differ from what is known, by default wholly. Only where ``keep`` says so,
        bool [h, w], is what is known kept in any case. Previews show it with the ``cast``.
        """
        device = self.networks.device
        free = torch.ones(len(known)) if free is None else free
        self.expect(len(free))

        def on_step(window: slice, latents: Tensor) -> None:
            self._done += 1
            self._on_progress(self._done, self._steps)
            if self._on_preview is not None:
                middle = len(latents) // 2
                self._on_preview(thumbnail(self.networks, latents[middle], cast, GROUP * (window.start + middle)))

        words = torch.tensor(tokens_of({"scene": scene}), device=device)
        return sample_timeline(
            self.networks.transformer,
            Timeline(known, free.to(device), words, keep),
            noise=self._draw(known.shape).to(device),
            steps=self._sampling.steps,
            guidance=self._sampling.guidance,
            negative=self._negative,
            on_step=on_step,
        )

    def behind(self, scene: str, given: View, *, at_end: bool) -> Tensor:
        """Latents [n, C, h, w] of what stands behind the subject at one end of what is given, filled in where it stood;
        n is at most `generator.dit.timeline.OVERLAP`.
        """
        behind = behind_subject(self.networks, given, at_end=at_end)
        return self.sampled(scene, behind.latents, keep=behind.clear)

    def onward(self, scene: str, known: Tensor, groups: int, *, backward: bool = False) -> Tensor:
        """Latents [1 + groups, C, h, w] of how a background goes on, the last ``known`` among them; ``backward``, of
        how it came to the first.
        """
        unknown = known.new_zeros(groups, *known.shape[1:])
        free = torch.cat((torch.zeros(len(known)), torch.ones(groups)))
        turned = (0,) if backward else ()
        clean = torch.cat((known.flip(turned), unknown)).flip(turned)
        latents = self.sampled(scene, clean, free=free.flip(turned))
        return latents.flip(turned)[len(known) - 1 :].flip(turned)

    def closed(self, scene: str, before: Tensor, after: Tensor, groups: int) -> Tensor:
        """Latents [1 + groups, C, h, w] from the last of ``before`` to the first of ``after``, of one background."""
        unknown = before.new_zeros(groups - 1, *before.shape[1:])
        free = torch.cat((torch.zeros(len(before)), torch.ones(groups - 1), torch.zeros(len(after))))
        latents = self.sampled(scene, torch.cat((before, unknown, after)), free=free)
        return latents[len(before) - 1 : len(latents) - len(after) + 1]

    def dissolved(self, scenes: tuple[str, str], before: Tensor, after: Tensor, groups: int) -> Tensor:
        """Latents [1 + groups, C, h, w] from the last of ``before`` to the first of ``after``: one background goes on,
        and dissolves into the other, that has begun meanwhile.
        """
        one = self.onward(scenes[0], before, groups - 1)
        two = self.onward(scenes[1], after, groups - 1, backward=True)
        share = torch.linspace(0, 1, groups + 1, device=one.device)[:, None, None, None]
        return (1 - share) * torch.cat((one, one[-1:])) + share * torch.cat((two[:1], two))
