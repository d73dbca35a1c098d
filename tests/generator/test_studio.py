from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import c2pa
import numpy as np
import pytest
from PIL import Image

from countermark.core.errors import GenerationError, MediaError, PolicyRefusedError, UsageError
from countermark.core.media import Frames, VideoReader, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from generator import Studio
from generator.request import Condition, GenerationRequest, Shot
from generator.tasks import request_for
from provenance.verify import verify

SIDE = 256


def drawn(level: int, frames: int) -> np.ndarray:
    """Frames with a gradient, a moving disc and grain, whose mean says ``level``."""
    grain = np.random.default_rng(level).normal(0, 5, (SIDE, SIDE, 1))
    y, x = np.mgrid[:SIDE, :SIDE]
    out = []
    for t in range(frames):
        frame = np.repeat(level + (y[..., None] - SIDE / 2) * 0.15 + grain, 3, axis=2)
        frame[(x - 60 - 4 * t) ** 2 + (y - 120) ** 2 < 900] += 12
        out.append(frame.clip(0, 255).astype(np.uint8))
    return np.stack(out)


class Recorder:
    """A video model that draws grey 128 and writes down what it is given."""

    name, version = "recorder", "1"
    width = height = SIDE
    fps = Fraction(12)
    context = 12

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []
        self.before: np.ndarray | None = None
        self.after: np.ndarray | None = None

    def sample(self, request, inputs, *, on_progress, on_notice, cancelled) -> Iterator[np.ndarray]:
        self.requests.append(request)
        self.before, self.after = inputs.before, inputs.after
        on_notice("drawn, not sampled")
        if inputs.whole is not None:
            for chunk in inputs.whole:
                yield 255 - chunk
            return
        for step in count():
            if cancelled():
                raise GenerationError("The generation was cancelled.", remedy="Ask again.")
            on_progress(step + 1, 2)
            if step == 1:
                break
        yield drawn(128, 12)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def out(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "clip.mp4"


def video(path: Path, level: int, frames: int = 24) -> Path:
    spec = VideoSpec(width=SIDE, height=SIDE, fps=Fraction(12), time_base=Fraction(1, 12))
    with VideoWriter(path, spec) as writer:
        writer.write(Frames.from_rgb(drawn(level, frames), pts=np.arange(frames)))
    return path


def levels(path: Path) -> list[int]:
    """The mean of every frame, to the nearest ten."""
    with VideoReader(path) as reader:
        return [int(round(f.mean(), -1)) for frames in reader for f in frames.to_rgb()]


PROMPT = "a red ball over the sea"


@pytest.mark.parametrize(
    "options,expected",
    [
        ({"extend": 60}, [60] * 24 + [130] * 12),
        ({"extend": 60, "direction": "backward"}, [130] * 12 + [60] * 24),
        ({"blend": (60, 200)}, [60] * 24 + [130] * 12 + [200] * 24),
        ({"edit": 60}, [200] * 24),
        ({"extend": 60, "loop": True}, [60] * 24 + [130] * 12),
    ],
)
def test_given_videos_are_kept_where_they_belong(tmp_path, out, settings, options, expected):
    given = {
        name: tuple(video(tmp_path / f"{v}.mp4", v) for v in value) if isinstance(value, tuple) else value
        for name, value in options.items()
    }
    for name in ("extend", "edit"):
        if name in given:
            given[name] = video(tmp_path / "given.mp4", given[name])
    model = Recorder()
    made = Studio(model, settings=settings).generate(request_for(PROMPT, **given), out)
    assert np.allclose(levels(made.path), expected, atol=10)
    assert made.notices == ["drawn, not sampled"]
    if options.get("loop"):
        assert model.after is not None
        assert len(model.before) == len(model.after) == 12


def test_inputs_become_ingredients_and_a_sealed_input_keeps_its_history(tmp_path, out, settings):
    studio = Studio(Recorder(), settings=settings)
    first = studio.generate(GenerationRequest(prompt=PROMPT), tmp_path / "first.mp4")
    second = studio.generate(request_for(PROMPT, extend=first.path), out)
    verification = verify(second.path, settings=settings)
    assert verification.conclusion == "verified"
    assert verification.manifest is not None
    assert verification.manifest.ingredients == ("first.mp4",)
    assert first.manifest_id in c2pa.Reader(second.path).json()


def test_a_still_picture_is_the_first_frame(tmp_path, out, settings):
    Image.fromarray(drawn(60, 1)[0]).save(tmp_path / "still.png")
    model = Recorder()
    made = Studio(model, settings=settings).generate(request_for(PROMPT, image=tmp_path / "still.png"), out)
    assert levels(made.path)[:2] == [60, 130]
    assert model.before.shape == (1, SIDE, SIDE, 3)


def test_an_input_that_cannot_be_read_leaves_no_file(tmp_path, out, settings):
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x18ftypisom" + b"\0" * 500)
    with pytest.raises(MediaError):
        Studio(Recorder(), settings=settings).generate(request_for(PROMPT, extend=tmp_path / "broken.mp4"), out)
    assert list(out.parent.iterdir()) == []
    gone = GenerationRequest(prompt=PROMPT, conditions=(Condition(path=tmp_path / "gone.mp4"),))
    with pytest.raises(UsageError, match="not a file"):
        Studio(Recorder(), settings=settings).generate(gone, out)


@pytest.mark.parametrize(
    "request_",
    [
        GenerationRequest(prompt="", shots=(Shot(prompt=PROMPT), Shot(prompt="a nude video of Emmanuel Macron"))),
        GenerationRequest(prompt=PROMPT, negative_prompt="a nude video of Emmanuel Macron"),
        GenerationRequest(prompt="", shots=(Shot(prompt="a nude video of"), Shot(prompt="Emmanuel Macron"))),
    ],
)
def test_the_policy_reads_every_text_and_the_seams_between_them(out, settings, request_):
    model = Recorder()
    with pytest.raises(PolicyRefusedError):
        Studio(model, settings=settings).generate(request_, out)
    assert model.requests == []


def test_a_cancelled_generation_leaves_no_file(out, settings):
    asked = count()
    with pytest.raises(GenerationError, match="cancelled"):
        Studio(Recorder(), settings=settings).generate(
            GenerationRequest(prompt=PROMPT), out, cancelled=lambda: next(asked) == 1
        )
    assert list(out.parent.iterdir()) == []
