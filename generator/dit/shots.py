"""Shots: a prompt with cuts as a storyboard, and what each of its shots shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from countermark.core.errors import UsageError
from generator.dit.text import Understanding, understand
from generator.request import MAX_SHOTS, GenerationRequest, Shot
from generator.world.cinematography import between_cuts
from generator.world.clips import FPS
from generator.world.vocabulary import Kind

SHORTEST = FPS // 2  # frames of a shot
OWN_FRAMES = 25  # of a clip, or a shot of a prompt with cuts, whose seconds are not asked for


def cut(request: GenerationRequest) -> tuple[Shot, ...]:
    """Shots of equal length where the prompt of a ``request`` has cuts, and none where it has not, or its task cannot.

    Raises `UsageError` where that makes them too short, or too many.
    """
    parts = between_cuts(request.prompt)
    count = len(parts)
    if count == 1 or request.task != "text" or request.loop:
        return ()
    if count > MAX_SHOTS:
        raise UsageError(f"The prompt has {count} shots, over the limit of {MAX_SHOTS}.", remedy="Leave some out.")
    frames = OWN_FRAMES * count if request.seconds is None else round(request.seconds * FPS)
    if frames < SHORTEST * count:
        cause = f"{count} shots in {frames / FPS:g} seconds are too short."
        raise UsageError(cause, remedy=f"Ask for {SHORTEST * count / FPS:g} seconds or more.")
    ends = [frames * i // count for i in range(count + 1)]
    return tuple(
        Shot(prompt=part, seconds=(end - begin) / FPS) for part, begin, end in zip(parts, ends, ends[1:], strict=False)
    )


def understand_shots(shots: Sequence[Shot], *, seed: int, negative: str = "", anew: bool) -> list[Understanding]:
    """What every shot shows. Subject and colour are kept from the shot before where a prompt names none; ``anew``:
    where it names a subject, not even the colour.
    """
    kept: dict[Kind, str] = {}
    told: list[Understanding] = []
    for shot in shots:
        understanding = understand(shot.prompt, seed=seed, negative=negative)
        if anew and "subject" not in understanding.chosen:
            kept = {}
        concepts = {**understanding.concepts, **{k: v for k, v in kept.items() if k in understanding.chosen}}
        chosen = tuple(k for k in understanding.chosen if k not in kept)
        told.append(replace(understanding, concepts=concepts, chosen=chosen))
        kept = {kind: concepts[kind] for kind in ("subject", "colour")}
    return told
