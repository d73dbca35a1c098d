import hashlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import c2pa
import numpy as np
import pytest
from PIL import Image

from countermark.core.errors import GenerationError, MediaError, PolicyRefusedError, UsageError, WeightsError
from countermark.core.media import Frames, VideoReader, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from generator import Studio
from generator.backends.bundled import BundledModel
from generator.model import Rate
from generator.request import Condition, GenerationRequest, Shot
from generator.studio import RefusedByPolicyError
from generator.tasks import request_for
from policy import Decision, check, gate, load_policy, vision
from policy.consent import issue_consent
from policy.records import open_records
from policy.vision import Sight, UploadRefusedError
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
    sampling = None

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []
        self.before: np.ndarray | None = None
        self.after: np.ndarray | None = None
        self.mask: np.ndarray | None = None

    def noise_mark(self, request):
        return None

    def size_for(self, size):
        return size or (SIDE, SIDE)

    def rate_for(self, fps):
        return Rate(Fraction(fps or 12), fps or 12)

    def check(self, request):
        if request.guidance == 20:
            raise UsageError("Guidance is built in.", remedy="Leave it out.")

    def sample(self, request, inputs, *, on_progress, on_preview, on_notice, cancelled) -> Iterator[np.ndarray]:
        self.requests.append(request)
        self.before, self.after, self.mask = inputs.before, inputs.after, inputs.mask
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
        yield drawn(128, 1 if request.still else 12)


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
NAMED, GENERIC = "a red Ferrari on a road", "a red sports car on a road"


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


@pytest.mark.parametrize("options", [{"extend": 5, "loop": True}, {"blend": (5, 24)}, {"blend": (24, 5)}])
def test_what_is_joined_at_both_ends_lasts_half_a_second(tmp_path, out, settings, options):
    def asked(shortest: int) -> GenerationRequest:
        given = {}
        for name, value in options.items():
            frames = value if isinstance(value, tuple) else (value,)
            made = tuple(video(tmp_path / f"{i}.mp4", 60, max(shortest, n)) for i, n in enumerate(frames))
            given[name] = value if value is True else made if name == "blend" else made[0]
        return request_for(PROMPT, **given)

    model = Recorder()
    with pytest.raises(UsageError, match=r"[01]\.mp4 is shorter than 0\.5 seconds"):
        Studio(model, settings=settings).generate(asked(5), out)
    assert model.requests == []
    assert Studio(model, settings=settings).generate(asked(6), out).frames >= 18


def test_what_is_given_and_made_has_the_rate_that_is_asked_for(tmp_path, out, settings):
    given = video(tmp_path / "given.mp4", 60)
    model = Recorder()
    made = Studio(model, settings=settings).generate(request_for(PROMPT, extend=given, fps=24), out)
    with VideoReader(made.path) as reader:
        assert reader.info.fps == 24
    assert np.allclose(levels(made.path), [60] * 47 + [130] * 12, atol=10)
    assert len(model.before) == 24


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"size": "250x256"}, "makes no 250x256"),
        ({"fps": 90}, "no 90 frames a second"),
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "\u200b"}, "no visible characters"),
        ({"prompt": "a ball " * 1000}, "7000 characters"),
        ({"negative_prompt": "a ball " * 1000}, "6999 characters"),
        ({"guidance": 20}, "built in"),
        ({"output": "clip.gif"}, r"cannot be embedded in a '\.gif' file"),
        ({"output": "clip.avi"}, r"cannot be embedded in a '\.avi' file"),
        ({"output": "clip"}, "clip, which names no type of file"),
        ({"output": "clip.png"}, "a video was asked for"),
    ],
)
def test_what_cannot_be_made_is_said_before_files_are_looked_at(tmp_path, settings, monkeypatch, asked, said):
    def looked(*_: object, **__: object) -> None:
        raise AssertionError("a given file was looked at")

    monkeypatch.setattr(gate, "check_upload", looked)
    monkeypatch.setattr("generator.assembly.read_video", looked)
    (tmp_path / "given.mp4").write_bytes(bytes(64))
    model = Recorder() if "guidance" in asked else BundledModel()
    options = {"prompt": PROMPT, "output": "clip.mp4", "extend": tmp_path / "given.mp4"} | asked
    output = tmp_path / options.pop("output")
    with pytest.raises(UsageError, match=said):
        Studio(model, settings=settings).generate(request_for(**options), output)


@pytest.mark.parametrize(("prompt", "name"), [("a ball \ud800", "clip.mp4"), (PROMPT, "\udcff.mp4")])
def test_what_could_not_be_written_down_is_wrong_use(out, settings, prompt, name):
    model = Recorder()
    with pytest.raises(UsageError, match="is not valid"):
        Studio(model, settings=settings).generate(request_for(prompt), out.with_name(name))
    assert model.requests == []
    assert list(out.parent.iterdir()) == []


def test_torch_is_not_waited_for_to_refuse_a_prompt(out, settings, monkeypatch):
    monkeypatch.setattr("generator.studio.model_named", lambda *_: pytest.fail("a model was made"))
    with pytest.raises(PolicyRefusedError):
        Studio("bundled", settings=settings).generate(request_for("a nude video of a famous politician"), out)


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.JPEG"])
def test_one_picture_is_sealed_like_a_video(tmp_path, settings, name):
    request = request_for(PROMPT, still=True)
    made = Studio(Recorder(), settings=settings).generate(request, tmp_path / name)
    assert (made.frames, made.duration, made.decision.action) == (1, 0.0, "allow")
    assert levels(made.path) == [130]
    assert verify(made.path, settings=settings).conclusion == "verified"


def test_a_picture_is_neither_written_as_a_video_nor_a_video_as_a_picture(tmp_path, out, settings):
    model = Recorder()
    studio = Studio(model, settings=settings)
    with pytest.raises(UsageError, match="a picture was asked for"):
        studio.generate(request_for(PROMPT, still=True), out)
    with pytest.raises(UsageError, match="a video was asked for"):
        studio.generate(request_for(PROMPT), out.with_suffix(".png"))
    assert model.requests == []
    assert list(out.parent.iterdir()) == []


def test_a_picture_that_is_withheld_is_not_there(out, settings, monkeypatch):
    monkeypatch.setattr(vision, "look", lambda rgb, **_: [Sight(scores={"sexual": 1.0}, faces=0) for _ in rgb])
    with pytest.raises(PolicyRefusedError):
        Studio(Recorder(), settings=settings).generate(request_for(PROMPT, still=True), out.with_suffix(".png"))
    assert list(out.parent.iterdir()) == []


def test_what_a_mask_leaves_out_is_kept(tmp_path, out, settings):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, SIDE // 2 :] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    model = Recorder()
    request = request_for(PROMPT, edit=video(tmp_path / "given.mp4", 60), mask=tmp_path / "mask.png")
    made = Studio(model, settings=settings).generate(request, out)
    assert model.mask.sum() == SIDE * SIDE // 2
    with VideoReader(made.path) as reader:
        frames = np.concatenate([f.to_rgb() for f in reader])
    assert len(frames) == 24
    assert np.allclose(frames[:, :, : SIDE // 2 - 4].mean((1, 2, 3)), 60, atol=10)
    assert np.allclose(frames[:, :, SIDE // 2 + 4 :].mean((1, 2, 3)), 195, atol=10)
    report = verify(made.path, settings=settings).manifest
    assert report is not None
    assert report.ingredients == ("given.mp4", "mask.png")


def test_a_video_stands_inside_a_larger_picture(tmp_path, out, settings):
    model = Recorder()
    request = request_for(PROMPT, outpaint=video(tmp_path / "given.mp4", 60), size="512x288")
    made = Studio(model, settings=settings).generate(request, out)
    assert (made.width, made.height) == (512, 288)
    assert model.mask[:, 112:400].sum() == 0
    assert model.mask[:, :112].all()
    assert model.mask[:, 400:].all()
    same = request_for(PROMPT, outpaint=tmp_path / "given.mp4", size=(SIDE, SIDE))
    with pytest.raises(UsageError, match="nothing to make around"):
        Studio(model, settings=settings).generate(same, tmp_path / "same.mp4")


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
        GenerationRequest(prompt="", shots=(Shot(prompt="a portrait of Taylor"), Shot(prompt="Swift by the sea"))),
        GenerationRequest(
            prompt=NAMED, shots=(Shot(prompt="a portrait of Taylor"), Shot(prompt="Swift walks by the sea"))
        ),
    ],
)
def test_the_policy_reads_every_text_and_the_seams_between_them(out, settings, request_):
    model = Recorder()
    with pytest.raises(PolicyRefusedError):
        Studio(model, settings=settings).generate(request_, out)
    assert model.requests == []


def test_what_the_model_is_given_is_what_is_recorded(out, settings):
    model = Recorder()
    made = Studio(model, settings=settings).generate(GenerationRequest(prompt=PROMPT, negative_prompt=NAMED), out)
    assert model.requests[0].texts == made.request.texts == (PROMPT, GENERIC)
    assert (made.decision.action, made.decision.rewritten_prompt) == ("rewrite", f"{PROMPT}\n{GENERIC}")


@pytest.mark.parametrize("strict", ["a red ball", "a blue boat", "a red ball\na blue boat"])
def test_one_strict_text_makes_the_output_check_strict(out, settings, monkeypatch, strict):
    def admitted(text: str, **_: object) -> Decision:
        return check(text).model_copy(update={"output_check": "strict" if text == strict else "standard"})

    monkeypatch.setattr("generator.studio.admit", admitted)
    request = GenerationRequest(prompt="", shots=(Shot(prompt="a red ball"), Shot(prompt="a blue boat")))
    assert Studio(Recorder(), settings=settings).generate(request, out).decision.output_check == "strict"


def test_what_was_refused_counts_against_who_asked(out, settings):
    studio, harm = Studio(Recorder(), settings=settings), "a nude video of Emmanuel Macron"
    for _ in range(load_policy().rules.file.abuse.review_after):
        with pytest.raises(PolicyRefusedError):
            studio.generate(GenerationRequest(prompt=harm, negative_prompt="a cat"), out, user="mallory")
    with pytest.raises(RefusedByPolicyError) as refused:
        studio.generate(GenerationRequest(prompt=PROMPT), out, user="mallory")
    assert (refused.value.decision.action, refused.value.decision.categories[0].source) == ("review", "abuse")
    assert studio.generate(GenerationRequest(prompt=PROMPT), out, user="ada").decision.action == "allow"
    with open_records(settings) as records:
        assert records.count("mallory", 24) == load_policy().rules.file.abuse.review_after


def test_a_cancelled_generation_leaves_no_file(out, settings):
    asked = count()
    with pytest.raises(GenerationError, match="cancelled"):
        Studio(Recorder(), settings=settings).generate(
            GenerationRequest(prompt=PROMPT), out, cancelled=lambda: next(asked) == 1
        )
    assert list(out.parent.iterdir()) == []


def test_every_given_file_is_examined_before_the_model_is_asked(tmp_path, out, settings, monkeypatch):
    seen: list[Path] = []

    def look(pictures: np.ndarray, **_: object) -> list[Sight]:
        return [Sight(scores={"sexual": 0.6 if pictures.mean() > 150 else 0.1}, faces=0) for _ in pictures]

    monkeypatch.setattr(vision, "look", look)
    monkeypatch.setattr(gate, "check_upload", lambda path, **kw: seen.append(path) or vision.check_upload(path, **kw))
    model, studio = Recorder(), Studio(Recorder(), settings=settings)
    calm, bare = video(tmp_path / "calm.mp4", 60), video(tmp_path / "bare.mp4", 200)
    Image.fromarray(drawn(200, 1)[0]).save(tmp_path / "bare.png")
    for given in ({"blend": (calm, bare)}, {"extend": bare}, {"edit": bare}, {"image": tmp_path / "bare.png"}):
        seen.clear()
        with pytest.raises(UploadRefusedError, match=r"bare\.") as refused:
            Studio(model, settings=settings).generate(request_for(PROMPT, **given), out)
        assert refused.value.upload.category == "sexual"
    assert (model.requests, list(out.parent.iterdir())) == ([], [])
    assert studio.generate(request_for(PROMPT, extend=calm), out).decision.action == "allow"
    assert seen[-1] == calm
    with open_records(settings) as records:
        assert [e.action for e in records.entries() if e.kind == "upload"] == ["allow", *["block"] * 4, "allow"]


def test_an_input_is_not_written_over(tmp_path, settings):
    model, given = Recorder(), video(tmp_path / "given.mp4", 60)
    before = given.read_bytes()
    with pytest.raises(UsageError, match="also an input"):
        Studio(model, settings=settings).generate(request_for(PROMPT, extend=given), given, overwrite=True)
    assert given.read_bytes() == before
    with open_records(settings) as records:  # said before the policy decodes anything
        assert list(records.entries()) == []


def test_a_face_needs_a_token_for_its_file(tmp_path, out, settings, monkeypatch):
    monkeypatch.setattr(vision, "find_faces", lambda *_: np.ones((1, 5), np.float32))
    path = video(tmp_path / "someone.mp4", 60)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    elsewhere = issue_consent("0" * 64, "Ada", settings=settings)
    studio = Studio(Recorder(), settings=settings)
    for tokens in ((), (elsewhere, "junk")):
        with pytest.raises(UploadRefusedError):
            studio.generate(request_for(PROMPT, extend=path, consents=tokens), out)
    token = issue_consent(digest, "Ada", settings=settings)
    with pytest.raises(UsageError, match="not one of this deployment"):
        studio.generate(request_for(PROMPT, extend=path, consents=(token[:-4] + "0000",)), out)
    made = studio.generate(request_for(PROMPT, extend=path, consents=(elsewhere, token)), out)
    assert token not in made.model_dump_json()


def test_what_is_given_counts_for_the_prompt_beside_it(tmp_path, out, settings, monkeypatch):
    prompt = "the people in this picture move slowly"
    given = video(tmp_path / "a.mp4", 60)
    Studio(Recorder(), settings=settings).generate(request_for(prompt, extend=given), tmp_path / "calm.mp4")
    suggestive = vision.check_upload(given, settings=settings).model_copy(update={"shown": {"sexual": 30.0}})
    monkeypatch.setattr(gate, "check_upload", lambda *_, **__: suggestive)
    with pytest.raises(PolicyRefusedError) as refused:
        Studio(Recorder(), settings=settings).generate(request_for(prompt, extend=given), out)
    assert refused.value.decision.category == "sexual"


def test_nothing_is_made_when_what_is_given_cannot_be_examined(tmp_path, out, settings):
    folder = settings.home / "weights"
    folder.mkdir(parents=True)
    (folder / "open_nsfw.onnx").write_bytes(b"something else")
    model = Recorder()
    with pytest.raises(WeightsError):
        Studio(model, settings=settings).generate(request_for(PROMPT, extend=video(tmp_path / "a.mp4", 60)), out)
    assert (model.requests, list(out.parent.iterdir())) == ([], [])
