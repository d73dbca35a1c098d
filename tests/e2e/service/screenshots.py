"""Take pictures of the page's answers, by a service that runs here, in Chromium:

    python tests/e2e/service/screenshots.py FOLDER [--filmed CLIP]

The service generates and seals a clip; what becomes of it is made from that one: a copy without metadata, and one with
other pictures under the same credentials. A filmed clip is the caller's own. Each is dropped on the page as a person
drops it. Frames are examined where the image encoder is (``COUNTERMARK_WEIGHTS_DIR``).
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright
from running_service import CHROMIUM, PROMPT, Server, serving

from countermark.core.media import VideoReader, VideoSpec, VideoWriter, transcode
from provenance.bmff import C2PA_UUID, top_level_boxes, uuid_payload

DESKTOP, PHONE = {"width": 1200, "height": 800}, {"width": 390, "height": 844}
PATIENCE = 600_000  # ms; the machine may have other things to do


def main() -> None:
    """Make the clips, show them to the page, and write what it shows to the folder."""
    arguments = argparse.ArgumentParser(description="Take pictures of the page's answers.")
    arguments.add_argument("folder", type=Path, help="where the pictures go")
    arguments.add_argument("--filmed", type=Path, metavar="CLIP", help="a clip that a camera made")
    given = arguments.parse_args()
    if CHROMIUM is None:
        sys.exit("Chromium is not installed (Debian: chromium).")
    if given.filmed is not None and not given.filmed.is_file():
        sys.exit(f"There is no clip {given.filmed}.")
    given.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as work,
        serving(Path(work) / "home") as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        clips = make_clips(server, Path(work))
        if given.filmed is None:
            print("No picture of a filmed clip: none was given with --filmed.")
        else:
            clips["filmed"] = given.filmed
        with Camera(browser, server.url, given.folder) as camera:
            take_answers(camera, clips)
            take_generation(camera)


def make_clips(server: Server, folder: Path) -> dict[str, Path]:
    """A sealed clip, a copy as a platform makes it, and one that somebody changed but for its credentials."""
    sealed, recovered, tampered = (folder / f"{name}.mp4" for name in ("balloon", "balloon-reposted", "balloon-edited"))
    asked = {"prompt": PROMPT, "model": "countermark-dit-fast", "seed": 3}
    made = server.call("POST", "/v1/videos", asked).json
    done = server.until(f"/v1/videos/{made['id']}", "completed", "failed", timeout=600)
    if done["status"] == "failed":
        sys.exit(f"The clip was not made: {done['error']['message']}")
    sealed.write_bytes(server.call("GET", f"/v1/videos/{made['id']}/content").body)
    transcode(sealed, recovered)
    edit_under_the_credentials(sealed, tampered)
    return {"sealed": sealed, "recovered": recovered, "tampered": tampered}


def edit_under_the_credentials(sealed: Path, edited: Path) -> None:
    """Blacken the lower quarter of every frame, and lay the manifest of the sealed clip into the new file."""
    with VideoReader(sealed) as reader, VideoWriter(edited, VideoSpec.like(reader.info)) as writer:
        for frames in reader:
            luma, chroma = frames.luma.copy(), frames.chroma.copy()
            luma[:, -frames.height // 4 :], chroma[:, :, -frames.height // 8 :] = 16, 128
            writer.write(dataclasses.replace(frames, luma=luma, chroma=chroma))
    with sealed.open("rb") as source, edited.open("ab") as target:
        for box in top_level_boxes(source):
            if uuid_payload(source, box, C2PA_UUID, box.size) is not None:
                source.seek(box.offset)
                target.write(source.read(box.size))


class Camera:
    """A page at the service, in English on a desktop, and pictures of the whole of it."""

    def __init__(self, browser: Browser, url: str, folder: Path) -> None:
        self.browser, self.url, self.folder = browser, url, folder
        self.context = browser.new_context(locale="en-US", viewport=DESKTOP)
        self.page = self.context.new_page()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def take(self, name: str, page: Page | None = None) -> None:
        """A picture, once everything in it is there."""
        page = page or self.page
        until(page, "[...document.querySelectorAll('video')].every((video) => video.readyState > 3 && !video.seeking)")
        until(page, "[...document.images].every((image) => image.complete)")
        page.wait_for_timeout(1000)  # for what fades, such as the mark over a film that is being loaded
        path = self.folder / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        print(path, flush=True)

    def elsewhere(self, name: str, address: str, shown: str, **options: Any) -> None:
        """The same address as another visitor sees it, once the element is shown."""
        context = self.browser.new_context(**{"locale": "en-US", "viewport": DESKTOP} | options)
        page = context.new_page()
        page.goto(address)
        expect(page.locator(shown)).to_be_visible(timeout=PATIENCE)
        self.take(name, page)
        context.close()


def take_answers(camera: Camera, clips: dict[str, Path]) -> None:
    """The empty page, the answer about each clip, and that about the first in other circumstances and as a report."""
    page = camera.page
    page.goto(camera.url)
    camera.take("start")
    for name, clip in clips.items():
        page.goto(f"{camera.url}/#/")
        drop(page, clip)
        expect(page.locator(".verdict h1")).to_be_visible(timeout=PATIENCE)
        camera.take(name)
        if name == "sealed":
            link = page.url
            with page.expect_download() as download:
                page.get_by_role("button", name="Download report").click()
            report = camera.folder / "report.html"
            download.value.save_as(report)
    camera.elsewhere("sealed-permalink", link, ".verdict h1")
    camera.elsewhere("sealed-phone", link, ".verdict h1", viewport=PHONE)
    camera.elsewhere("sealed-chinese", link, ".verdict h1", locale="zh-CN")
    camera.elsewhere("sealed-dark", link, ".verdict h1", color_scheme="dark")
    camera.elsewhere("report", report.as_uri(), "h1")


def drop(page: Page, clip: Path) -> None:
    """Let go of a file over the page, as a person does with the mouse."""
    content = base64.b64encode(clip.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([name, content]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type: "video/mp4" }));
            return transfer;
        }""",
        [clip.name, content],
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})


def until(page: Page, condition: str) -> None:
    """Wait for it; Playwright's own way evaluates text within the page, which its policy forbids."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            sys.exit(f"The page never got to: {condition}")
        page.wait_for_timeout(100)


def take_generation(camera: Camera) -> None:
    """The second tab: while it works, what it made, and on a phone."""
    page = camera.page
    page.get_by_role("link", name="Generate").click()
    page.get_by_label("What should the video show?").fill("a green ball bouncing on a meadow")
    page.get_by_role("button", name="Generate").click()
    until(page, "document.querySelector('progress')?.value >= 20")
    camera.take("generating")
    expect(page.get_by_role("button", name="Download")).to_be_visible(timeout=PATIENCE)
    camera.take("generated")
    camera.elsewhere("generated-phone", page.url, ".result video", viewport=PHONE)


if __name__ == "__main__":
    main()
