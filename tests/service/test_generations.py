"""Every task of the generator over HTTP: what is asked becomes a job, and what makes no sense is answered at once."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from countermark.core.errors import CountermarkError
from countermark.core.media import Frames, VideoReader, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from countermark.service.api import generations
from countermark.service.app import create_app
from countermark.service.jobs import Job
from countermark.service.options import ServiceSettings
from countermark.service.plans import PATH, request_of, user_of
from countermark.service.state import Service
from countermark.service.work import Desk, explain, perform
from policy import decision, gate, records, vision
from policy.vision import Sight
from provenance.verify import verify

PROMPT = "a red ball over the sea"
SIDE, FRAMES = 128, 26


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[TestClient]:
    """The application without workers: jobs stay in the queue."""
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    app = create_app(settings, ServiceSettings(max_upload_bytes=200_000))
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        yield opened
        assert list((settings.home / "service" / ".incoming").iterdir()) == []


@pytest.fixture(scope="module")
def service(client) -> Service:
    return client.app.state.service


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> tuple[bytes, bytes]:
    """Two videos of 26 frames, a dark and a bright one."""
    folder, grain = tmp_path_factory.mktemp("clips"), np.random.default_rng(0).normal(0, 5, (SIDE, SIDE, 1))
    spec = VideoSpec(width=SIDE, height=SIDE, fps=Fraction(12), time_base=Fraction(1, 12))
    for level in (60, 190):
        ramp = level + np.linspace(-20, 20, SIDE)[:, None, None] + grain
        frames = np.repeat(ramp, 3, axis=2).clip(0, 255).astype(np.uint8)[None].repeat(FRAMES, axis=0)
        with VideoWriter(folder / f"{level}.mp4", spec) as writer:
            writer.write(Frames.from_rgb(frames, pts=np.arange(FRAMES)))
    dark, bright = ((folder / f"{level}.mp4").read_bytes() for level in (60, 190))
    return dark, bright


def right_half(kind: str = "PNG") -> bytes:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, SIDE // 2 :] = 255
    out = io.BytesIO()
    Image.fromarray(mask).save(out, kind)
    return out.getvalue()


def data_url(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def asked(client: TestClient, path: str, fields: dict, *files: tuple[str, tuple]) -> dict:
    """The answer to a form with these files, or without any to JSON; it has to be good."""
    answer = client.post(path, data=fields, files=files) if files else client.post(path, json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(client: TestClient, path: str, fields: dict, *files: tuple[str, tuple]) -> tuple[int, str, str | None]:
    answer = client.post(path, data=fields, files=files) if files else client.post(path, json=fields)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def done(service: Service, video: dict) -> tuple[Job, Path]:
    """The job of an answer, done here, and what came of it."""
    job = service.jobs.get(video["id"])
    perform(job, Desk(service.settings, service.files), lambda progress, step, preview=None: None)
    return job, service.files.find(job.id, "video.mp4")


def frames_of(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.concatenate([frames.to_rgb() for frames in reader])


def ingredients(service: Service, path: Path) -> tuple[str, ...]:
    told = verify(path, settings=service.settings)
    assert told.conclusion == "verified" and told.manifest is not None
    return told.manifest.ingredients


QUICK = {"prompt": PROMPT, "steps": "1"}


def test_two_uploaded_videos_are_blended_in_their_order(client, service, clips):
    dark, bright = (("clip.mp4", clip, "video/mp4") for clip in clips)
    _, made = done(service, asked(client, "/v1/videos", QUICK, ("blend[]", bright), ("blend[]", dark)))
    frames = frames_of(made)
    assert len(frames) > 2 * FRAMES
    assert frames[: FRAMES - 2].mean() == pytest.approx(190, abs=10)
    assert frames[2 - FRAMES :].mean() == pytest.approx(60, abs=10)
    assert ingredients(service, made) == ("clip.mp4", "clip-2.mp4")


def test_a_video_changes_only_where_the_mask_is_white(client, service, clips):
    files = (("video", ("clip.mp4", clips[0], "video/mp4")), ("mask", ("where.png", right_half(), "image/png")))
    job, made = done(service, asked(client, "/v1/videos/edits", QUICK, *files))
    frames = frames_of(made).astype(float)
    assert len(frames) == FRAMES
    kept, new = frames[:, :, :120], frames[:, :, 136:]
    assert kept.mean() == pytest.approx(60, abs=3)
    assert np.abs(new - 60).mean() > 20
    assert ingredients(service, made) == ("clip.mp4", "where.png")
    assert client.post(f"/v1/videos/{job.id}/remix", json={"prompt": PROMPT}).status_code == 400


def test_a_picture_of_another_shape_is_made_around_a_video(client, service, clips):
    fields = QUICK | {"outpaint": "true", "size": "512x288"}
    video = asked(client, "/v1/videos/edits", fields, ("video", ("clip.mp4", clips[0], "video/mp4")))
    _, made = done(service, video)
    frames = frames_of(made).astype(float)
    assert frames.shape == (FRAMES, 288, 512, 3)
    assert frames[:, :, 120:392].mean() == pytest.approx(60, abs=3)
    assert ingredients(service, made) == ("clip.mp4",)


def test_what_is_planned_is_what_the_command_line_would_ask_for(client, service, clips):
    clip, mask = ("a.mp4", clips[0], "video/mp4"), ("m.webp", right_half("WEBP"), "image/webp")

    def condition(path: str, fields: dict, *files: tuple[str, tuple]) -> dict:
        job = service.jobs.get(asked(client, path, QUICK | fields, *files)["id"])
        request = request_of(job.request, lambda given: PATH)
        (only,) = request.conditions
        return only.model_dump(include={"at", "strength", "around"}) | {
            "mask": only.mask is not None,
            "size": request.size,
        }

    edited = {"at": "whole", "strength": pytest.approx(0.15), "around": False, "mask": False, "size": (256, 256)}
    assert condition("/v1/videos/edits", {}, ("video", clip)) == edited
    assert condition("/v1/videos/edits", {"size": "512x288"}, ("video", clip)) == edited | {"size": (512, 288)}
    masked = edited | {"mask": True, "strength": 0}
    assert condition("/v1/videos/edits", {}, ("video", clip), ("mask", mask)) == masked
    by_url = {"mask[image_url]": data_url(right_half())}
    assert condition("/v1/videos/edits", by_url, ("video", clip)) == masked
    half = condition("/v1/videos/edits", {"strength": "0.5"}, ("video", clip), ("mask", mask))
    assert half == masked | {"strength": 0.5}
    around = condition("/v1/videos/edits", {"outpaint": "1", "size": "288x512"}, ("video", clip))
    assert around == edited | {"strength": 0, "around": True, "size": (288, 512)}
    longer = condition("/v1/videos/extensions", {"size": "640x640"}, ("video", clip))
    assert longer == edited | {"at": "start", "strength": 1, "size": (640, 640)}


def test_completed_videos_are_inpainted_outpainted_and_blended_with_uploads(client, service, clips):
    first = asked(client, "/v1/videos", QUICK)["id"]
    begun = service.jobs.begin(first)
    record = {"video_id": "0", "manifest_id": "m", "sha256": "s", "size_bytes": 1, "width": 256, "height": 256}
    record |= {"frames": 25, "duration": 2.08, "signer": "me"}
    service.jobs.finish(begun, retention=service.options.retention, result=record, error=None)
    by_id = QUICK | {"video": {"id": first}}
    masked = asked(client, "/v1/videos/edits", by_id | {"mask": {"image_url": data_url(right_half())}})
    assert service.jobs.get(masked["id"]).request["given"] == [
        {"video": first, "size": "256x256", "mask": "picture.png", "at": "whole", "strength": 0}
    ]
    assert service.files.upload(masked["id"], "picture.png").read_bytes() == right_half()
    service.jobs.cancel(masked["id"], retention=service.options.retention)
    service.files.drop_upload(masked["id"])
    assert client.post(f"/v1/jobs/{masked['id']}/retry").json()["error"]["code"] == "upload_gone"
    assert asked(client, "/v1/videos/edits", by_id | {"outpaint": True, "size": "512x288"})["size"] == "512x288"
    same = by_id | {"outpaint": True, "size": "1000x1000"}
    assert refusal(client, "/v1/videos/edits", same) == (400, "invalid_value", "size")
    upload = ("blend", ("clip.mp4", clips[1], "video/mp4"))
    mixed = asked(client, "/v1/videos", QUICK | {"blend": first}, upload)
    given = service.jobs.get(mixed["id"]).request["given"]
    assert given == [{"video": first, "size": "256x256", "at": "start"}, {"upload": "clip.mp4", "at": "end"}]


@pytest.mark.parametrize(
    ("path", "fields", "files", "param"),
    [
        ("edits", {"outpaint": "1"}, ("video",), None),
        ("edits", {"outpaint": "1", "size": "512x288", "strength": "0.5"}, ("video",), None),
        ("edits", {"outpaint": "1", "size": "512x288"}, ("video", "mask"), None),
        ("edits", {}, ("mask",), "video"),
        ("edits", {}, ("video", "mask", "mask"), "mask"),
        ("edits", {}, ("video", "video"), "video"),
        ("edits", {}, ("video", "mask:clip"), "mask"),
        ("edits", {}, ("video", "mask:empty"), "mask"),
        ("edits", {"mask[image_url]": "https://example.com/a.png"}, ("video",), "mask"),
        ("edits", {"mask[image_url]": "data:image/png;base64,aGVsbG8="}, ("video",), "mask"),
        ("edits", {"mask[file_id]": "file_1"}, ("video",), "mask.image_url"),
        ("edits", {"mask[image_url]": "data:image/png;base64,iVBORw0KGgo="}, ("video", "mask"), "mask"),
        ("edits", {"video[id]": "video_0"}, ("video",), "video"),
        ("edits", {}, ("video:picture",), "video"),
        ("edits", {}, ("video", "blend"), "blend"),
        ("edits", {"size": "wide"}, ("video",), "size"),
        ("extensions", {}, ("video", "mask"), "mask"),
        ("", {}, ("blend",), "blend"),
        ("", {}, ("blend", "blend", "blend"), "blend"),
        ("", {}, ("blend", "blend:picture"), "blend"),
        ("", {"blend": ""}, ("blend",), "blend"),
        ("", {}, ("blend", "blend", "input_reference"), "blend"),
        ("", {"loop": "true"}, ("blend", "blend"), None),
        ("", {"input_reference": {}}, (), "input_reference"),
        ("", {"input_reference": {"id": "video_0", "image_url": "data:,"}}, (), "input_reference"),
        ("", {"shots": '[{"prompt": "a red ball"}]'}, ("blend", "blend"), None),
        ("", {}, ("video",), "video"),
    ],
)
def test_what_makes_no_sense_is_answered_before_anything_is_queued(client, service, clips, path, fields, files, param):
    contents = {
        "clip": ("a.mp4", clips[0], "video/mp4"),
        "picture": ("a.png", right_half(), "image/png"),
        "empty": ("a.png", b"", "image/png"),
    }
    usual = {"mask": "picture"}

    def part(said: str) -> tuple[str, tuple]:
        name, _, what = said.partition(":")
        return name, contents[what or usual.get(name, "clip")]

    before = service.jobs.depths()
    told = refusal(client, f"/v1/videos/{path}".rstrip("/"), QUICK | fields, *map(part, files))
    assert (told[0], told[2]) == (400, param)
    assert told[1] in ("invalid_value", "missing_required_parameter", "empty_file")
    assert service.jobs.depths() == before


@pytest.mark.parametrize(
    ("path", "code", "param"),
    [
        ("videos/video_0/remix", "invalid_value", "image"),
        ("images/generations", "invalid_value", "image"),
        ("moderations", "invalid_value", "image"),
        ("screenings", "invalid_value", "image"),
        ("videos/characters", "unsupported_parameter", "video"),
    ],
)
def test_a_file_that_is_not_taken_is_refused(client, service, path, code, param):
    before, unwanted = service.jobs.depths(), ("image", ("a.png", right_half(), "image/png"))
    assert refusal(client, f"/v1/{path}", QUICK | {"input": "x"}, unwanted) == (400, code, param)
    assert service.jobs.depths() == before


def test_all_files_together_are_within_the_limit(client, clips):
    large = clips[0] + bytes(120_000 - len(clips[0]))
    files = [("blend", ("a.mp4", large, "video/mp4"))] * 2
    assert refusal(client, "/v1/videos", QUICK, *files) == (413, "too_large", None)


@pytest.mark.parametrize("bare", ["video", "mask", "blend"])
def test_every_given_file_is_under_the_policy(client, service, clips, monkeypatch, bare):
    """Frames brighter than the dark clip are taken for nudity: the bright clip, and a white mask."""

    def look(pictures: np.ndarray, **_: object) -> list[Sight]:
        return [Sight(scores={"sexual": 0.99 if picture.mean() > 150 else 0.0}, faces=0) for picture in pictures]

    monkeypatch.setattr(vision, "look", look)
    calm, bright = (("clip.mp4", clip, "video/mp4") for clip in clips)
    white = io.BytesIO()
    Image.new("L", (SIDE, SIDE), 255).save(white, "PNG")
    path, files = {
        "video": ("/v1/videos/edits", [("video", bright), ("mask", ("m.png", right_half(), "image/png"))]),
        "mask": ("/v1/videos/edits", [("video", calm), ("mask", ("m.png", white.getvalue(), "image/png"))]),
        "blend": ("/v1/videos", [("blend", calm), ("blend", bright)]),
    }[bare]
    video = asked(client, path, QUICK, *files)
    with pytest.raises(CountermarkError) as refused:
        done(service, video)
    job = service.jobs.get(video["id"])
    told = explain(refused.value, job, Desk(service.settings, service.files))
    assert told["code"] == "moderation_blocked"
    assert not service.files.find(job.id, "video.mp4").exists()


def test_what_is_refused_at_once_is_remembered_by_user_and_can_be_released(client, service, monkeypatch):
    judged, actions = decision.check, {"a red ball in doubt": "review", "a red ball in anger": "block"}

    def strict(prompt: str, **options: object) -> decision.Decision:
        found = judged(prompt, **options)
        return found.model_copy(update={"action": actions.get(prompt, found.action), "category": "disturbing"})

    monkeypatch.setattr(generations, "check", strict)
    monkeypatch.setattr(gate, "check", strict)
    doubtful, harmful = ({"prompt": prompt, "user": "reader-7"} for prompt in actions)
    for request in (doubtful, harmful, harmful | {"user": "another"}):
        assert refusal(client, "/v1/videos", request) == (400, "moderation_blocked", "prompt")
    with records.open_records(service.settings) as kept:
        assert [kept.count(user_of("local", request), 24) for request in (harmful, {"user": "a third"}, {})] == [
            1,
            0,
            0,
        ]
        (waiting,) = kept.reviews()
        assert waiting.prompt == doubtful["prompt"]
        kept.decide(waiting.appeal_id, approve=True, reviewer="somebody")
    assert refusal(client, "/v1/videos", doubtful | {"user": "another"})[1] == "moderation_blocked"
    job = service.jobs.get(asked(client, "/v1/videos", doubtful)["id"])
    assert user_of(job.tenant, job.request) == user_of("local", doubtful)
