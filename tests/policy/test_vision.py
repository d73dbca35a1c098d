from __future__ import annotations

import base64
import hashlib
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from countermark.core.encoders import clip_text
from countermark.core.errors import MediaError, MediaLimitError, UsageError, WeightsError
from countermark.core.media import probe
from countermark.core.settings import Settings
from policy import check, load_policy, vision
from policy.consent import consent_among, issue_consent, read_consent
from policy.faces import _suppress, find_faces
from policy.nudity import nudity_scores
from policy.records import open_records
from policy.vision import Sight, Watch, WithheldError, check_upload


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def drawing(side: int = 96) -> np.ndarray:
    image = Image.new("RGB", (side, side), "skyblue")
    ImageDraw.Draw(image).ellipse((20, 30, 70, 80), fill="darkred")
    return np.asarray(image)


def test_plain_pictures_show_nothing(home: Settings) -> None:
    rng = np.random.default_rng(1)
    pictures = np.stack([drawing(), rng.integers(0, 256, (96, 96, 3), np.uint8), np.zeros((96, 96, 3), np.uint8)])
    scores = nudity_scores(pictures, home)
    assert scores.shape == (3,)
    assert (scores < load_policy().rules.file.vision.nudity.strict).all()
    assert all(len(find_faces(picture, home)) == 0 for picture in pictures)


@pytest.mark.parametrize("overlap", [0.5, 0.7])
def test_overlapping_boxes_are_suppressed_as_torchvision_does(overlap: float) -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 60, (400, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, (400, 2)), rng.uniform(size=(400, 1))], axis=1)
    boxes = boxes.astype(np.float32)
    kept = ops.nms(torch.from_numpy(boxes[:, :4].copy()), torch.from_numpy(boxes[:, 4].copy()), overlap)
    assert 20 < len(kept) < 400
    assert np.array_equal(_suppress(boxes, overlap), boxes[kept.numpy()])
    assert _suppress(boxes[:0], overlap).shape == (0, 5)


def test_a_wrong_model_file_is_an_error(home: Settings) -> None:
    folder = home.home / "weights"
    folder.mkdir()
    (folder / "open_nsfw.onnx").write_bytes(b"something else")
    with pytest.raises(WeightsError):
        nudity_scores(drawing()[None], home)


def test_frames_pass_unchanged_and_a_few_per_second_are_examined(home: Settings) -> None:
    watch = Watch(check("a red balloon"), 8.0, home)
    chunks = [np.repeat(drawing()[None], 6, axis=0)] * 3
    assert sum(len(chunk) for chunk in watch.over(chunks)) == 18
    assert (watch.seen, watch.examined) == (18, 5)


def test_withheld_frames_never_leave(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([0.1, 0.1, 0.6])
    monkeypatch.setattr(vision, "look", lambda pictures, **_: [Sight(scores={"sexual": next(seen)}) for _ in pictures])
    decision = check("children fly a kite on a hill")
    assert decision.output_check == "strict"
    left = []
    with pytest.raises(WithheldError) as caught:
        left.extend(Watch(decision, 2.0, home).over([np.zeros((1, 8, 8, 3), np.uint8)] * 3))
    assert len(left) <= 2
    assert (caught.value.decision.action, caught.value.decision.category) == ("block", "sexual")
    assert caught.value.decision.categories[0].source == "picture"
    with open_records(home) as records:
        assert [e.kind for e in records.entries()] == ["frames"]


def test_an_upload_with_a_face_needs_consent(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "upload.mp4"
    _write(path)
    free = check_upload(path, settings=home)
    assert free.allowed
    assert "prompt" not in free.reason
    assert free.examined[:2] == ["sexual", "faces"]
    assert set(free.shown) == {"sexual"}

    monkeypatch.setattr(vision, "find_faces", lambda *_: np.ones((1, 5), np.float32))
    refused = check_upload(path, settings=home)
    assert (refused.allowed, refused.category) == (False, "private_likeness")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    token = issue_consent(digest, "Ada", settings=home)
    assert check_upload(path, settings=home, consent=token).consent == "Ada"
    with pytest.raises(UsageError, match="another file"):
        read_consent(token, "0" * 64, settings=home)
    with pytest.raises(UsageError, match="not one of this deployment"):
        read_consent(token[:-1] + ("0" if token[-1] != "0" else "1"), digest, settings=home)
    with pytest.raises(UsageError, match="ended"):
        read_consent(issue_consent(digest, "Ada", settings=home, days=1e-9), digest, settings=home)


def test_a_consent_without_end_and_a_token_that_is_none(home: Settings, tmp_path: Path) -> None:
    for days in (0, -1, 1e305, math.inf, math.nan):
        with pytest.raises(UsageError, match="cannot hold for"):
            issue_consent("0" * 64, "Ada", settings=home, days=days)
    path = tmp_path / "upload"
    path.write_bytes(b"something")
    nested = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    token = issue_consent(hashlib.sha256(b"something").hexdigest(), "Ada", settings=home)
    assert consent_among([nested, "no token", token], path) == token


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_still_pictures_are_examined(home: Settings, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "upload"
    Image.fromarray(drawing(1200)).save(path, kind)
    assert check_upload(path, settings=home).frames == 1
    if kind != "GIF":  # of which FFmpeg shows what there is
        path.write_bytes(path.read_bytes()[:300])
        with pytest.raises(MediaError):
            check_upload(path, settings=home)


def test_pictures_beyond_the_limits_are_refused(home: Settings, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (3000, 3000)).save(path)
    with pytest.raises(MediaLimitError, match="pixels"):
        check_upload(path, settings=home.model_copy(update={"max_pixels": 1_000_000}))


def test_a_picture_is_examined_as_it_will_be_shown(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, exif, seen = tmp_path / "turned.jpg", Image.Exif(), []
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (2048, 1024)).save(path, exif=exif)
    monkeypatch.setattr(vision, "find_faces", lambda picture, _: seen.append(picture.shape) or [])
    check_upload(path, settings=home)
    assert seen == [(1024, 512, 3)]


@pytest.mark.parametrize(("frames", "most"), [(600, 42), (3000, 64)])
def test_a_video_is_looked_at_to_its_end_whatever_its_header_says(
    home: Settings, tmp_path: Path, frames: int, most: int
) -> None:
    path = tmp_path / "upload.mkv"
    levels = np.linspace(30, 220, frames).astype(np.uint8)
    _write(path, np.broadcast_to(levels[:, None, None, None], (frames, 16, 16, 3)), stated=1, fps=30)
    assert probe(path).fps == 1
    seen = [float(picture.mean()) for picture in vision._pictures(path, 2.0, home)]
    assert most / 2 <= len(seen) <= most
    assert np.allclose([seen[0], seen[-1]], [30, 220], atol=3)
    assert np.diff(seen).max() <= 2.5 * 190 / len(seen)


def test_a_video_is_looked_at_as_a_player_shows_it(home: Settings, tmp_path: Path) -> None:
    path, rgb = tmp_path / "upload.mp4", np.zeros((2, 64, 96, 3), np.uint8)
    rgb[:, :32, :48] = 200  # the first quarter as coded: turned, it is below, and then at the right
    _write(path, rgb, rotation=90, mirrored=True)
    picture = next(iter(vision._pictures(path, 2.0, home)))[0]
    assert picture.shape == (96, 64, 3)
    assert picture[60:, 40:].mean() > 150
    assert picture[:40].mean() < 50


def test_what_a_picture_shows_counts_for_the_prompt_beside_it() -> None:
    prompt = "the people in this picture move slowly"
    assert check(prompt).action == "allow"
    assert check(prompt, shown={"sexual": 30.0}).action == "block"


def test_zero_shot_categories_need_both_towers(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from open_clip.transformer import QuickGELU, TextTransformer
    from safetensors.torch import save_file

    torch.manual_seed(1)
    tower = TextTransformer(width=512, heads=8, layers=12, output_dim=512, act_layer=QuickGELU)
    (home.home / "weights").mkdir()
    path = home.home / "weights" / clip_text.FILENAME
    save_file({**tower.state_dict(), "visual.proj": torch.zeros(1)}, path)
    vectors = clip_text.embed_sentences(path, ["a dog", "a house"])
    assert vectors.shape == (2, 512)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert "hate" in vision.examined(load_policy(), home)

    class Tower:
        """An image tower that sees what the first sentence of one category says."""

        def encode(self, images: np.ndarray) -> object:
            sentence = load_policy().rules.file.vision.zero_shot["hate"][0]
            row = clip_text.embed_sentences(path, [sentence])
            return type("Embedding", (), {"image": np.repeat(row, len(images), axis=0)})

    monkeypatch.setattr(vision, "image_encoder", lambda _: Tower())
    sight = vision.look(drawing()[None], policy=load_policy(), settings=home)[0]
    assert max(sight.scores, key=lambda c: sight.scores[c]) == "hate"

    path.write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match="checkpoint"):
        clip_text.embed_sentences(path, ["a dog"])


def _write(path: Path, rgb: np.ndarray | None = None, *, stated: int = 8, fps: int = 8, **turned: object) -> None:
    from countermark.core.media import Frames, VideoSpec, VideoWriter

    rgb = np.repeat(drawing()[None], 8, axis=0) if rgb is None else rgb
    height, width = rgb.shape[1:3]
    spec = VideoSpec(width=width, height=height, fps=Fraction(stated), time_base=Fraction(1, fps), **turned)
    with VideoWriter(path, spec) as writer:
        writer.write(Frames.from_rgb(rgb, pts=np.arange(len(rgb), dtype=np.int64)))
