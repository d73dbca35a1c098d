"""The only way out of the generator: policy, then frames, then the seal.

Models hand their frames to the studio and the studio hands them to `provenance.seal`, chunk by chunk. No function of
this package returns frames to a caller, and no option skips a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pydantic import Field

from countermark.core.errors import PolicyRefusedError, UsageError
from countermark.core.media import Frames, Limits, VideoSpec, names_still
from countermark.core.settings import Settings, get_settings
from generator.assembly import assemble
from generator.backends import BUNDLED, model_named
from generator.model import RGB, Cancelled, Inputs, OnPreview, OnProgress, VideoModel
from generator.request import GenerationRequest
from policy import Decision, load_policy
from policy.decision import refuse_unusable
from policy.gate import admit, admit_given
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


def _never() -> bool:
    return False


class Studio:
    """Generates sealed videos with one model, given itself or by name (`generator.backends.model_named`).

    A model that is named is made when it is first asked what it can do, and kept: with files beside a prompt before the
    policy looks at them, else for the first prompt that the policy lets through.
    """

    def __init__(self, model: VideoModel | str = BUNDLED, *, settings: Settings | None = None) -> None:
        self._model = model
        self._settings = settings or get_settings()

    def generate(
        self,
        request: GenerationRequest,
        output: Path,
        *,
        user: str = "",
        overwrite: bool = False,
        on_step: OnStep = _silent,
        on_progress: OnProgress = _silent,
        on_preview: OnPreview | None = None,
        cancelled: Cancelled = _never,
    ) -> GeneratedVideo:
        """Generate ``request`` of ``user`` (see `policy.gate.admit`) into the new file ``output``.

        ``on_progress`` and ``on_preview`` are called while it is sampled, see `generator.model.VideoModel.sample`.
        ``cancelled`` is asked several times a sampling step; when it says yes, `GenerationCancelledError` is raised.
        Raises `RefusedByPolicyError` when the policy blocks one of the request's texts or wants a human to look at it,
        `UploadRefusedError` when it refuses a given picture or video, `WithheldError` when it withholds the frames, and
        whatever reading the inputs, the model or `provenance.seal.seal` raise; then there is no file.
        """
        started = time.monotonic()
        given = tuple(dict.fromkeys(path for condition in request.conditions for path in condition.paths))
        check_destination(output, given, overwrite=overwrite)  # before minutes of work, not after
        _check_kind(request, output)
        if given:  # what the model cannot do is said before files are decoded; a prompt alone need not wait for torch
            self._model_for(request)
        request, decision = self._decide(request, user, on_step)

        model = self._model_for(request)
        width, height = model.size_for(request.size)
        fps = model.rate_for(request.fps).fps
        if model.sampling is not None:
            request = request.model_copy(update=asdict(model.sampling.asked(request)))
        on_step("sample", f"{model.name} {model.version}, {request.sampling}")
        spec = VideoSpec(width=width, height=height, fps=fps, time_base=1 / fps)
        origin = Origin(
            kind="generated",
            generator=model.name,
            version=model.version,
            prompt_sha256=decision.prompt_sha256,
            policy=decision.model_dump(mode="json"),
            ingredients=given,
            noise=model.noise_mark(request),
        )
        notices: list[str] = []
        watch = Watch(decision, float(fps), self._settings)

        def sample(inputs: Inputs) -> Iterator[RGB]:
            return model.sample(
                request,
                inputs,
                on_progress=on_progress,
                on_preview=on_preview,
                on_notice=notices.append,
                cancelled=cancelled,
            )

        sealed = seal(
            _stamped(watch.over(assemble(model, request, sample, Limits.from_settings(self._settings)))),
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
            notices=list(dict.fromkeys(notices)),
            seconds_spent=round(time.monotonic() - started, 2),
        )

    def _model_for(self, request: GenerationRequest) -> VideoModel:
        """The model, which can make what is asked for. Raises `UsageError` where it cannot."""
        if isinstance(self._model, str):
            self._model = model_named(self._model, self._settings)
        self._model.size_for(request.size)
        self._model.rate_for(request.fps)
        self._model.check(request)
        return self._model

    def _decide(self, request: GenerationRequest, user: str, on_step: OnStep) -> tuple[GenerationRequest, Decision]:
        """What is given, every text beside it, and all texts together, so that nothing is hidden in between.

        The recorded decision is the one about all texts, with the strict output check if any text asks for it. What has
        to be rewritten is, text by text; what then is given to the model is looked at once more as a whole, where a
        name may be left in a seam.
        """
        together = "\n".join(request.texts)
        policy = load_policy(self._settings.policy_file)
        for text in (*request.texts, together):  # before files are decoded
            refuse_unusable(text, policy=policy)
        given = [path for condition in request.conditions for path in condition.paths]
        shown = admit_given(given, settings=self._settings, user=user, consents=request.consents)
        decisions: dict[str, Decision] = {}
        for text in (*request.texts, together):
            if text not in decisions:
                decision = decisions[text] = admit(text, settings=self._settings, user=user, shown=shown)
                if not decision.allowed:  # before the next is asked about: one request is one offence
                    on_step("policy", f"{decision.action}: {decision.reason}")
                    raise RefusedByPolicyError(decision)
        whole = decisions.pop(together) if len(request.texts) > 1 else decisions[together]
        on_step("policy", f"{whole.action}: {whole.reason}")

        def allowed(text: str) -> str:
            if not text or decisions[text].action == "allow":
                return text
            rewritten = decisions[text].rewritten_prompt
            if rewritten is None:
                raise UsageError("The policy asked for a rewrite but gave none.", remedy="Report this policy version.")
            return rewritten

        shots = tuple(shot.model_copy(update={"prompt": allowed(shot.prompt)}) for shot in request.shots)
        changes = {
            "prompt": allowed(request.prompt),
            "negative_prompt": allowed(request.negative_prompt),
            "shots": shots,
        }
        request, again = request.model_copy(update=changes), whole
        if len(request.texts) > 1:
            told = "\n".join(request.texts)
            if told != together:
                again = admit(told, settings=self._settings, user=user, shown=shown)
                whole = whole.model_copy(update={"action": "rewrite", "rewritten_prompt": told})
            if again.action != "allow":
                raise RefusedByPolicyError(again)
        if any(decision.output_check == "strict" for decision in (*decisions.values(), again)):
            whole = whole.model_copy(update={"output_check": "strict"})
        return request, whole


def _check_kind(request: GenerationRequest, output: Path) -> None:
    if names_still(output) and not request.still:
        raise UsageError(f"{output} is a picture, but a video was asked for.", remedy="Write it to an .mp4 file.")
    if request.still and not names_still(output):
        raise UsageError(f"{output} is a video, but a picture was asked for.", remedy="Write it to .png or .jpg.")


def _stamped(chunks: Iterator[RGB]) -> Iterator[Frames]:
    first = 0
    for rgb in chunks:
        yield Frames.from_rgb(rgb, pts=np.arange(first, first + len(rgb), dtype=np.int64))
        first += len(rgb)
