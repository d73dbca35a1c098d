"""From the options of a front door to one request, with contradictions found before any work starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

import yaml
from pydantic import TypeAdapter, ValidationError

from countermark.core.errors import UsageError
from generator.pictures import is_still
from generator.request import Condition, GenerationRequest, Shot

Direction = Literal["forward", "backward"]

DEFAULT_STRENGTH = 0.85
_MAX_STORYBOARD_BYTES = 64 * 1024


def request_for(
    prompt: str,
    *,
    image: Path | str | None = None,
    extend: Path | str | None = None,
    direction: Direction | None = None,
    blend: tuple[Path | str, Path | str] | None = None,
    edit: Path | str | None = None,
    strength: float | None = None,
    mask: Path | str | None = None,
    outpaint: Path | str | None = None,
    storyboard: Path | str | None = None,
    loop: bool = False,
    seconds: float | None = None,
    size: str | tuple[int, int] | None = None,
    **sampling: object,
) -> GenerationRequest:
    """The request that these options mean; ``sampling`` are further fields of `GenerationRequest`.

    ``strength`` is how much an edit may change, from 0 (nothing) to 1 (everything but place and movement); with a
    ``mask`` it is 1 by default. ``size`` is width and height, also as text: "512x288". Raises
    `UsageError` for options that contradict each other, values out of range, and inputs that are missing or of the
    wrong kind.
    """
    tasks = {
        "image": image,
        "extend": extend,
        "blend": blend,
        "edit": edit,
        "outpaint": outpaint,
        "storyboard": storyboard,
    }
    chosen = [name for name, value in tasks.items() if value is not None]
    problems = {
        f"{' and '.join(chosen)} are different tasks": len(chosen) > 1,
        "direction belongs to extend": direction is not None and extend is None,
        "strength belongs to edit": strength is not None and edit is None,
        "a mask belongs to edit": mask is not None and edit is None,
        "outpaint needs the size of the larger picture": outpaint is not None and size is None,
        "what is outpainted keeps its length; seconds cannot be given": outpaint is not None and seconds is not None,
        "a loop goes on from text or from a video extended forward": loop
        and (chosen not in ([], ["extend"]) or direction == "backward"),
        "an edit keeps the length of its video; seconds cannot be given": edit is not None and seconds is not None,
        "a storyboard has its own prompts": storyboard is not None and bool(prompt),
        "a storyboard gives the seconds of every shot itself": storyboard is not None and seconds is not None,
        "a consent is for the persons in a picture or video that is given": bool(sampling.get("consents"))
        and chosen in ([], ["storyboard"]),
        "strength is between 0 and 1": strength is not None and not 0 <= strength <= 1,
    }
    found = [problem for problem, is_so in problems.items() if is_so]
    if found:
        raise UsageError(f"These options make no sense together: {'; '.join(found)}.", remedy="Leave one of them out.")
    if direction not in (None, *get_args(Direction)):
        raise UsageError(f"There is no direction {direction!r}.", remedy="Choose forward or backward.")
    if blend is not None and len(blend) != 2:
        raise UsageError("A blend leads from one video to another.", remedy="Give two videos.")

    conditions: list[Condition] = []
    if image is not None:
        conditions = [Condition(path=_existing(image, still=True), still=True)]
    elif extend is not None:
        conditions = [Condition(path=_existing(extend), at="end" if direction == "backward" else "start")]
    elif blend is not None:
        first, second = (_existing(path) for path in blend)
        conditions = [Condition(path=first, at="start"), Condition(path=second, at="end")]
    elif edit is not None:
        part = None if mask is None else _existing(mask, still=True)
        kept = kept_by(strength, masked=part is not None)
        conditions = [Condition(path=_existing(edit), at="whole", strength=kept, mask=part)]
    elif outpaint is not None:
        conditions = [Condition(path=_existing(outpaint), at="whole", strength=0, around=True)]
    try:
        return GenerationRequest.model_validate(
            {
                "prompt": prompt,
                "conditions": conditions,
                "shots": () if storyboard is None else read_storyboard(Path(storyboard)),
                "loop": loop,
                "seconds": seconds,
                "size": parsed_size(size) if isinstance(size, str) else size,
                **sampling,
            }
        )
    except ValidationError as error:
        raise UsageError(_first(error), remedy="Correct that value.") from error


def kept_by(strength: float | None, *, masked: bool) -> float:
    """How much is kept, as `Condition` says it, by an edit that may change so much; None is the usual ``strength``."""
    usual = 1.0 if masked else DEFAULT_STRENGTH
    return 1 - (usual if strength is None else strength)


def parsed_size(text: str) -> tuple[int, int]:
    """Width and height from text like "512x288". Raises `UsageError`."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if not found:
        raise UsageError(f"{text!r} is not a size.", remedy="Give width and height in pixels, such as 512x288.")
    return int(found[1]), int(found[2])


def read_storyboard(path: Path) -> tuple[Shot, ...]:
    """Shots from a YAML file: a list of mappings with ``prompt`` and, if wanted, ``seconds`` and ``transition``.

    Raises `UsageError` for anything else.
    """
    remedy = "Write a YAML list of shots, each with a prompt, seconds and a transition (cut or blend)."
    try:
        if path.stat().st_size > _MAX_STORYBOARD_BYTES:
            raise UsageError(f"{path} is over {_MAX_STORYBOARD_BYTES} bytes.", remedy="Give a shorter storyboard.")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, list):
            raise UsageError(f"{path} is not a storyboard: it is no list of shots.", remedy=remedy)
        shots = TypeAdapter(tuple[Shot, ...]).validate_python(content)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    except ValidationError as error:
        raise UsageError(f"{path} is not a storyboard: {_first(error)}", remedy=remedy) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date or number that is none is a ValueError
        raise UsageError(f"{path} is not YAML.", remedy=remedy) from error
    if not shots:
        raise UsageError(f"{path} holds no shots.", remedy=remedy)
    return shots


def _existing(given: Path | str, *, still: bool = False) -> Path:
    path = Path(given)
    if not path.is_file():
        raise UsageError(f"{path} is not a file.", remedy="Give the path of an existing file.")
    if is_still(path) != still:
        wanted = "a picture (PNG, JPEG or WebP)" if still else "a video"
        raise UsageError(f"{path} is not {wanted}.", remedy="Choose the option that fits the file.")
    return path


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    # A number is a shot's, counted by people from one, or says which of the two sides of a size.
    parts = [f"shot {part + 1}" if isinstance(part, int) else part for part in first["loc"]]
    place = ", ".join(parts[:1] if parts[:1] == ["size"] else parts)
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}." if place else f"{message}."
