"""What the command line promises, on real files: results, exit codes, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from PIL import Image

from countermark import Decision, GeneratedVideo, SealedVideo, Verdict, Verification
from countermark.core.media import VideoReader, VideoWriter, remux_without_metadata, transcode
from countermark.core.media.writer import VideoSpec

NUDE_POLITICIAN = ("a nude video of Emmanuel Macron", "马克龙的裸体视频")


def findings(verification: Verification) -> dict[str, str]:
    return {finding.axis: finding.status for finding in verification.findings}


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def test_a_generated_clip_is_verified(owner, generated):
    made = GeneratedVideo.model_validate_json(generated.printed)
    assert made.request.seed == 3
    verification = Verification.model_validate_json(owner.run("verify", generated.path, "--json").stdout)
    assert verification.conclusion == "verified"
    assert verification.video_id == made.video_id
    assert verification.manifest is not None
    assert verification.manifest.manifest_id == made.manifest_id
    found = findings(verification)
    assert (found["integrity"], found["trust"], found["watermark"], found["recovery"]) == ("pass",) * 4


@pytest.mark.parametrize("name", ["out.png", "out.jpg"])
def test_a_generated_picture_is_verified_and_recovered_after_a_platform(desk, run_here, name):
    prompt = "a red balloon rising over the sea"
    printed = run_here(desk, "generate", prompt, "-o", name, "--steps", "4", "--json").stdout
    made = GeneratedVideo.model_validate_json(printed)
    assert desk.names() == {name}
    assert (made.request.task, made.frames, made.width) == ("still", 1, 256)
    verification = Verification.model_validate_json(run_here(desk, "verify", name, "--json").stdout)
    assert (verification.conclusion, verification.video_id) == ("verified", made.video_id)
    with Image.open(desk.folder / name) as image:
        image.convert("RGB").save(desk.folder / "copy.jpg", quality=75)
    recovered = Verification.model_validate_json(run_here(desk, "verify", "copy.jpg", "--json").stdout)
    assert (recovered.conclusion, recovered.video_id) == ("recovered", made.video_id)


def test_what_a_picture_cannot_be_is_wrong_use(desk, run_here):
    for options in (["--seconds", "2"], ["--loop"]):
        done = run_here(desk, "generate", "a red ball", "-o", "out.png", *options, code=2)
        assert "prompt alone" in done.stderr
    assert desk.names() == set()


@pytest.mark.parametrize("way", ["transcode", "remux"])
def test_a_copy_without_metadata_leads_back_to_the_same_video(owner, generated, run_here, way):
    copy = owner.folder / "copy.mp4"
    if way == "transcode":
        transcode(generated.path, copy, crf=28)
    else:
        remux_without_metadata(generated.path, copy)
    verification = Verification.model_validate_json(run_here(owner, "verify", copy, "--json").stdout)
    assert verification.conclusion == "recovered"
    assert verification.video_id == GeneratedVideo.model_validate_json(generated.printed).video_id
    assert verification.recovered is not None


def test_a_flipped_byte_in_the_media_is_tampering(owner, generated, run_here):
    copy = owner.folder / "flipped.mp4"
    data = bytearray(generated.path.read_bytes())
    start = data.index(b"mdat")
    data[start + (len(data) - start) // 2] ^= 0x10
    copy.write_bytes(data)
    before = copy.read_bytes()
    done = owner.run("verify", copy, code=1)
    assert done.stdout.startswith("Tampered")
    assert "✗" in done.stdout
    assert copy.read_bytes() == before
    assert run_here(owner, "screen", copy, code=1).stdout


def spoilt(kind: str, source: bytes) -> bytes:
    return {"truncated": source[: len(source) * 2 // 3], "text": b"This is not a video.\n" * 100, "empty": b""}[kind]


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("verify", "truncated"), ("verify", "text"), ("verify", "empty"), ("screen", "truncated"), ("protect", "text")],
)
def test_a_file_that_is_no_video_fails_in_one_line(owner, generated, run_here, kind, verb):
    file = owner.folder / f"{kind}.mp4"
    file.write_bytes(spoilt(kind, generated.path.read_bytes()))
    done = run_here(owner, verb, file, code=4)
    assert done.stdout == ""
    assert len(lines(done.stderr)) == 1
    assert done.stderr.startswith("countermark: ")
    assert owner.names() == {file.name}


@pytest.mark.parametrize("prompt", NUDE_POLITICIAN)
def test_a_prompt_against_the_policy_is_refused_and_leaves_no_file(desk, run_here, prompt):
    done = run_here(desk, "generate", prompt, "-o", "out.mp4", "--json", code=3)
    assert desk.names() == set()
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"code", "message", "remedy", "decision"}
    assert error["code"] == "policy_refused"
    decision = Decision.model_validate(error["decision"])
    assert (decision.action, decision.category) == ("block", "sexual")
    for said in (decision.reason, decision.category, decision.policy_version):
        assert said in done.stderr


def test_checking_a_prompt_prints_the_decision(desk):
    decision = Decision.model_validate_json(desk.run("check", "特朗普在沙滩上散步", "--json").stdout)
    assert (decision.action, decision.language) == ("rewrite", "zh")


def test_screening_prints_a_verdict_and_writes_the_report(owner, generated):
    done = owner.run("screen", generated.path, "--report", "report.html", "--json")
    verdict = Verdict.model_validate_json(done.stdout)
    assert verdict.conclusion == "verified_origin"
    assert "</html>" in (owner.folder / "report.html").read_text(encoding="utf-8")


def test_a_folder_is_screened_with_a_line_and_a_report_for_each_video(owner, generated, run_here):
    folder, reports = owner.folder / "uploads", owner.folder / "reports"
    for made in (folder, reports):
        made.mkdir()
    (folder / "a.mp4").write_bytes(generated.path.read_bytes())
    (folder / "b.mp4").write_bytes(b"This is not a video.")
    words = ["screen", folder, "--depth", "fast", "--workers", "1", "--language", "zh", "--report", reports]
    done = owner.run(*words, code=4)
    assert done.stdout.startswith("2 videos")
    assert "verified origin" in done.stdout
    assert "not readable" in done.stdout
    assert "来源已验证" in (reports / "a.mp4.html").read_text(encoding="utf-8")
    assert [path.name for path in reports.iterdir()] == ["a.mp4.html"]
    items = json.loads(owner.run("screen", folder, "--depth", "fast", "--json", code=4).stdout)["items"]
    assert [item["verdict"] is None for item in items] == [False, True]
    assert "folder" in run_here(owner, "screen", folder, "--report", "missing", code=2).stderr


def test_protecting_seals_a_copy_and_leaves_the_original(desk, generated, run_here):
    plain = desk.folder / "plain.mp4"
    with VideoReader(generated.path) as reader, VideoWriter(plain, VideoSpec.like(reader.info)) as writer:
        for frames in reader:
            writer.write(frames)
    before = plain.read_bytes()
    assert run_here(desk, "verify", plain, code=1).stdout.startswith("No credentials")
    sealed = SealedVideo.model_validate_json(desk.run("protect", plain, "--json").stdout)
    assert desk.names() == {"plain.mp4", "plain.sealed.mp4"}
    assert plain.read_bytes() == before
    assert sealed.signer.trusted is False
    target = desk.folder / "plain.sealed.mp4"
    before = target.read_bytes()
    assert "exists already. Choose another path, or say --overwrite" in run_here(desk, "protect", plain, code=2).stderr
    assert target.read_bytes() == before
    assert run_here(desk, "protect", plain, "-o", target, "--overwrite").stdout.startswith(str(target))
    assert target.read_bytes() != before


@pytest.mark.parametrize(
    "words",
    [
        ["verify"],
        ["verify", "--nonsense", "a.mp4"],
        ["admire", "a.mp4"],
        ["generate", "a red balloon", "--steps", "0"],
        ["generate", "a red balloon", "-o", "missing/out.mp4"],
        ["generate", "a red balloon", "-o", "out.gif"],
        ["protect", "a.mp4", "-o", "out.avi"],
        ["generate", "  "],
        ["check", b"caf\xe9".decode(errors="surrogateescape")],
        ["screen", "a.mp4", "--report", "a.mp4"],
        ["screen", ""],  # a shell variable that is not set would be this folder
        ["protect", ""],
        ["generate", "a red balloon", "-o", ""],
        ["keys", "create", "studio", "--days", "1e9"],
    ],
)
def test_wrong_use_exits_with_2_and_one_line(desk, run_here, words):
    done = run_here(desk, *words, "--json", code=2)
    assert len(lines(done.stderr)) == 1
    assert done.stderr.startswith("countermark: ")
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"code", "message", "remedy"}
    assert all(error.values())
    assert desk.names() == set()


@pytest.mark.parametrize("value", ["-o", "clip.mp4", "17", "52", "40.5"])
def test_a_rate_factor_that_is_none_is_asked_for(desk, run_here, value):
    """As when it was forgotten, and the next word is taken for it."""
    done = run_here(desk, "protect", "clip.mp4", "--closed-loop", value, "marked.mp4", code=2)
    assert f"'--closed-loop': '{value}' is no rate factor; give one from 18 to 51" in done.stderr


def test_nothing_asked_is_wrong_use_and_shows_the_help(desk):
    assert "Exit codes" in desk.run(code=2).stdout


def test_a_bad_setting_is_named(desk, monkeypatch):
    monkeypatch.setenv("COUNTERMARK_ISSUER", "many")
    done = desk.run("check", "a red balloon", code=2)
    assert len(lines(done.stderr)) == 1
    assert "COUNTERMARK_ISSUER" in done.stderr


def test_an_empty_home_is_not_the_current_folder(desk, monkeypatch, run_here):
    done = run_here(replace(desk, home=""), "signer", "show", code=2)
    assert "COUNTERMARK_HOME is not usable: it is empty." in done.stderr
    assert desk.names() == set()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_generation_leaves_nothing_behind(desk, number, code):
    process = desk.start("generate", "a red balloon rising over the sea", "-o", "out.mp4", "--steps", "200")
    deadline = time.monotonic() + 120
    while not desk.names() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    assert desk.names(), "sealing never began"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert out == ""
    assert "Traceback" not in err
    assert len(lines(err)) == 1
    assert desk.names() == set()


def test_a_reader_that_goes_away_is_no_failure_of_ours(desk):
    process = desk.start("check", "a red balloon", "--json")
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=120) == 128 + signal.SIGPIPE
    assert err == ""


def test_threads_of_torch_wait_asleep():
    """OpenMP (GNU's, as in torch for Linux) says what it was told when torch loads it."""
    code = "from countermark.cli import main; main(['--version']); import torch"
    variables = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=variables | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "GOMP_SPINCOUNT = '0'" in done.stderr
