"""Models on any server that speaks the OpenAI Videos API; what it returns is sealed like any other output.

The server is found as the official client finds it: ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``. Prompts only.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from countermark.core.errors import ConfigurationError, GenerationError, UsageError
from countermark.core.media import Limits
from countermark.core.settings import get_settings
from generator.model import RGB, Cancelled, GenerationCancelledError, Inputs, OnPreview, OnProgress, Rate, Sampling
from generator.pictures import read_video
from generator.request import GenerationRequest

try:
    import openai
except ImportError as error:
    raise ConfigurationError(
        "Models on a server need the openai client, which is not installed.",
        remedy="Run: pip install 'countermark[openai]'.",
    ) from error

DEFAULT_SECONDS = 4
FPS = 24
POLL_SECONDS = 1.0
_UNUSED = ("guidance", "negative_prompt", "seed", "steps")


class OpenAIVideosModel:
    """One model of a server, whose videos are held to ``limits``.

    Raises `ConfigurationError` when the client has no key.
    """

    sampling: Sampling | None = None

    def __init__(
        self,
        model: str,
        *,
        width: int = 1280,
        height: int = 720,
        limits: Limits | None = None,
        client: openai.OpenAI | None = None,
    ) -> None:
        try:
            self._client = client or openai.OpenAI()
        except openai.OpenAIError as error:
            raise ConfigurationError(str(error), remedy="Set OPENAI_API_KEY, and OPENAI_BASE_URL.") from error
        self._model = model
        self.name = f"openai/{model}"
        self.version = self._client.base_url.host
        self._size = (width, height)
        self._limits = limits or Limits.from_settings(get_settings())

    def size_for(self, size: tuple[int, int] | None) -> tuple[int, int]:
        """See `generator.model.VideoModel.size_for`. Which sizes there are, the server says when it is asked."""
        return size or self._size

    def rate_for(self, fps: int | None) -> Rate:
        """See `generator.model.VideoModel.rate_for`. What the server returns is brought to it, by leaving frames out or
        showing them twice.
        """
        return Rate(Fraction(fps or FPS), context=1)

    def check(self, request: GenerationRequest) -> None:
        """See `generator.model.VideoModel.check`."""
        if request.task != "text" or request.loop:
            raise UsageError("A server's model takes one prompt only.", remedy="Use the bundled model for this task.")

    def noise_mark(self, request: GenerationRequest) -> None:
        """See `generator.model.VideoModel.noise_mark`: a server draws its own noise."""

    def sample(
        self,
        request: GenerationRequest,
        inputs: Inputs,  # noqa: ARG002  # the protocol's
        *,
        on_progress: OnProgress,
        on_preview: OnPreview | None = None,  # noqa: ARG002  # servers send none
        on_notice: Callable[[str], None],
        cancelled: Cancelled,
    ) -> Iterator[RGB]:
        """See `generator.model.VideoModel.sample`. Progress is in percent, as the server tells it."""
        fields = GenerationRequest.model_fields
        unused = [name for name in _UNUSED if getattr(request, name) != fields[name].default]
        on_notice(f"decided by the server: {', '.join(unused) or 'seed and steps'}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "video.mp4"
            try:
                self._fetch(request, path, on_progress, cancelled)
            except openai.OpenAIError as error:
                raise GenerationError(
                    f"{self.name} failed: {error}.", remedy="Check the server, and try again."
                ) from error
            yield from read_video(path, *self.size_for(request.size), self.rate_for(request.fps).fps, self._limits)

    def _fetch(self, request: GenerationRequest, path: Path, on_progress: OnProgress, cancelled: Cancelled) -> None:
        videos = self._client.videos
        # The types name one provider's choices; servers have their own.
        video = videos.create(
            prompt=request.prompt,
            model=self._model,
            seconds=f"{max(1, round(request.seconds or DEFAULT_SECONDS))}",  # type: ignore[arg-type]
            size="{}x{}".format(*self.size_for(request.size)),  # type: ignore[arg-type]
        )
        while video.status in ("queued", "in_progress"):
            if cancelled():
                raise GenerationCancelledError("The generation was cancelled.", remedy="Ask again to start over.")
            time.sleep(POLL_SECONDS)
            video = videos.retrieve(video.id)
            on_progress(max(1, video.progress or 0), 100)
        if video.status != "completed":
            reason = video.error.message if video.error else video.status
            raise GenerationError(f"{self.name} failed: {reason}.", remedy="Change the request, or try again.")
        videos.download_content(video.id).write_to_file(path)
