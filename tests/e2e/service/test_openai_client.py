"""The unmodified ``openai`` client against the service: what worked with its former provider works here."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path

import numpy as np
import openai
import pytest
from PIL import Image, ImageDraw, ImageFont
from running_service import PROMPT

from countermark.core.media import VideoReader
from countermark.core.settings import Settings
from policy.lettering import can_read

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def client(server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0, timeout=120)


def test_a_video_is_created_polled_and_downloaded(client, server, tmp_path):
    video = client.videos.create_and_poll(prompt=PROMPT, extra_body={"steps": 2}, poll_interval_ms=300)
    assert (video.object, video.status, video.progress, video.error) == ("video", "completed", 100, None)
    assert (video.model, video.size, video.seconds, video.prompt) == ("countermark-dit", "256x256", "2", PROMPT)
    assert video.created_at <= video.completed_at < video.expires_at
    target = tmp_path / "out.mp4"
    client.videos.download_content(video.id).write_to_file(target)
    assert "Verified" in server.cli("verify", target)
    thumbnail = Image.open(io.BytesIO(client.videos.download_content(video.id, variant="thumbnail").read()))
    assert (thumbnail.format, thumbnail.size) == ("WEBP", (256, 256))
    sheet = Image.open(io.BytesIO(client.videos.download_content(video.id, variant="spritesheet").read()))
    assert (sheet.format, sheet.size) == ("JPEG", (1024, 1024))


def test_what_old_clients_ask_for_is_answered_with_what_is_made(client):
    video = client.videos.create(prompt=PROMPT, model="sora-2", seconds="8", size="1792x1024", extra_body={"steps": 1})
    assert (video.model, video.size, video.seconds) == ("countermark-dit", "1280x720", "8")
    assert len(video.notices) == 1
    assert client.videos.delete(video.id).deleted


def test_videos_are_listed_in_pages_remixed_and_deleted(client, sealed):
    original, _ = sealed
    remix = client.videos.remix(original, prompt="a green balloon rising over the sea")
    assert (remix.remixed_from_video_id, remix.status) == (original, "queued")
    first = client.videos.list(limit=1)
    assert [video.id for video in first.data] == [remix.id]
    assert first.has_more
    listed = [video.id for video in client.videos.list(limit=1, order="asc")]  # through all pages
    assert listed.index(original) < listed.index(remix.id)
    assert client.videos.delete(remix.id).object == "video.deleted"
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(remix.id)


def test_a_refused_prompt_says_why(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(prompt="a nude video of a famous politician")
    assert (refused.value.code, refused.value.param) == ("moderation_blocked", "prompt")
    assert "nudity" in refused.value.message
    assert refused.value.body["decision"]["category"] == "sexual"


def picture(colour: str = "skyblue") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), colour).save(out, "PNG")
    return out.getvalue()


def test_still_pictures_are_made_and_sealed(client, server, tmp_path):
    more = {"seed": 4, "steps": 2}
    made = client.images.generate(prompt=PROMPT, n=2, size="1536x1024", output_format="jpeg", extra_body=more)
    assert (made.output_format, made.size, len(made.notices), len(made.data)) == ("jpeg", "1280x720", 1, 2)
    files = [base64.b64decode(each.b64_json) for each in made.data]
    assert files[0] != files[1]
    for i, content in enumerate(files):
        assert server.call("GET", f"/v1/images/{made.id}/content?index={i}").body == content
        path = tmp_path / f"{i}.jpg"
        path.write_bytes(content)
        with Image.open(path) as opened:
            assert (opened.format, opened.size) == ("JPEG", (1280, 720))
        assert "Verified" in server.cli("verify", path)
    job = server.call("GET", f"/v1/jobs/{made.id}").json
    assert (job["object"], job["status"], len(job["data"])) == ("image", "completed", 2)
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(prompt="a nude picture of a famous politician")
    assert refused.value.code == "moderation_blocked"


def by_id(video: str) -> dict:
    """A completed video instead of an upload; the client's own ``video=`` takes files only, whatever its types say."""
    return {"video": {"id": video}}


def starting(**reference: str) -> dict:
    return {"input_reference": reference}


def finished(client, video, timeout: float = 240):
    deadline = time.monotonic() + timeout
    while video.status in ("queued", "in_progress") and time.monotonic() < deadline:
        time.sleep(0.3)
        video = client.videos.retrieve(video.id)
    assert video.status == "completed", video
    return video


def first_frame(client, video, tmp_path) -> np.ndarray:
    target = tmp_path / f"{video.id}.mp4"
    client.videos.download_content(video.id).write_to_file(target)
    with VideoReader(target, isolated=False, max_frames=1) as reader:
        return next(iter(reader)).to_rgb()[0]


def ingredients(client, server, video, tmp_path) -> list[str]:
    target = tmp_path / f"{video.id}.mp4"
    client.videos.download_content(video.id).write_to_file(target)
    told = json.loads(server.cli("verify", target, "--json"))
    assert told["conclusion"] == "verified"
    return told["manifest"]["ingredients"]


def test_a_picture_is_the_first_frame_and_an_ingredient(client, server, tmp_path):
    given = ("sky.png", picture(), "image/png")
    video = client.videos.create(prompt=PROMPT, input_reference=given, seconds="1", extra_body={"steps": 1})
    url = "data:image/png;base64," + base64.b64encode(picture("darkgreen")).decode()
    green = client.videos.create(prompt=PROMPT, seconds="1", extra_body={"steps": 1} | starting(image_url=url))
    video, green = finished(client, video), finished(client, green)
    assert np.abs(first_frame(client, video, tmp_path).mean((0, 1)) - (135, 206, 235)).max() < 12
    assert np.abs(first_frame(client, green, tmp_path).mean((0, 1)) - (0, 100, 0)).max() < 12
    assert ingredients(client, server, video, tmp_path) == ["sky.png"]
    with pytest.raises(openai.BadRequestError, match="not kept"):
        client.videos.remix(video.id, prompt="a green balloon")
    assert not (server.home / "service" / "jobs" / video.id / "upload").exists()


def test_videos_are_edited_extended_and_blended(client, server, sealed, tmp_path):
    quick = {"steps": 1, "seed": 5}
    edited = client.videos.edit(
        prompt="a red balloon over a city", video=openai.omit, extra_body=quick | by_id(sealed[0])
    )
    assert edited.remixed_from_video_id == sealed[0]
    upload = ("clip.mp4", sealed[1], "video/mp4")
    longer = client.videos.extend(
        prompt=PROMPT, seconds="1", video=upload, extra_body=quick | {"direction": "backward"}
    )
    bridge = client.videos.create(prompt=PROMPT, extra_body=quick | {"blend": [sealed[0], sealed[0]]})
    edited, longer, bridge = (finished(client, each) for each in (edited, longer, bridge))
    made = {each.id: each.countermark["duration"] for each in (edited, longer, bridge)}
    source = client.videos.retrieve(sealed[0]).countermark["duration"]
    assert made[edited.id] == pytest.approx(source, abs=0.1)
    assert made[longer.id] == pytest.approx(source + 1, abs=0.4)
    assert made[bridge.id] > 2 * source + 1
    assert longer.seconds == f"{round(made[longer.id])}"
    assert ingredients(client, server, edited, tmp_path) == ["video.mp4"]
    assert ingredients(client, server, longer, tmp_path) == ["clip.mp4"]


def test_storyboards_and_loops_are_an_extension_of_ours(client):
    shots = [{"prompt": "a red car", "seconds": 1}, {"prompt": "a blue star", "seconds": 1.5}]
    board = client.videos.create(prompt="my film", extra_body={"shots": json.dumps(shots), "steps": 1})
    assert (board.prompt, board.seconds) == ("my film", "2.5")
    loop = client.videos.create(prompt=PROMPT, seconds="2", extra_body={"loop": True, "steps": 1})
    assert finished(client, board).countermark["duration"] == pytest.approx(2.5, abs=0.4)
    assert finished(client, loop).countermark["duration"] == pytest.approx(2, abs=0.4)


def test_what_is_given_is_under_the_policy_and_makes_sense(client, server, sealed, tmp_path):
    clip = ("a.mp4", sealed[1], "video/mp4")
    shown = ("a.png", picture(), "image/png")
    shots = json.dumps([{"prompt": "a nude video of"}, {"prompt": "a famous politician"}])
    for call, code, param in (
        (lambda: client.videos.create_character(name="Mossy", video=clip), "unsupported_parameter", "video"),
        (lambda: client.videos.edit(prompt=PROMPT, video=shown), "invalid_value", "video"),
        (lambda: client.videos.edit(prompt=PROMPT, video=("a.mp4", b"", "video/mp4")), "empty_file", "video"),
        (lambda: client.videos.edit(prompt=PROMPT, video=openai.omit, extra_body=by_id("video_0")), "not_found", None),
        (
            lambda: client.videos.create(prompt=PROMPT, extra_body=starting(image_url="https://example.com/a.png")),
            "invalid_value",
            "input_reference",
        ),
        (
            lambda: client.videos.create(prompt=PROMPT, extra_body=starting(file_id="file-1")),
            "unsupported_parameter",
            "input_reference",
        ),
        (
            lambda: client.videos.create(prompt=PROMPT, input_reference=shown, extra_body={"loop": True}),
            "invalid_value",
            None,
        ),
        (lambda: client.videos.create(prompt="a film", extra_body={"shots": shots}), "moderation_blocked", "prompt"),
        (lambda: client.videos.edit(prompt="a nude politician", video=clip), "moderation_blocked", "prompt"),
    ):
        with pytest.raises(openai.APIStatusError) as refused:
            call()
        assert (refused.value.code, refused.value.param) == (code, param)
    assert list((server.home / "service" / ".incoming").iterdir()) == []
    broken = client.videos.edit(prompt=PROMPT, video=("broken.mp4", b"\0\0\0\x18ftypisom" + bytes(500), "video/mp4"))
    job = server.until(f"/v1/videos/{broken.id}", "failed")
    assert job["error"]["code"] == "media"
    assert str(server.home) not in job["error"]["message"]


@pytest.mark.parametrize(
    ("asked", "error", "code", "param"),
    [
        ({"prompt": ""}, openai.BadRequestError, "invalid_value", "prompt"),
        ({"prompt": "x" * 4001}, openai.BadRequestError, "usage", None),
        ({"prompt": PROMPT, "model": "gpt-4"}, openai.NotFoundError, "model_not_found", "model"),
        ({"prompt": PROMPT, "size": "big"}, openai.BadRequestError, "invalid_value", "size"),
        ({"prompt": PROMPT, "extra_body": {"steps": 0}}, openai.BadRequestError, "invalid_value", "steps"),
    ],
)
def test_a_wrong_request_is_answered_in_openai_s_format(client, asked, error, code, param):
    with pytest.raises(error) as refused:
        client.videos.create(**asked)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.type == "invalid_request_error"
    assert refused.value.request_id.startswith("req_")


def test_a_video_that_is_not_ready_cannot_be_downloaded(client):
    video = client.videos.create(prompt=PROMPT)
    with pytest.raises(openai.BadRequestError) as early:
        client.videos.download_content(video.id)
    assert early.value.code == "video_not_ready"
    client.videos.delete(video.id)


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == ["countermark-dit", "countermark-dit-fast"]
    assert client.models.retrieve("sora-2").id == "countermark-dit"


def test_moderations_ask_the_policy(client):
    answer = client.moderations.create(input=[PROMPT, "a nude video of a famous politician"])
    calm, blocked = answer.results
    assert (calm.flagged, blocked.flagged) == (False, True)
    assert blocked.categories.sexual and not blocked.categories.violence
    assert blocked.category_scores.sexual > 0.5
    assert blocked.countermark["reason"]


def data_url(image: Image.Image, kind: str = "png") -> str:
    out = io.BytesIO()
    image.save(out, kind)
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode()}"


def shown(url: str) -> dict:
    """A part of a moderation's input that is a picture."""
    return {"type": "image_url", "image_url": {"url": url}}


def test_moderations_look_at_pictures_and_texts_together(client, server):
    balloon = shown(data_url(Image.new("RGB", (300, 200), "skyblue"), "webp"))
    words = {"type": "text", "text": PROMPT}
    (calm,) = client.moderations.create(model="omni-moderation-latest", input=[words, balloon]).results
    assert not calm.flagged
    assert calm.category_applied_input_types.sexual == ["text", "image"]
    assert calm.category_applied_input_types.illicit == ["text"]
    assert calm.category_applied_input_types.harassment == []
    assert len(calm.pictures) == 1
    (alone,) = client.moderations.create(input=[balloon]).results
    assert (alone.flagged, alone.countermark) == (False, None)
    assert alone.category_applied_input_types.sexual == ["image"]
    assert list((server.home / "service" / ".incoming").iterdir()) == []


@pytest.mark.skipif(
    not can_read(Settings(home=Path("nowhere"))),  # the server has a home of its own, without weights
    reason="the reading networks are not in COUNTERMARK_WEIGHTS_DIR: countermark weights fetch",
)
def test_moderations_read_the_words_in_a_picture(client):
    sign = Image.new("RGB", (800, 200), "white")
    ImageDraw.Draw(sign).text((60, 80), "kill all the jews", font=ImageFont.load_default(40), fill="black")
    (found,) = client.moderations.create(input=[shown(data_url(sign, "jpeg"))]).results
    assert found.flagged and found.categories.hate
    assert found.category_applied_input_types.hate == ["image"]
    assert found.pictures[0]["text"] == "kill all the jews"


@pytest.mark.parametrize(
    ("parts", "error", "code", "said"),
    [
        ([shown("https://example.com/a.png")], openai.BadRequestError, "invalid_value", "No address is fetched"),
        ([shown("data:image/png;base64,A")], openai.BadRequestError, "invalid_value", "data URL"),
        ([shown("data:image/png;base64,aGVsbG8=")], openai.BadRequestError, "media", "picture 1.png is not a picture"),
        ([shown(data_url(Image.new("1", (4000, 3000))))], openai.APIStatusError, "media_limit", "pixels"),
        ([shown("data:image/png;base64," + "A" * 13_000_000)], openai.APIStatusError, "too_large", "larger than"),
        ([shown(data_url(Image.new("1", (8, 8))))] * 5, openai.BadRequestError, "invalid_value", "at most 4 pictures"),
        ([{"type": "image_url"}], openai.BadRequestError, "invalid_value", "needs 'image_url'"),
        ([{"type": "audio"}], openai.BadRequestError, "invalid_value", "'text' or 'image_url'"),
        ([], openai.BadRequestError, "invalid_value", "between 1 and 64"),
    ],
)
def test_moderations_refuse_what_is_no_picture_by_itself(client, server, parts, error, code, said):
    with pytest.raises(error, match=said) as refused:
        client.moderations.create(input=parts)
    assert refused.value.code == code
    assert refused.value.param.startswith("input") if refused.value.param else code == "too_large"
    assert str(server.home) not in refused.value.message
    assert list((server.home / "service" / ".incoming").iterdir()) == []
