"""The frames of the finished video: what was given, as it is, and what the model makes between, after or instead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from countermark.core.errors import MediaError, UsageError
from countermark.core.media import Limits
from generator.model import RGB, Inputs, Mask, VideoModel
from generator.pictures import outside, read_still, read_video
from generator.request import Condition, GenerationRequest
from generator.seams import Seam

MIN_GIVEN_SECONDS = 0.5
"""Of a video that is led over to another, or to its own beginning."""
_WHITE = 127


def assemble(
    model: VideoModel, request: GenerationRequest, sample: Callable[[Inputs], Iterator[RGB]], limits: Limits
) -> Iterator[RGB]:
    """Chunks of frames, uint8 [T, height, width, 3]. ``sample`` is the model, waiting for its inputs.

    Given videos pass through chunk by chunk, so that their length costs no memory. Raises `MediaError`, `UsageError`
    for videos that are too short to be joined, and what ``sample`` raises.
    """
    given = {condition.at: condition for condition in request.conditions}
    width, height = model.size_for(request.size)
    rate = model.rate_for(request.fps)

    def frames(condition: Condition) -> Iterator[RGB]:
        if condition.still:
            yield read_still(condition.path, width, height, limits)
        else:
            yield from read_video(condition.path, width, height, rate.fps, limits, inside=condition.around)

    if "whole" in given:
        whole = given["whole"]
        mask: Mask | None = None
        if whole.mask is not None:
            mask = read_still(whole.mask, width, height, limits)[0].mean(2) > _WHITE
        elif whole.around:
            mask = outside(whole.path, width, height, limits)
        made = sample(Inputs(whole=frames(whole), mask=mask))
        # Read twice rather than held: what is not to change is the given picture itself.
        yield from made if mask is None else _composed(made, frames(whole), mask)
        return
    heads = {at: _head(frames(condition), rate.context) for at, condition in given.items()}
    if request.loop or len(given) == 2:
        for at, (first, _) in heads.items():
            if len(first) < min(MIN_GIVEN_SECONDS * rate.fps, rate.context):
                cause = f"{given[at].path} is shorter than {MIN_GIVEN_SECONDS:g} seconds; too little is seen in it."
                raise UsageError(cause, remedy="Give a longer video to blend or loop.")
    before: RGB | None = None
    after, rest = heads.get("end", (None, iter(())))
    if "start" in heads:
        first, chunks = heads["start"]
        if request.loop:
            after = first
        latest: deque[RGB] = deque(maxlen=rate.context)
        for chunk in chunks:
            latest.extend(chunk)
            yield chunk
        before = np.stack(list(latest))
    yield from sample(Inputs(before=before, after=after))
    yield from rest


def _composed(made: Iterator[RGB], kept: Iterator[RGB], mask: Mask) -> Iterator[RGB]:
    """``made`` where ``mask`` is true, the same frames of ``kept`` elsewhere."""
    seam = Seam(mask)
    held: list[RGB] = []
    for chunk in made:
        while sum(map(len, held)) < len(chunk):
            held.append(next(kept))
        joined = np.concatenate(held)
        held = [joined[len(chunk) :]]
        yield seam.join(chunk, joined[: len(chunk)])


def _head(chunks: Iterator[RGB], count: int) -> tuple[RGB, Iterator[RGB]]:
    """The first ``count`` frames, and all of them again from the beginning."""
    held: list[RGB] = []
    while sum(map(len, held)) < count and (chunk := next(chunks, None)) is not None:
        held.append(chunk)
    if not held:
        raise MediaError("A given video has no frames.", remedy="Give another file.")
    return np.concatenate(held)[:count], chain(held, chunks)
