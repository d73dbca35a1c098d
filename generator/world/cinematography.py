"""How the world may be filmed, and the English and Chinese words that ask for it.

These are no concepts of `generator.world.vocabulary`: the networks draw the world and never hear of them. They are
phrases rather than words, because "left" and "rolling" say how a thing moves unless a camera is said to do it, so each
is a regular expression over text that `normalised` has prepared.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

from generator.world.vocabulary import Concept

_T = TypeVar("_T")

Move = Literal[
    "still", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out", "roll", "handheld shake"
]

Light = Literal["day", "night", "sunset", "dawn"]
_ADVERB = "(?:(?:very )?(?:slowly|smoothly|gently|quickly|steadily))"
_HOW = rf"(?:(?:{_ADVERB}|slow|smooth|gentle|quick|fast|steady|simple) )?"
_CAMERA = rf"(?:the )?(?:camera|cam|lens) (?:is |then )?{_HOW}"
_GOES = (
    r"(?:mov(?:es?|ing)|go(?:es|ing)?|turn(?:s|ing)?|swing(?:s|ing)?|sweep(?:s|ing)?|track(?:s|ing)?|truck(?:s|ing)?"
    r"|slid(?:es?|ing)|glid(?:es?|ing)|drift(?:s|ing)?|travel(?:s|ing|ling)?|look(?:s|ing)?|ris(?:es?|ing)"
    r"|fl(?:y|ies|ying)|crane[sd]?|craning|booms?|booming|pedestals?|dolly|dollies|dollying|push(?:es|ing)?"
    r"|pull(?:s|ing)?|com(?:es?|ing)|get(?:s|ting)?)"
)
_LENS = "(?:镜头|摄像机|摄影机|相机|机位|画面|视角)"
_SO = "[缓慢速快轻平稳匀地的]{0,6}"


def _sideways(there: str, back: str) -> tuple[str, ...]:
    """The camera towards ``there``, "left" or "right"."""
    to = rf"{_HOW}(?:over |across )?(?:from (?:the )?{back} )?(?:to(?:wards?)? )?(?:the )?{there}(?:wards?)?"
    return (
        rf"(?:{_CAMERA})?{_HOW}(?:whip )?pan(?:s|ning|ned)?(?: shot)?,? {to}",
        rf"{_HOW}(?:{back} to )?{there}(?:ward)? pan(?:ning)?(?: shot)?",
        rf"{_CAMERA}{_GOES} {to}",
        rf"{_HOW}(?:truck|tracking|trucking) (?:shot )?{to}",
    )


def _sideways_zh(there: str, back: str) -> tuple[str, ...]:
    goes = "(?:平移|横移|移动|摇动|横摇|平摇|摇移|转动|摇摄|摇|移|转|扫)"
    to = rf"(?:从{back}(?:边|侧)?)?(?:向|往|朝|到)?{there}(?:边|侧|方)?"
    return (
        rf"{_LENS}{_SO}{to}{_SO}{goes}{{0,2}}",
        rf"{_SO}(?<![左右])(?:向|往|朝)?{there}(?:横摇|平摇|摇摄|摇)(?![摆晃左右])(?:镜头)?",
        rf"{_SO}(?:向|往|朝)?{there}{_SO}{goes}的?镜头",
    )


def _upright(there: str) -> tuple[str, ...]:
    to = rf"{_HOW}(?:{there}(?:wards?)?)"
    return (
        rf"(?:{_CAMERA})?{_HOW}tilt(?:s|ing|ed)?(?: shot)?,? {to}",
        rf"{_HOW}{there}(?:ward)? tilt(?:ing)?(?: shot)?",
        rf"{_CAMERA}{_GOES} {to}",
        rf"{_HOW}(?:crane|pedestal|boom) (?:shot )?{to}",
    )


_MOVES: Mapping[Move, tuple[str, ...]] = {
    "pan left": (*_sideways("left", "right"), *_sideways_zh("左", "右")),
    "pan right": (*_sideways("right", "left"), *_sideways_zh("右", "左")),
    "tilt up": (
        *_upright("up"),
        rf"{_CAMERA}ris(?:es|ing)",
        rf"{_LENS}{_SO}(?:向|往|朝)上{_SO}(?:仰起|移动|抬起|倾斜|仰|摇|移|升|抬){{0,2}}",
        rf"{_LENS}{_SO}(?:上升|升起|升高|上摇|上移|抬起|上抬|仰起|上仰)",
        rf"{_SO}(?:上摇|上移|仰摇|上升)的?镜头",
    ),
    "tilt down": (
        *_upright("down"),
        rf"{_LENS}{_SO}(?:向|往|朝)下{_SO}(?:俯下|移动|倾斜|俯|摇|移|降|压){{0,2}}",
        rf"{_LENS}{_SO}(?:下降|降低|降下|下摇|下移|下压|俯下|下俯)",
        rf"{_SO}(?:下摇|下移|俯摇|下降)的?镜头",
    ),
    "zoom in": (
        rf"(?:{_CAMERA})?{_HOW}zoom(?:s|ed|ing)? {_HOW}(?:shot )?in(?:to|wards?)?(?: shot)?",
        rf"(?:{_CAMERA})?{_HOW}(?:dolly|dollies|dollying|push|pushes|pushing) {_HOW}in(?:to|wards?)?(?: shot)?",
        rf"{_CAMERA}{_GOES} {_HOW}(?:in|into|inwards?|closer|forwards?|nearer)",
        rf"(?:{_LENS})?{_SO}(?:变焦推近|推近|推进|拉近|推镜头|前推)(?:镜头)?",
        rf"{_LENS}{_SO}(?:放大|靠近|逼近|向前(?:推进|推移|移动|推)?|推向|推)",
    ),
    "zoom out": (
        rf"(?:{_CAMERA})?{_HOW}zoom(?:s|ed|ing)? {_HOW}(?:shot )?out(?:wards?)?(?: shot)?",
        rf"(?:{_CAMERA})?{_HOW}(?:dolly|dollies|dollying|pull|pulls|pulling) {_HOW}(?:out|back|away)(?: shot)?",
        rf"{_CAMERA}{_GOES} {_HOW}(?:out|outwards?|back|backwards?|away)",
        rf"(?:{_LENS})?{_SO}(?:变焦拉远|拉远|拉开|推远|拉镜头|后拉)(?:镜头)?",
        rf"{_LENS}{_SO}(?:缩小|后退|远离|向后(?:拉远|移动|拉|退)?|拉)",
    ),
    "roll": (
        rf"{_CAMERA}(?:roll(?:s|ing)?|rotat(?:es?|ing)|spin(?:s|ning)?|twist(?:s|ing)?)(?: (?:counter)?clockwise)?",
        rf"{_HOW}camera (?:roll|rotation)",
        rf"{_LENS}{_SO}(?:旋转|翻转|滚转|滚动|翻滚|转动|打转)",
        "(?:旋转|翻转|滚转|翻滚)的?镜头",
    ),
    "handheld shake": (
        rf"{_HOW}(?:a )?hand ?held(?: (?:camera|cam|shot|footage|style))?(?: shak(?:e|es|ing))?",
        r"(?:shaky|shaking|trembling|unsteady) (?:camera|cam|shot|footage)",
        rf"{_CAMERA}(?:shak(?:es?|ing|y)|trembl(?:es|ing)|wobbl(?:es|ing))",
        "手持(?:镜头|拍摄|摄影|摄像|运镜|晃动|抖动|感){0,3}",
        rf"{_LENS}{_SO}(?:晃动|抖动|摇晃|颤动|抖|晃){{1,2}}",
        "(?:晃动|抖动|摇晃)的?镜头",
    ),
    "still": (
        r"(?:a )?(?:static|still|fixed|locked|locked off|stationary|motionless|tripod) (?:camera|cam|shot)",
        rf"{_CAMERA}(?:stays |remains |stands |holds )?(?:still|static|fixed|motionless|stationary|steady)",
        rf"{_CAMERA}(?:does not|doesn't|never) moves?",
        r"(?:no|without) camera (?:movements?|motion|moves?)",
        r"on a tripod",
        "(?:固定|静止|静态)(?:镜头|机位|拍摄)",
        rf"{_LENS}(?:保持)?(?:固定|静止)?(?:不动|静止|固定)",
    ),
}

_ASSUMED: Mapping[Move, tuple[str, ...]] = {
    "pan right": (rf"{_HOW}pan(?:ning)? shot", rf"{_CAMERA}pan(?:s|ning)", "横摇镜头|摇镜头|横移镜头"),
    "tilt up": (rf"{_HOW}tilt(?:ing)? shot", rf"{_CAMERA}tilt(?:s|ing)", "俯仰镜头"),
    "zoom in": (rf"{_HOW}zoom(?:ing)? shot", rf"{_CAMERA}zoom(?:s|ing)", r"slow zoom", "变焦镜头"),
}
"""Phrases that name a move without its direction."""

_LIGHTS: Mapping[Light, tuple[str, ...]] = {
    "day": (
        r"(?:in |by )?(?:the )?(?:broad |bright |full )?(?:daylight|day ?time|sunlight|sunshine)",
        r"(?:by|during the|in the) day",
        r"(?:on )?a (?:sunny|bright|clear) day",
        r"(?:at )?(?:noon|midday)",
        r"night (?:to|into) day",
        "大?白天|白昼|日间|正午|中午|阳光下",
    ),
    "night": (
        r"after dark",
        r"(?:after )?nightfall",
        r"day for night",
        r"day (?:in)?to night",
        r"in (?:the )?dark(?:ness)?",
        "天黑|月色|入暮",
    ),
    "sunset": (
        r"(?:at |in |during )?(?:the )?(?:golden|magic) hour(?: light)?",
        r"(?:in )?(?:the )?(?:warm )?golden (?:sun)?light",
        r"(?:in )?(?:the )?late afternoon(?: light)?",
        "黄金时刻|黄金时段|魔幻时刻|暮色|余晖|金色的?阳光",
    ),
    "dawn": (
        r"(?:at )?(?:first light|day ?break|break of day)",
        r"(?:in )?(?:the )?(?:early )?morning(?: light)?",
        "清晨|早晨|早上|破晓|拂晓|晨光|晨曦",
    ),
}

_HOURS = ("night", "sunset")  # scenes that are the light of an hour
OWN_LIGHT = (*_HOURS, "stage")
"""Scenes that are drawn in a light of their own."""

_DAWN = ("sunrise", "dawn", "日出", "黎明")
_PLACES = ("space", "太空")


def light_of(scene: Concept, word: str) -> Light | None:
    """The light that ``word`` means beside another scene, where it names ``scene`` if it stands alone."""
    if scene.name not in _HOURS or word in _PLACES:
        return None
    if scene.name == "night":
        return "night"
    return "dawn" if word in _DAWN else "sunset"


_CUT = re.compile(
    r"(?<![a-z])(?:and )?(?:then )?(?:(?:the )?(?:camera|scene|shot|video|film|it) )?(?:hard |jump |smash )?"
    r"cut(?:s|ting)? to(?! (?:the )?(?:left|right|pieces))(?![a-z])"
    r"|(?<![a-z])(?:and )?(?:then )?(?:the )?(?:camera|scene|shot|video|film) (?:switch|chang)(?:es|ing)? to(?![a-z])"
    r"|(?<![a-z])(?:in the )?(?:next|second|third|fourth|new) (?:shot|scene)(?![a-z])"
    r"|(?:然后|接着|随后|之后|再)?(?:镜头|画面|场景)?(?:切换到|切换至|切换成|切到|切至|跳切到|转场到)"
    r"|(?:然后|接着|随后|之后|再)?(?:镜头|画面|场景)(?:切换|转到|转至|转向|跳到|跳转到)"
    r"|(?:下一个?|第[二三四]个?)镜头"
)
_BETWEEN = " ,;:.!?、。—"


def between_cuts(prompt: str) -> tuple[str, ...]:
    """The parts of ``prompt`` between its cuts, `normalised`; one where there is no cut."""
    parts = [part.strip(_BETWEEN) for part in _CUT.split(normalised(prompt))]
    return tuple(part for part in parts if part) or (prompt,)


@dataclass(frozen=True)
class Filmed:
    """What a prompt says about filming, and the ``rest`` of it. ``assumed``: the prompt left the camera's direction
    open. ``others`` are further moves that it names. Where it says nothing of the ``light``, that is None.
    """

    move: Move = "still"
    light: Light | None = None
    rest: str = ""
    assumed: bool = False
    others: tuple[Move, ...] = ()

    @property
    def notices(self) -> list[str]:
        """Plain sentences for the user about what was assumed or left out."""
        out = []
        if self.assumed:
            out.append(f"the prompt does not say where the camera goes; it does: {self.move}")
        if self.others:
            out.append(f"one camera move a shot, here {self.move}; left out: {', '.join(self.others)}")
        return out


def normalised(prompt: str) -> str:
    """``prompt`` in lower case, with single spaces in place of hyphens and white space, in Unicode's NFKC form."""
    return re.sub(r"[-\s]+", " ", unicodedata.normalize("NFKC", prompt).lower())


def filmed(text: str) -> Filmed:
    """Read the words for camera and light in ``text``, which is `normalised`."""
    found, rest = taken(text, _moves())
    lights, rest = taken(rest, _lights())
    moves = [move for move, _ in found]
    first = moves[0] if moves else "still"
    others = tuple(dict.fromkeys(move for move in moves if move not in (first, "still")))
    return Filmed(first, lights[0] if lights else None, rest, bool(found) and found[0][1], others)


def taken(text: str, patterns: Sequence[tuple[_T, re.Pattern[str]]]) -> tuple[list[_T], str]:
    """What of ``patterns`` is found in ``text``, in its order and the longer of two that overlap, and what is left."""
    hits = [(match.span(), meaning) for meaning, pattern in patterns for match in pattern.finditer(text)]
    chosen: list[tuple[tuple[int, int], _T]] = []
    for (start, end), meaning in sorted(hits, key=lambda hit: hit[0][0] - hit[0][1]):
        if all(end <= a or b <= start for (a, b), _ in chosen):
            chosen.append(((start, end), meaning))
    chosen.sort(key=lambda hit: hit[0])
    rest, last = "", 0
    for (start, end), _ in chosen:
        rest += text[last:start] + " "
        last = end
    return [meaning for _, meaning in chosen], rest + text[last:]


def compiled(table: Mapping[_T, tuple[str, ...]]) -> tuple[tuple[_T, re.Pattern[str]], ...]:
    """Every expression of ``table`` with its meaning; Latin letters end at word boundaries."""
    return tuple(
        (meaning, re.compile(rf"(?<![a-z])(?:{pattern})(?: {_ADVERB})?(?![a-z])"))
        for meaning, patterns in table.items()
        for pattern in patterns
    )


@cache
def _moves() -> tuple[tuple[tuple[Move, bool], re.Pattern[str]], ...]:
    named, assumed = compiled(_MOVES), compiled(_ASSUMED)
    return tuple(((move, False), pattern) for move, pattern in named) + tuple(
        ((move, True), pattern) for move, pattern in assumed
    )


@cache
def _lights() -> tuple[tuple[Light, re.Pattern[str]], ...]:
    return compiled(_LIGHTS)
