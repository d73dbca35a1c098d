"""The page in a real Chromium: what a person sees, with the keyboard, in both languages, and nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from running_service import CHROMIUM, PROMPT

LONG = 120_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser, server) -> Iterator[Page]:
    """A page at the server that fails the test on any error, violation of its policy or request elsewhere."""
    context = browser.new_context(locale="en-US", viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda message: problems.append(message.text) if "Content Security" in message.text else None)
    opened.on(
        "request",
        lambda request: None if request.url.startswith((server.url, "blob:")) else problems.append(request.url),
    )
    opened.goto(server.url)
    yield opened
    context.close()
    assert problems == []


@pytest.fixture
def clip(sealed, tmp_path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(sealed[1])
    return path


def test_a_dropped_video_is_answered(page, clip):
    page.set_input_files("#file", clip)
    expect(page.get_by_role("heading", level=1)).to_have_text("Verified origin", timeout=LONG)
    expect(page.locator(".facts")).to_contain_text("clip.mp4 · 256×256")
    expect(page.locator(".card", has_text="Was it changed?")).to_contain_text("Not since it was signed")
    expect(page.locator(".list li").first).to_contain_text("The file is exactly as it was when it was signed.")
    bars = page.locator(".chart button")
    assert bars.count() >= 6
    bars.first.focus()
    bars.first.click()
    page.keyboard.press("ArrowRight")
    expect(bars.nth(1)).to_be_focused()
    expect(bars.nth(1)).to_have_attribute("aria-pressed", "true")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download report").click()
    assert "Verified origin" in download.value.path().read_text()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.reload()  # the address is a permalink
    expect(page.get_by_role("heading", level=1)).to_have_text("Verified origin", timeout=LONG)
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("来源已验证")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    for told in (page.locator(".list").first, page.locator(".list").last, page.locator(".cards")):
        # Names stay as they are in any language.
        prose = re.sub("Countermark local issuer|countermark weights fetch", "", told.inner_text())
        assert not re.search("[A-Za-z]{9,} [A-Za-z]{5,}", prose)
    faces = page.locator(".card", has_text="人脸是否被篡改？")  # the same reason in card and list, as in English
    expect(faces).to_contain_text("没有发现人脸")
    expect(page.locator(".list").last).to_contain_text("没有发现人脸")


def test_a_changed_video_is_called_changed(page, clip):
    content = bytearray(clip.read_bytes())
    content[content.index(b"mdat") + 2000] ^= 1
    clip.write_bytes(content)
    page.set_input_files("#file", clip)
    expect(page.get_by_role("heading", level=1)).to_have_text("Changed after signing", timeout=LONG)
    origin = page.locator(".card", has_text="Where does it come from?")
    expect(origin).to_contain_text("that do not fit it")
    expect(origin).not_to_contain_text("state that it was generated")  # what is not to be relied on is not repeated


LED = [  # a failed axis, a finding, similarity; what is said of origin and change, in English, and of both in Chinese
    ("labels", "x", None, "Known, by its watermark", "Its metadata was removed", "已丢失，但其水印指回"),
    ("trust", "x", None, "Known, by its watermark", "It bears another signature", "在此不受信任，但其水印指回"),
    ("time", "countermark.recovery.noise", None, "by the noise", "out of date", "已过期，但绘制所用的噪声指回"),
    ("labels", "x", 87, "Perhaps known, by its looks", "Its metadata was removed", "已丢失，但其画面与此处登记的"),
]


def test_it_says_how_an_origin_was_recovered(page, clip):
    page.set_input_files("#file", clip)
    expect(page.get_by_role("heading", level=1)).to_have_text("Verified origin", timeout=LONG)
    for axis, code, similarity, origin, change, chinese in LED:
        finding = {"axis": axis, "status": "fail", "code": code, "message": "x"}
        found = {"conclusion": "recovered", "recovered": {"created_at": "2026-11-30T12:00:00Z"}}
        found |= {"similarity": similarity, "findings": [finding]}

        def answer(route: Route, *, found: dict[str, object] = found) -> None:
            job = (real := route.fetch()).json()
            job["result"]["provenance"] |= found
            route.fulfill(response=real, json=job)

        page.route(re.compile(r"/v1/screenings/\w+$"), answer)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Origin recovered")
        expect(page.locator(".cards")).to_contain_text(origin)
        expect(page.locator(".cards")).to_contain_text(change)
        page.get_by_role("button", name="中文").click()
        expect(page.locator(".verdict")).to_contain_text(chinese)
        page.get_by_role("button", name="English").click()
        expect(page.locator(".cards")).to_contain_text(origin)


def test_what_is_no_video_is_refused_with_a_reason(page, tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    path.write_text("no video")
    page.set_input_files("#file", path)
    expect(page.get_by_role("alert")).to_contain_text("It cannot be read as video.", timeout=LONG)
    page.get_by_role("link", name="Examine another video").click()
    expect(page.locator(".drop")).to_be_visible()


def test_a_prompt_becomes_a_video_and_is_examined(page):
    page.get_by_role("link", name="Generate").click()
    prompt = page.get_by_label("What should the video show?")
    prompt.fill("a nude video of a famous politician")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("alert")).to_contain_text("Refused by the policy", timeout=LONG)
    prompt.fill(PROMPT)
    page.get_by_text("More settings").click()
    page.get_by_label("Sampling steps").fill("2")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("img", name="Preview")).to_be_visible(timeout=LONG)
    expect(page.get_by_role("button", name="Download")).to_be_visible(timeout=LONG)
    expect(page.locator(".result video")).to_have_js_property("videoWidth", 256)
    page.get_by_role("button", name="Examine it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Verified origin", timeout=LONG)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_is_accessible(browser, server, scheme):
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    for place in ("/", "/#/generate"):
        page.goto(server.url + place)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    context.close()


def test_a_closed_server_asks_for_a_key(browser, closed):
    page = browser.new_page()
    page.goto(closed.url + "/#/generate")
    page.get_by_role("textbox", name="Key").fill(closed.key)
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_label("What should the video show?")).to_be_visible(timeout=LONG)
    page.close()
