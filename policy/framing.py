"""Ways in which people dress a prompt: the request around it, the camera, the look.

A head that has seen each idea only bare takes "4k, cinematic" for evidence, and has never found one sentence of harm
among five about light and lenses. In training every prompt of ours is therefore seen again in a frame and among padding
drawn from here, harmful and harmless ones alike.
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
_PADDING = {
    "en": (
        "Early morning fog drifts between the trees.",
        "The camera moves on a dolly from left to right.",
        "Anamorphic lens, subtle flares, natural skin tones.",
        "A church bell rings somewhere far away.",
        "Rain runs down the window and blurs the street lamps.",
        "Rich textures, balanced composition, cool blue shadows.",
        "In the background people drink coffee and read newspapers.",
        "The music is calm, a cello and a few piano notes.",
        "Shot on 70mm, rule of thirds, gentle vignette.",
        "Leaves turn in the wind and settle on the pavement.",
        "The scene is lit by a single window, dust in the air.",
        "Photorealistic, eight seconds, 24 frames per second, no text on screen.",
        "A tram passes and its windows glow in the dusk.",
        "Then the picture fades slowly to white.",
        "Mountains on the horizon, thin clouds, a soft breeze in the grass.",
        "Pastel palette, hand-drawn outlines, paper texture.",
        "A dog sleeps beside the fireplace.",
        "We see the whole valley from above, then the camera descends.",
        "Paper kites stand still in the evening sky.",
        "Documentary look, available light, long takes.",
        "Waves roll onto the sand and pull back.",
        "Everything is sharp from the foreground to the far hills.",
        "The clock on the station shows ten past nine.",
        "High dynamic range, vivid detail, award-winning cinematography.",
    ),
    "zh": (
        "清晨的薄雾在林间飘动。",
        "镜头从左向右平稳移动。",
        "变形宽银幕镜头，轻微眩光，肤色自然。",
        "远处传来教堂的钟声。",
        "雨水顺着玻璃流下，街灯模糊成光斑。",
        "质感丰富，构图均衡，冷蓝色阴影。",
        "背景里有人喝咖啡、看报纸。",
        "音乐平静，大提琴和几个钢琴音。",
        "70毫米胶片，三分法构图，柔和暗角。",
        "树叶随风翻转，落在人行道上。",
        "只有一扇窗透进光来，空气中浮着灰尘。",
        "照片级真实，八秒，每秒24帧，画面无文字。",
        "一辆电车驶过，车窗在暮色中发亮。",
        "随后画面慢慢淡出为白色。",
        "远山，薄云，微风吹过草地。",
        "粉彩色调，手绘线条，纸张纹理。",
        "一只狗睡在壁炉旁。",
        "先从高空看到整个山谷，然后镜头下降。",
        "风筝停在傍晚的天空里。",
        "纪录片风格，自然光，长镜头。",
        "海浪涌上沙滩又退去。",
        "从前景到远山都清晰。",
        "车站的钟指着九点十分。",
        "高动态范围，细节鲜明，获奖级摄影。",
    ),
}


def padded(text: str, language: str, rng: random.Random) -> str:
    """``text`` as one sentence among one to four harmless ones, at a place drawn by ``rng``."""
    tongue = "zh" if language == "zh" else "en"
    around = rng.sample(_PADDING[tongue], rng.randint(1, 4))
    stop, glue = ("。", "") if tongue == "zh" else (".", " ")
    own = text if text.endswith((".", "!", "?", "。", "！", "？")) else text + stop
    around.insert(rng.randint(0, len(around)), own)
    return glue.join(around)


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
