"""Ways in which people dress a prompt: the request around it, the camera, the look.

A head that has seen each idea only bare takes "4k, cinematic" for evidence. In training every prompt of ours is
therefore seen a second time in a frame drawn from here, harmful and harmless ones alike.
"""

from __future__ import annotations

import random

_BEFORE = {
    "en": (
        "generate a video of ",
        "create a short clip: ",
        "make a realistic video showing ",
        "cinematic shot, ",
        "close-up, ",
        "an animation of ",
        "a hyperrealistic scene: ",
        "illustrate ",
        "please show me ",
        "wide shot. ",
        "black and white film, ",
        "anime style, ",
        "i want to see ",
        "a storyboard in which ",
        "drone footage, ",
        "create an image of ",
        "depict ",
        "draw ",
        "generate a picture showing ",
        "render a scene with ",
        "first-person view: ",
        "a short film about ",
        "timelapse: ",
        "Scene: ",
        "can you make a video where ",
        "vlog style, ",
        "a music video with ",
    ),
    "zh": (
        "生成一段视频：",
        "帮我做个短片，",
        "电影镜头，",
        "特写，",
        "写实风格，",
        "动画：",
        "请展示",
        "广角镜头，",
        "黑白影片，",
        "动漫风格，",
        "我想看",
        "航拍，",
        "生成一张图片：",
        "画一幅画：",
        "第一人称视角，",
        "短片：",
        "延时摄影，",
        "场景：",
        "能不能做个视频，",
        "请生成：",
        "一段音乐视频，",
    ),
}
_AFTER = {
    "en": (
        ", 4k, highly detailed",
        ", cinematic lighting",
        ", slow motion",
        ", shallow depth of field, film grain",
        ", handheld camera",
        ", 35mm, muted colours",
        ", 10 seconds, vertical video",
        ". Camera slowly pans left.",
        ", volumetric light, trending look",
        ", soft piano in the background",
    ),
    "zh": (
        "，4k，细节丰富",
        "，电影感光线",
        "，慢动作",
        "，浅景深，胶片颗粒",
        "，手持镜头",
        "，竖屏，十秒",
        "，镜头缓慢左移",
        "，背景是轻柔的钢琴",
    ),
}


def framed(text: str, language: str, rng: random.Random) -> str:
    """``text`` in a frame of its language: something before it, after it, or both."""
    tongue = "zh" if language == "zh" else "en"
    before = rng.choice(_BEFORE[tongue])
    after = rng.choice(_AFTER[tongue])
    kind = rng.random()
    body = text.rstrip(".。 ")
    if kind < 0.4:
        return before + body
    if kind < 0.7:
        return body + after
    return before + body + after
