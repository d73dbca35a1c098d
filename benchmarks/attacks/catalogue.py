"""Every attack of the benchmark by name, with the figure that Video Seal's authors published for it.

The published figures are bit accuracies of Video Seal with 128 bits on 72 HD frames of SA-V, from the executed notebook
`notebooks/paper/03_iccv_paper.ipynb` of facebookresearch/videoseal.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.attacks.codec import Coded, Jpeg, Uploaded
from benchmarks.attacks.geometry import (
    Crop,
    Flip,
    Letterbox,
    Perspective,
    PictureInPicture,
    Resize,
    Rotate,
    Turn,
)
from benchmarks.attacks.picture import Blur, Brightness, Contrast, Hue, Median, Noise, Overlay, Saturation
from benchmarks.attacks.regeneration import Regenerate
from benchmarks.attacks.scene import FPS, Step
from benchmarks.attacks.timing import Drop, Duplicate, Excerpt, Retime


@dataclass(frozen=True)
class Attack:
    """``steps`` one after another; ``published`` as printed in the table ("-": not published)."""

    name: str
    steps: tuple[Step, ...]
    published: str = "-"


def _combined(crf: int, published: str) -> Attack:
    name = f"combined: H.264 CRF {crf}, crop .71, brightness .5"
    return Attack(name, (Coded("libx264", crf), Crop(0.71), Brightness(0.5)), published)


_TOP = ".99-1.00"
_RERECORDED = (Resize(0.8, 0.8), Rotate(2, nearest=False), Blur(5), Noise(4))

ATTACKS: tuple[Attack, ...] = (
    Attack("identity", (), _TOP),
    Attack("horizontal flip", (Flip(),), _TOP),
    Attack("rotate 90", (Turn(),), _TOP),
    Attack("resize .71", (Resize(0.71, 0.71),), _TOP),
    Attack("resize .55", (Resize(0.55, 0.55),), _TOP),
    Attack("brightness .5", (Brightness(0.5),), _TOP),
    Attack("brightness 1.5", (Brightness(1.5),), _TOP),
    Attack("contrast .5", (Contrast(0.5),), _TOP),
    Attack("contrast 1.5", (Contrast(1.5),), _TOP),
    Attack("saturation .5", (Saturation(0.5),), _TOP),
    Attack("saturation 1.5", (Saturation(1.5),), _TOP),
    Attack("hue .25", (Hue(0.25),), _TOP),
    Attack("greyscale", (Saturation(0.0),), _TOP),
    Attack("JPEG 40", (Jpeg(40),), _TOP),
    Attack("Gaussian blur 9", (Blur(9),), _TOP),
    Attack("H.264 CRF 23", (Coded("libx264", 23),), "1.00"),
    Attack("H.264 CRF 30", (Coded("libx264", 30),), ".99"),
    Attack("H.264 CRF 40", (Coded("libx264", 40),), ".86"),
    Attack("H.264 CRF 50", (Coded("libx264", 50),), ".58"),
    Attack("H.265 CRF 23", (Coded("libx265", 23),), "1.00"),
    Attack("H.265 CRF 30", (Coded("libx265", 30),), ".99"),
    Attack("H.265 CRF 40", (Coded("libx265", 40),), ".84"),
    Attack("H.265 CRF 50", (Coded("libx265", 50),), ".58"),
    Attack("VP9", (Coded("libvpx-vp9", -1),), ".99"),
    Attack("AV1 CRF 35", (Coded("libsvtav1", 35),)),
    Attack("AV1 CRF 50", (Coded("libsvtav1", 50),)),
    Attack("rotate 10", (Rotate(10),), ".93"),
    Attack("rotate 15", (Rotate(15),)),
    Attack("rotate 30", (Rotate(30),), "about .50"),
    Attack("rotate 45", (Rotate(45),), "about .50"),
    Attack("crop .71", (Crop(0.71),), ".87"),
    Attack("crop .55", (Crop(0.55),), ".65"),
    Attack("perspective .5", (Perspective(0.5),), ".96"),
    _combined(23, ".81"),
    _combined(30, ".74"),
    _combined(40, ".57"),
    _combined(50, ".51"),
    Attack("frames dropped 10 %", (Drop(0.1),)),
    Attack("frames dropped 50 %", (Drop(0.5),)),
    Attack("frames doubled 10 %", (Duplicate(0.1),)),
    Attack("24 to 30 frames a second", (Retime(30),)),
    Attack("excerpt of 1 s", (Excerpt(FPS),)),
    Attack("single frame", (Excerpt(1),)),
    Attack("median 9", (Median(9),)),
    Attack(
        "re-recorded: resize .8, rotate 2, blur 5, noise 4", (Resize(0.8, 0.8), Rotate(2, False), Blur(5), Noise(4))
    ),
    Attack("logo and subtitle", (Overlay(),)),
    Attack("letterbox", (Letterbox(),)),
    Attack("picture in picture at half size", (PictureInPicture(),)),
    Attack("aspect 4:3 from 16:9", (Resize(0.75, 1),)),
    Attack("uploaded twice: H.264 720p 2.5 Mb/s, 480p 1 Mb/s", (Uploaded(720, 2500), Uploaded(480, 1000))),
    Attack("regenerated (TAEF2), 8 frames", (Regenerate(8),)),
)
