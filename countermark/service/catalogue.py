"""The models that are offered, and what each of them makes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from countermark.core.errors import ConfigurationError, UsageError, WeightsError
from countermark.service.faults import ApiError
from generator import GenerationRequest
from generator.families import FAMILIES, Family, family_of
from generator.request import MAX_SECONDS, Size


@dataclass(frozen=True)
class Offer:
    """A model and what it makes: ``sizes`` as width x height in pixels, the first where none is asked for, and
    ``seconds`` where no length is.

    ``backend`` is its name for `generator.backends.model_named`. Ours do everything, open weights what their ``family``
    does, and the model of another server takes a prompt.
    """

    id: str
    sizes: tuple[str, ...]
    seconds: str
    backend: str
    family: Family | None = None
    created: int = 1764028800

    def longest(self, fps: int | None, given: Sequence[Mapping[str, Any]]) -> float:
        """How many seconds it makes in one piece, at so many frames a second, beside what is given."""
        if self.family is None:
            return MAX_SECONDS
        known = max((1 if each.get("still") else self.family.context for each in given), default=0)
        return (self.family.longest - known) / (fps or self.family.fps)

    def beyond(self, request: GenerationRequest) -> str | None:
        """What of a request it cannot do, for people."""
        if self in OURS:
            return None
        if self.family is not None:
            return self.family.beyond(request)
        return "a loop" if request.loop else None if request.task == "text" else request.task

    def size_for(self, asked: str | None) -> str:
        """The size that is made when ``asked`` is asked for: of those that are nearest in shape the nearest in area."""
        if asked is None or asked in self.sizes:
            return asked or self.sizes[0]
        width, height = sides_of(asked)

        def differences(size: str) -> tuple[float, float]:
            made_width, made_height = sides_of(size)
            shape = abs(math.log(made_width * height / (made_height * width)))
            return round(shape, 9), abs(math.log(made_width * made_height / (width * height)))

        return min(self.sizes, key=differences)


def sides_of(size: str) -> tuple[int, int]:
    """Width and height of a size such as "512x288"."""
    width, height = size.split("x")
    return int(width), int(height)


_SIZES = ("256x256", "512x288", "288x512", "640x640", "1280x720", "720x1280")
BUNDLED = Offer("countermark-dit", _SIZES, "2", "bundled")
FAST = Offer("countermark-dit-fast", _SIZES, "2", "bundled:fast")
OURS = (BUNDLED, FAST)
_ALIASES = ("sora-2", "sora-2-pro")
"""Names under which clients of the service that closed go on asking."""
_SIZE = r"[1-9]\d{1,3}x[1-9]\d{1,3}"
_ENGINE = re.compile(rf"(openai|open-weights):(.+)@({_SIZE}(?:,{_SIZE})*)")
_PACKAGES = {"openai": "openai", "open-weights": "diffusers"}
"""What each kind of engine needs beyond our own dependencies. The extra that installs it has the kind's name."""


class Catalogue:
    """What is offered: the bundled models, and others that the operator names."""

    def __init__(self, others: Mapping[str, str]) -> None:
        """``others`` are engines by name: ``openai:NAME@SIZES`` or ``open-weights:SOURCE@SIZES``.

        Of open weights only the index is read, to know their family. Raises `ConfigurationError` for what is no engine,
        and for weights that are absent, of an unknown family, or do not make one of the sizes.
        """
        self.offers = {offer.id: offer for offer in OURS}
        self.offers |= {name: _engine(name, value) for name, value in others.items()}

    def find(self, name: str) -> Offer:
        """The offer of this name or alias. Raises `ApiError`, 404, where there is none."""
        found = self.offers.get(name) or (BUNDLED if name in _ALIASES else None)
        if found is None:
            raise ApiError(404, "model_not_found", f"The model '{name[:100]}' does not exist.", param="model")
        return found

    def check_packages(self) -> None:
        """Refuse to work without what the models need. Raises `ConfigurationError` that says how to install it."""
        for offer in self.offers.values():
            kind = offer.backend.partition(":")[0]
            package = _PACKAGES.get(kind)
            if package is not None and find_spec(package) is None:
                raise ConfigurationError(
                    f"The model {offer.id!r} needs {package}, which is not installed.",
                    remedy=f"Run `pip install 'countermark[{kind}]'`, or take it out of COUNTERMARK_SERVICE_MODELS.",
                )


def _engine(name: str, value: str) -> Offer:
    """The offer that an operator's entry means. Raises `ConfigurationError`."""

    def unusable(why: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(
            f"The model {name!r} of COUNTERMARK_SERVICE_MODELS cannot be {value!r}: {why}", remedy=remedy
        )

    found = _ENGINE.fullmatch(value)
    if found is None:
        raise unusable(
            "it has another form than an engine's.",
            'Write JSON such as {"wan": "openai:NAME@832x480"} or {"wan": "open-weights:FOLDER@832x480,480x832"}.',
        )
    kind, source, sizes = found[1], found[2], tuple(dict.fromkeys(found[3].split(",")))
    for size in sizes:
        try:
            TypeAdapter(Size).validate_python(sides_of(size))
        except ValidationError:
            raise unusable(f"it cannot make {size}.", "Give sides of 64 to 4096 pixels.") from None
    if kind == "openai":  # which other sizes and lengths there are, the server says when it is asked
        return Offer(name, sizes, "4", f"openai:{source}@{sizes[0]}")
    try:
        family = FAMILIES[family_of(source)]
    except (UsageError, WeightsError) as error:
        raise unusable(error.cause, error.remedy) from error
    for size in sizes:
        if not family.fits(*sides_of(size)):
            raise unusable(f"it cannot make {size}.", f"Both sides must be multiples of {family.side}.")
    if Path(source).is_dir():
        source = str(Path(source).absolute())  # workers may run in another folder
    return Offer(name, sizes, f"{family.seconds:.0f}", f"open-weights:{source}", family)
