"""Pictures under the policy: uploads before they are used, frames before they are released.

Examined are nudity (a model for photographs), in uploads also faces (for consent) and words (judged like a prompt),
and, where an operator has put the text tower of CLIP beside its image tower, likeness to the sentences that the policy
gives for a category. What is seen in an upload also counts for the prompt beside it: the two are judged together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict

from countermark.core.digest import sha256_of
from countermark.core.encoders.clip_text import LOGIT_SCALE, embed_sentences, find_text_tower
from countermark.core.encoders.image import SIZE, image_encoder
from countermark.core.errors import PolicyRefusedError, UsageError
from countermark.core.media import Frames, Limits, VideoReader
from countermark.core.settings import Settings
from policy.assemble import Policy, load_policy
from policy.consent import read_consent
from policy.decision import Decision, check_many
from policy.faces import find_faces
from policy.findings import CategoryScore
from policy.lettering import can_read, read_lines
from policy.nudity import nudity_scores
from policy.records import open_records

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
_STILL_SIDE = 1024
_FULL_HD = 1920 * 1088  # pixels; of larger frames half as many are held in memory at once
_MOST_FRAMES = 64  # of an upload that are looked at, spread over all of it
_SKETCH = 48  # pixels of the side of the small grey copy by which frames are compared
_SPAN = 160  # characters of quoted text
_ALLOWED = "Nothing that is seen in it goes against the policy."
_SAME = 6.0  # largest mean difference of two copies, in grey levels, at which the second frame is not read again


class Sight(BaseModel):
    """What was seen in one picture: ``scores`` (0 to 1) per category, and the number of ``faces``, if looked for."""

    model_config = ConfigDict(frozen=True)

    scores: dict[str, float]
    faces: int | None = None


class UploadDecision(BaseModel):
    """What the policy says of an upload: refused or not, why, what was ``examined``, the ``text`` that was read in it,
    and what it ``shown`` adds, in log-odds per category, to the prompt beside it (hand it to `policy.check` or
    `policy.admit`).
    """

    model_config = ConfigDict(frozen=True)

    allowed: bool
    category: str | None
    findings: list[CategoryScore]
    reason: str
    sha256: str
    frames: int
    examined: list[str]
    shown: dict[str, float]
    text: str = ""
    consent: str | None = None


class UploadRefusedError(PolicyRefusedError):
    """A given picture or video was refused; ``upload`` says why."""

    def __init__(self, path: Path, upload: UploadDecision) -> None:
        super().__init__(f"{path.name}: {upload.reason}", remedy="Give another picture or video.")
        self.upload = upload


class WithheldError(PolicyRefusedError):
    """A generated video was not released; ``decision`` says why."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.reason, remedy="Change the prompt and try again, or appeal with the id given.")
        self.decision = decision


def examined(policy: Policy, settings: Settings) -> list[str]:
    """What uploads can be examined for here: categories, "faces", and "text"."""
    names = [policy.rules.file.vision.nudity_category, "faces", *(["text"] if can_read(settings) else [])]
    if find_text_tower(settings):
        names += policy.rules.file.vision.zero_shot
    return names


def look(pictures: UInt8, *, policy: Policy, settings: Settings, faces: bool = False) -> list[Sight]:
    """Examine R'G'B' pictures uint8 [N, H, W, 3].

    Raises `WeightsError` when a model is missing: nothing passes because it could not be examined.
    """
    rules = policy.rules.file.vision
    nudity = nudity_scores(pictures, settings)
    rest = _zero_shot(pictures, policy, settings)
    out = []
    for i, picture in enumerate(pictures):
        scores = {category: float(column[i]) for category, column in rest.items()}
        scores[rules.nudity_category] = max(float(nudity[i]), scores.get(rules.nudity_category, 0.0))
        out.append(Sight(scores=scores, faces=len(find_faces(picture, settings)) if faces else None))
    return out


def check_upload(path: Path, *, settings: Settings, consent: str | None = None) -> UploadDecision:
    """Examine a reference image or video before it is used; nothing of it is kept.

    A face needs a ``consent`` token for this very file (`policy.consent`). Raises `MediaError` when it cannot be read,
    `UsageError` when the token does not hold, `WeightsError` when a model is missing.
    """
    policy = load_policy(settings.policy_file)
    rules = policy.rules.file.vision
    sha256 = _sha256(path)
    person = read_consent(consent, sha256, settings=settings).person if consent else None
    sights: list[Sight] = []
    reader = _Reader(settings)
    for pictures in _pictures(path, rules.frames_per_second, settings):
        sights += look(pictures, policy=policy, settings=settings, faces=True)
        reader.read(pictures)
    findings = _findings(policy, sights, strict=True)  # uploads are judged more strictly than text
    findings += _said(policy, reader.text)
    faces = max((sight.faces or 0 for sight in sights), default=0)
    if faces and not person:
        span = f"{faces} face(s), no consent token"
        finding = CategoryScore(category=rules.likeness_category, score=1, threshold=1, source="picture", span=span)
        findings.append(finding)
    category = findings[0].category if findings else None
    reason = policy.rules.categories[category].reason.en if category else _ALLOWED
    peak = {c: max(s.scores[c] for s in sights) for c in (sights[0].scores if sights else {})}
    return UploadDecision(
        allowed=not findings,
        category=category,
        findings=findings,
        reason=reason,
        sha256=sha256,
        frames=len(sights),
        examined=examined(policy, settings),
        shown={c: round(rules.joint_weight * score, 3) for c, score in peak.items()},
        text=reader.text,
        consent=person,
    )


def shown_together(uploads: Iterable[UploadDecision]) -> dict[str, float]:
    """What uploads add to the prompt beside them, in log-odds: for each category what the plainest of them adds."""
    together: dict[str, float] = {}
    for upload in uploads:
        for category, odds in upload.shown.items():
            together[category] = max(together.get(category, 0.0), odds)
    return together


@dataclass
class Watch:
    """Examines frames on their way out, a few per second, and lets nothing past that it withholds.

    ``fps`` is the clip's rate. Give every chunk of R'G'B' frames to `see` before it goes on: what was not seen is
    never released, for `see` raises first.
    """

    decision: Decision
    fps: float
    settings: Settings
    policy: Policy = field(init=False)
    seen: int = field(default=0, init=False)
    examined: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.policy = load_policy(self.settings.policy_file)

    def see(self, rgb: UInt8) -> UInt8:
        """Examine a chunk uint8 [N, H, W, 3] and return it; raises `WithheldError`, or `WeightsError`."""
        every = max(1, round(self.fps / self.policy.rules.file.vision.frames_per_second))
        due = [i for i in range(len(rgb)) if (self.seen + i) % every == 0]
        self.seen += len(rgb)
        if due:
            sights = look(np.ascontiguousarray(rgb[due]), policy=self.policy, settings=self.settings)
            self.examined += len(due)
            if found := _findings(self.policy, sights, strict=self.decision.output_check == "strict"):
                raise WithheldError(self._withheld(found))
        return rgb

    def over(self, chunks: Iterable[UInt8]) -> Iterator[UInt8]:
        """`see` every chunk of a stream."""
        return map(self.see, chunks)

    def _withheld(self, found: list[CategoryScore]) -> Decision:
        rules, language = self.policy.rules, self.decision.language
        why = rules.categories[found[0].category].reason.in_language(language)
        decision = self.decision.model_copy(
            update={
                "action": "block",
                "category": found[0].category,
                "categories": [*found, *self.decision.categories],
                "reason": rules.file.withheld.in_language(language).format(reason=why),
                "rewritten_prompt": None,
            }
        )
        with open_records(self.settings) as records:
            content = {"appeal_id": decision.appeal_id, "categories": [f.model_dump() for f in found]}
            records.log("frames", "block", {**content, "frame": self.seen, "policy_sha256": self.policy.sha256})
        return decision


def _findings(policy: Policy, sights: list[Sight], *, strict: bool) -> list[CategoryScore]:
    """Categories whose limit some picture reaches, the surest first."""
    rules = policy.rules.file.vision
    out = []
    for category in sights[0].scores if sights else {}:
        score = max(sight.scores[category] for sight in sights)
        limits = rules.nudity if category == rules.nudity_category else rules.zero_shot_limit
        limit = limits.strict if strict else limits.standard
        if score >= limit:
            out.append(CategoryScore(category=category, score=round(score, 4), threshold=limit, source="picture"))
    return sorted(out, key=lambda finding: -finding.score)


@dataclass
class _Reader:
    """Reads the words of frames as they come; a frame that hardly differs from the one read last is passed over."""

    settings: Settings
    lines: dict[str, None] = field(default_factory=dict)  # each line once, in order of appearance
    last: Float32 | None = None

    def read(self, pictures: UInt8) -> None:
        """Read R'G'B' pictures uint8 [N, H, W, 3], where the reading networks are present."""
        if not can_read(self.settings):
            return
        for picture in pictures:
            small = Image.fromarray(picture).convert("L").resize((_SKETCH, _SKETCH), Image.Resampling.BOX)
            sketch = np.asarray(small, np.float32)
            if self.last is None or float(np.abs(sketch - self.last).mean()) > _SAME:
                self.last = sketch
                self.lines.update(dict.fromkeys(line.text for line in read_lines(picture, self.settings)))

    @property
    def text(self) -> str:
        """Everything that was read, a line each."""
        return "\n".join(self.lines)


def _said(policy: Policy, text: str) -> list[CategoryScore]:
    """What speaks against the words in an upload: what a prompt would be refused or reviewed for, and orders to a
    model. Disguise is no matter here, for a reader mistakes letters.
    """
    if not text.strip():
        return []
    decisive: list[CategoryScore] = []
    orders: list[CategoryScore] = []
    pages = _pages(text, policy.rules.file.max_characters)
    for page, decision in zip(pages, check_many(pages, policy=policy), strict=True):
        quoted = [
            f.model_copy(update={"source": "picture", "span": f'text: "{f.span or page}"'[:_SPAN]})
            for f in decision.categories
        ]
        if decision.action in {"block", "review"}:
            decisive.append(next(f for f in quoted if f.category == decision.category))
        both = zip(quoted, decision.categories, strict=True)
        orders += [quote for quote, f in both if f.category == "evasion" and f.source == "lexicon"]
    return [*decisive, *orders]


def _pages(text: str, limit: int) -> list[str]:
    """All of ``text`` in pieces as long as a prompt may be, cut at ends of lines; each begins with the line before."""
    half = (limit - 1) // 2
    pages: list[list[str]] = [[]]
    for line in (whole[i : i + half] for whole in text.split("\n") for i in range(0, len(whole), half)):
        if len("\n".join((*pages[-1], line))) > limit:
            pages.append(pages[-1][-1:])
        pages[-1].append(line)
    return ["\n".join(page) for page in pages]


def _zero_shot(pictures: UInt8, policy: Policy, settings: Settings) -> dict[str, Float32]:
    """Per category the probability [N] of its sentences against the ordinary ones; empty without the text tower."""
    rules = policy.rules.file.vision
    tower = find_text_tower(settings)
    if tower is None or not rules.zero_shot or not rules.ordinary:
        return {}
    sentences = [*(s for group in rules.zero_shot.values() for s in group), *rules.ordinary]
    owner = [c for c, group in rules.zero_shot.items() for _ in group]
    text = _sentences(tower, tuple(sentences))
    small = [np.asarray(Image.fromarray(p).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for p in pictures]
    image = image_encoder(settings).encode(np.stack(small)).image
    image = image / np.linalg.norm(image, axis=1, keepdims=True)
    odds = LOGIT_SCALE * image @ text.T
    share = np.exp(odds - odds.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    return {c: share[:, [i for i, o in enumerate(owner) if o == c]].sum(axis=1) for c in rules.zero_shot}


_sentences = lru_cache(maxsize=1)(embed_sentences)
"""A policy's sentences are the same for every picture."""


def _pictures(path: Path, per_second: float, settings: Settings) -> Iterator[UInt8]:
    """What is looked at of an upload, upright: a still picture, at most 1024 pixels a side, or frames of a video."""
    with VideoReader(path, Limits.from_settings(settings), chunk=1) as reader:
        if reader.info.still:
            (frames,) = reader
            picture = Image.fromarray(frames.to_rgb()[0])
            picture.thumbnail((_STILL_SIDE, _STILL_SIDE))
            yield np.asarray(picture)[None]
            return
        for frame in _spread(reader, reader.info.time_base, per_second):
            yield reader.info.upright(frame.to_rgb())


def _spread(frames: Iterable[Frames], tick: Fraction, per_second: float) -> list[Frames]:
    """Of single frames the first, the last, and ``per_second`` between them; fewer, and evenly still, where those are
    too many, or large. What headers say of rate and length is not believed: every frame is decoded, and its own time
    counts.
    """
    apart, kept = 1 / per_second, list[Frames]()
    for frame in frames:
        last = frame
        if not kept or (frame.pts[0] - kept[-1].pts[0]) * tick >= apart:
            kept.append(frame)
        if len(kept) >= (_MOST_FRAMES if frame.width * frame.height <= _FULL_HD else _MOST_FRAMES // 2):
            apart, kept = 2 * apart, kept[::2]
    return kept if last is kept[-1] else [*kept, last]


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
