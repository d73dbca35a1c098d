"""What a caller asks the generator for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_SECONDS = 60.0
MAX_SHOTS = 16
MIN_JOINED_SECONDS = 2.0  # room for the joint and for what it joins

Task = Literal["text", "image", "extend", "blend", "edit", "outpaint", "storyboard", "still"]
Size = tuple[Annotated[int, Field(ge=64, le=4096)], Annotated[int, Field(ge=64, le=4096)]]
"""Width and height in pixels. Each model says which sizes it can make."""
BUNDLED_RATES = range(12, 61)
"""Frames a second that the bundled models can be asked for; the first is their own."""


class Condition(BaseModel):
    """A picture or video that the result starts from, leads to, or changes.

    ``at`` is "start" (the result goes on from it), "end" (the result leads to it) or "whole" (the result is a changed
    copy of it). ``strength`` is how much of it is kept: 1 keeps it as it is, which "start" and "end" always do.

    Of a "whole", a ``mask`` names the part that may change: a picture, white where it may. With ``around`` all of it is
    kept and stands inside a picture of another shape, whose rest is made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    at: Literal["start", "end", "whole"] = "start"
    strength: float = Field(default=1.0, ge=0.0, le=1.0)
    still: bool = Field(default=False, description="The file is a still picture.")
    mask: Path | None = None
    around: bool = False

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file of it."""
        return (self.path,) if self.mask is None else (self.path, self.mask)


class Shot(BaseModel):
    """One shot of a storyboard; subject and colour are kept from the shot before where the prompt names none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(min_length=1)
    seconds: float = Field(default=2.0, ge=0.5, le=MAX_SECONDS)
    transition: Literal["cut", "blend"] = Field(default="cut", description="How the shot before leads to this one.")


class GenerationRequest(BaseModel):
    """A prompt, what is given beside it, and how to sample. The same request gives the same frames on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    negative_prompt: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        default="", description="What the video should not show."
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Fixes the noise and what the prompt leaves open.")
    steps: int | None = Field(default=None, ge=1, le=200, description="Sampling steps; None is the model's own number.")
    guidance: float | None = Field(
        default=None, ge=1.0, le=20.0, description="Classifier-free guidance scale; 1 is none, None the model's own."
    )
    seconds: float | None = Field(
        default=None, ge=0.5, le=MAX_SECONDS, description="Length of what is generated; None is the model's own."
    )
    fps: int | None = Field(default=None, ge=1, le=120, description="Frames a second; None is the model's own.")
    size: Size | None = Field(default=None, description="Width and height in pixels; None is the model's own.")
    still: bool = Field(default=False, description="One picture in place of a video.")
    loop: bool = Field(default=False, description="The end leads back to the beginning.")
    conditions: tuple[Condition, ...] = ()
    consents: tuple[str, ...] = Field(
        default=(), max_length=16, exclude=True, repr=False, description="Tokens for the persons in what is given."
    )
    shots: tuple[Shot, ...] = Field(default=(), max_length=MAX_SHOTS)

    @property
    def sampling(self) -> str:
        """How it is sampled, for people."""
        return f"seed {self.seed}" + (f", {self.steps} steps" if self.steps else "")

    @property
    def task(self) -> Task:
        """What kind of generation this is."""
        if self.shots:
            return "storyboard"
        if not self.conditions:
            return "still" if self.still else "text"
        if len(self.conditions) == 2:
            return "blend"
        (only,) = self.conditions
        if only.at == "whole":
            return "outpaint" if only.around else "edit"
        return "image" if only.still else "extend"

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything that was written by the caller and steers the model."""
        return tuple(text for text in (self.prompt, *(s.prompt for s in self.shots), self.negative_prompt) if text)

    @model_validator(mode="after")
    def _makes_sense(self) -> GenerationRequest:
        places = [c.at for c in self.conditions]
        total = sum(shot.seconds for shot in self.shots)
        problems = {
            "one picture is made from a prompt alone: no picture, video, storyboard, loop, seconds or fps": self.still
            and bool(places or self.shots or self.loop or self.seconds is not None or self.fps is not None),
            "a storyboard has its own prompts and takes no picture, video, loop or seconds": bool(self.shots)
            and bool(self.conditions or self.loop or self.seconds is not None),
            f"the shots last {total:g} seconds together, over the limit of {MAX_SECONDS:g}": total > MAX_SECONDS,
            f"a loop lasts at least {MIN_JOINED_SECONDS:g} seconds": self.loop
            and not places
            and self.seconds is not None
            and self.seconds < MIN_JOINED_SECONDS,
            f"a shot that is blended in lasts at least {MIN_JOINED_SECONDS:g} seconds": any(
                shot.transition == "blend" and shot.seconds < MIN_JOINED_SECONDS for shot in self.shots
            ),
            "the first shot has none before it to be blended from": bool(self.shots)
            and self.shots[0].transition == "blend",
            "two videos are blended from one at the start to one at the end": len(places) > 1
            and sorted(places) != ["end", "start"],
            "only a text prompt or a video to go on from can be looped": self.loop
            and bool(places)
            and (places != ["start"] or self.conditions[0].still),
            "a video that is changed keeps its own length": "whole" in places and self.seconds is not None,
            "a still picture can only be the start": any(c.still and c.at != "start" for c in self.conditions)
            or (len(places) > 1 and any(c.still for c in self.conditions)),
            "strength is for a video that is changed; a start or an end is kept as it is": any(
                c.at != "whole" and c.strength != 1 for c in self.conditions
            ),
            "only a video that is changed has a mask or something made around it, and not both": any(
                (c.mask is not None or c.around) and (c.at != "whole" or (c.mask is not None and c.around))
                for c in self.conditions
            ),
            "what is made around a video needs the size of the whole": any(c.around for c in self.conditions)
            and self.size is None,
        }
        found = [problem for problem, is_so in problems.items() if is_so]
        if found:
            raise ValueError("; ".join(found))
        return self
