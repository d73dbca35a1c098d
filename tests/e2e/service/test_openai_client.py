"""The unmodified ``openai`` client against the service: what worked with its former provider works here."""

from __future__ import annotations

import io

import openai
import pytest
from PIL import Image
from running_service import PROMPT

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
    video = client.videos.create(prompt=PROMPT, model="sora-2", seconds="8", size="1280x720", extra_body={"steps": 1})
    assert (video.model, video.size, video.seconds) == ("countermark-dit", "256x256", "2")
    assert len(video.notices) == 2
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


def test_what_is_not_supported_yet_says_so(client, sealed):
    picture = io.BytesIO()
    Image.new("RGB", (64, 64)).save(picture, "PNG")
    for call in (
        lambda: client.videos.create(prompt=PROMPT, input_reference=("a.png", picture.getvalue(), "image/png")),
        lambda: client.videos.edit(prompt=PROMPT, video=("a.mp4", sealed[1], "video/mp4")),
        lambda: client.videos.extend(prompt=PROMPT, seconds="4", video=("a.mp4", sealed[1], "video/mp4")),
        lambda: client.videos.create_character(name="Mossy", video=("a.mp4", sealed[1], "video/mp4")),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            call()
        assert refused.value.code == "unsupported_parameter"


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
    assert [model.id for model in client.models.list()] == ["countermark-dit"]
    assert client.models.retrieve("sora-2").id == "countermark-dit"


def test_moderations_ask_the_policy(client):
    answer = client.moderations.create(input=[PROMPT, "a nude video of a famous politician"])
    calm, blocked = answer.results
    assert (calm.flagged, blocked.flagged) == (False, True)
    assert blocked.categories.sexual and not blocked.categories.violence
    assert blocked.category_scores.sexual > 0.5
    assert blocked.countermark["reason"]
