"""The only way out of the generator: policy, then frames, then the seal.

Models hand their frames to the studio and the studio hands them to `provenance.seal`, chunk by chunk. No function of
this package returns frames to a caller, and no option skips a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from pydantic import Field

from countermark.core.errors import PolicyRefusedError, UsageError
from countermark.core.media import Frames, VideoSpec
from countermark.core.settings import Settings, get_settings
from generator.model import OnProgress, VideoModel
from generator.request import GenerationRequest
from policy import Decision
from policy.gate import admit
from policy.vision import Watch
from provenance.origin import Origin
from provenance.seal import SealedVideo, check_destination, seal

OnStep = Callable[[str, str], None]


class GeneratedVideo(SealedVideo):
    """A sealed video with the request, the policy's decision and the model that made it."""

    request: GenerationRequest
    decision: Decision
    model: str
    model_version: str
    notices: list[str] = Field(description="What was not understood, and what was chosen for the user.")
    seconds_spent: float


class RefusedByPolicyError(PolicyRefusedError):
    """The policy did not allow the prompt; ``decision`` says why."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.reason, remedy="Change the prompt and try again.")
        self.decision = decision


def _silent(*_: object) -> None:
    return None


class Studio:
    """Generates sealed videos with one model."""

    def __init__(self, model: VideoModel | None = None, *, settings: Settings | None = None) -> None:
        self._model = model
        self._settings = settings or get_settings()

    def generate(
        self,
        request: GenerationRequest,
        output: Path,
        *,
        overwrite: bool = False,
        on_step: OnStep = _silent,
        on_progress: OnProgress = _silent,
    ) -> GeneratedVideo:
        """Generate ``request`` into the new file ``output``.

        Raises `RefusedByPolicyError` when the policy blocks the prompt or wants a human to look at it, `WithheldError`
        when it withholds the frames, and whatever the model or `provenance.seal.seal` raise; then there is no file.
        """
        started = time.monotonic()
        check_destination(output, overwrite=overwrite)  # before minutes of work, not after
        decision = admit(request.prompt, settings=self._settings)
        on_step("policy", f"{decision.action}: {decision.reason}")
        if decision.action not in ("allow", "rewrite"):
            raise RefusedByPolicyError(decision)
        if decision.action == "rewrite":
            if decision.rewritten_prompt is None:
                raise UsageError("The policy asked for a rewrite but gave none.", remedy="Report this policy version.")
            request = request.model_copy(update={"prompt": decision.rewritten_prompt})

        model = self._model or _bundled_model()
        notices = model.notices(request)
        on_step("sample", f"{model.name} {model.version}, seed {request.seed}, {request.steps} steps")
        spec = VideoSpec(width=model.width, height=model.height, fps=model.fps, time_base=1 / model.fps)
        origin = Origin(
            kind="generated",
            generator=model.name,
            version=model.version,
            prompt_sha256=decision.prompt_sha256,
            policy=decision.model_dump(mode="json"),
        )
        sealed = seal(
            _frames(model, request, on_progress, Watch(decision, float(model.fps), self._settings)),
            spec,
            output,
            origin=origin,
            settings=self._settings,
            overwrite=overwrite,
            on_step=on_step,
        )
        return GeneratedVideo(
            **sealed.model_dump(),
            request=request,
            decision=decision,
            model=model.name,
            model_version=model.version,
            notices=notices,
            seconds_spent=round(time.monotonic() - started, 2),
        )


def _bundled_model() -> VideoModel:
    # Imported only now: a refused prompt need not wait for torch.
    from generator.backends.bundled import BundledModel

    return BundledModel()


def _frames(model: VideoModel, request: GenerationRequest, on_progress: OnProgress, watch: Watch) -> Iterator[Frames]:
    first = 0
    for rgb in watch.over(model.sample(request, on_progress=on_progress)):
        yield Frames.from_rgb(rgb, pts=np.arange(first, first + len(rgb), dtype=np.int64))
        first += len(rgb)
