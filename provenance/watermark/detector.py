"""Read the mark: add up the detail of all frames, find how the picture lies in the marked one, decode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice
from math import exp, sqrt

import numpy as np
from scipy.special import ndtr, ndtri

from countermark.core.media.frames import Frames
from provenance.watermark.arrays import Place, fetch, namespace, put
from provenance.watermark.carriers import Deal, Sync, deal
from provenance.watermark.code import CODE_BITS, FALSE_POSITIVE_RATE, Decoded, decode, encode_all
from provenance.watermark.geometry import MIRRORS, Homography, border_geometries, resample
from provenance.watermark.grid import GRID, Plane
from provenance.watermark.interface import Mark, Reading, check_frames
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.normalise import forward, frame_mean, normalise
from provenance.watermark.payload import VERSION, Payload
from provenance.watermark.scenes import Scenes
from provenance.watermark.sketch import Sketch, placed
from provenance.watermark.sync import locate, refine

ALGORITHM_ID = "org.countermark.video.2"
_RECALL_CHUNK = 8192
_ALIKE = 0.995  # cosine from which two sums need not be searched both
_OPENING = 4.0  # frames in which a codec forgets a scene's first to 1/e, in lively scenes at harsh rates
_DISAGREEMENT = 1.5  # z-score of the synchronisation up to which a mirror image is not worth decoding
ROWS = 3  # of soft values a spectrum: both bands, and each alone
_SIGNS_TO_NORMAL = 1 / (4 * ndtr(-sqrt(2)))  # 3.18, see `significant_cosine`
_GROUP = 2  # frames averaged before the limiter: fewer is better where things move, and slower

#: Chance that unmarked material matches any of the messages it is compared with, over all of them, all keys and all
#: geometries of one call: half that of a reading.
RECALL_FALSE_POSITIVE_RATE = 1e-6


@dataclass(frozen=True)
class View:
    """One way in which the picture may lie in the marked one: its soft values [tries, 512]."""

    geometry: Homography
    soft: Plane

    @property
    def recallable(self) -> Plane:
        """The soft values to compare known words with: also the sums over planes, whose noise is not the same."""
        if len(self.soft) == ROWS:
            return self.soft
        return np.concatenate((self.soft, self.soft.reshape(-1, ROWS, CODE_BITS).sum(axis=0)))


@dataclass(frozen=True)
class Evidence:
    """What some frames add up to, for any key and any geometry; the evidence of more frames is the sum.

    ``detail`` float32 [320, 320] is the sum of the frames' detail. ``opening`` [320, 320] is the same with the most
    weight on the first frames of each scene, in which a harsh codec leaves most of the mark. ``brightest`` [320, 320]
    is the highest luma of each point.
    """

    detail: Plane
    opening: Plane
    brightest: Plane
    frames: int

    def __add__(self, other: Evidence) -> Evidence:
        brightest = np.maximum(self.brightest, other.brightest)
        frames = self.frames + other.frames
        return Evidence(self.detail + other.detail, self.opening + other.opening, brightest, frames)

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Where a mark may be found: the opening too, unless it says the same as the whole."""
        lengths = float(np.linalg.norm(self.detail)) * float(np.linalg.norm(self.opening))
        if float(np.vdot(self.detail, self.opening)) >= _ALIKE * lengths:
            return (self.detail,)
        return self.detail, self.opening


#: A key, the views that it reads, and the messages of its issuer to look for in them.
_Question = tuple[WatermarkKey, Sequence[View], Sequence[Payload]]


class SpreadSpectrumDetector:
    """Reads one clip in memory that does not grow with it. What it adds up serves any key and any geometry."""

    def __init__(self, keys: Sequence[WatermarkKey], size: tuple[int, int], place: Place = None) -> None:
        self._keys, self._size, self._place = tuple(keys), size, place
        self._detail = self._opening = self._brightest = put(np.zeros((GRID, GRID), np.float32), place)
        self._scenes = Scenes(_GROUP, stands_out=0)  # what changes much is best looked at frame by frame
        self._frames = 0

    def update(self, frames: Frames) -> None:
        """Add a chunk's detail to the sum."""
        check_frames(frames, self._size)
        for part, age in self._scenes.groups(frames.luma):
            group = put(frames.luma[part], self._place)
            mean = frame_mean(group)
            detail = len(group) * normalise(mean)[0]
            self._detail = self._detail + detail
            self._opening = self._opening + exp(-age / _OPENING) * detail
            self._brightest = namespace(mean).maximum(self._brightest, mean)
        self._frames += len(frames)

    def with_keys(self, keys: Sequence[WatermarkKey]) -> SpreadSpectrumDetector:
        """A detector that has seen the same frames and reads with other keys."""
        other = copy(self)
        other._keys, other._scenes = tuple(keys), copy(self._scenes)
        return other

    def emptied(self) -> SpreadSpectrumDetector:
        """A detector that goes on from the same moment of the clip, and has added up nothing yet."""
        other = copy(self)
        other._scenes, other._frames = copy(self._scenes), 0
        other._detail = other._opening = other._brightest = put(np.zeros((GRID, GRID), np.float32), self._place)
        return other

    @property
    def keys(self) -> tuple[WatermarkKey, ...]:
        """The keys that are tried, in this order."""
        return self._keys

    @property
    def aspect(self) -> float:
        """The frames' width over their height."""
        return self._size[1] / self._size[0]

    @property
    def evidence(self) -> Evidence:
        """What was added up so far."""
        return Evidence(fetch(self._detail), fetch(self._opening), fetch(self._brightest), self._frames)

    def result(self, *, search: bool = True, register: Iterable[Payload] = ()) -> Reading:
        """Exact payload or None; ``statistic`` is the cosine between soft values and likeliest code word, 0 to 1.

        Always tried: the frame as it is, mirrored, and turned by quarters. ``search`` also looks for the mark in a
        picture that was cropped, turned, scaled, squeezed or seen in perspective: a second or two. Where nothing can be
        decoded, the payloads of a ``register`` are compared one by one, which finds marks too weak to decode; `compare`
        finds weaker ones still among a few. What is cheap is tried with every key before what is dear with any.
        """
        attempts = 0
        best: tuple[float, tuple[int, ...] | None] = (-1.0, None)
        register, evidence = tuple(register), self.evidence
        views: dict[WatermarkKey, list[View]] = {key: [] for key in self._keys}
        guesses = {key: stages(evidence, self._size, deal(key), search=search) for key in views}
        for key, stage in _in_turn(guesses):
            views[key] += stage
            found, place = surest(stage, key)
            attempts += sum(len(view.soft) for view in stage)
            if found.payload is not None:
                payload, rate = Payload.from_bits(found.payload), attempts * FALSE_POSITIVE_RATE
                mark = Mark(payload, key, stage[place].geometry, rate)
                return self._reading(rate, found.correlation, mark=mark)
            if found.correlation > best[0]:
                best = (found.correlation, found.likeliest)
        questions = [(key, guessed, _of_issuer(register, key)) for key, guessed in views.items()]
        recalled = self._recalled(questions, spent=attempts * FALSE_POSITIVE_RATE)
        return recalled if recalled.mark is not None else replace(recalled, statistic=best[0], best_bits=best[1])

    def compare(self, candidates: Iterable[Payload]) -> Reading:
        """Which of a few payloads, if any, the frames carry as they are, or mirrored.

        For those of videos that look like this one: the fewer there are to tell apart, the weaker a mark is enough.
        """
        candidates, evidence = tuple(candidates), self.evidence
        questions = []
        for key in self._keys:
            (views,) = stages(evidence, self._size, deal(key), search=False)
            questions.append((key, views, _of_issuer(candidates, key)))
        return self._recalled(questions)

    def laid_over(self, sketched: Sequence[tuple[Payload, Sketch]]) -> Reading:
        """Which of these payloads, if any, the frames carry where they lie in the sketch of its original.

        The frames are those from the start of a copy, `sketch.FRAMES` of them. They may be cropped, or inside a larger
        picture, and coded so harshly that nothing else finds the way.
        """
        evidence = self.evidence
        lying = placed(evidence.detail, self.aspect, [sketch for _, sketch in sketched])
        questions = []
        for found in lying:
            planes = [resample(plane, found.geometry) for plane in evidence.planes]
            for key in self._keys:
                words = _of_issuer([sketched[found.index][0]], key)
                if words:
                    view = View(found.geometry, _rows((forward(plane) for plane in planes), deal(key)))
                    questions.append((key, [view], words))
        return self._recalled(questions)

    def _recalled(self, questions: Sequence[_Question], spent: float = 0.0) -> Reading:
        """The message that fits best among those asked for, if it fits beyond chance.

        All the questions share one rate, so that it holds for any number of keys, messages and views. ``spent`` is the
        chance of a false reading that what was tried before has used up.
        """
        asked = [(key, guessed, words) for key, guessed, words in questions if words]
        softs = [np.concatenate([view.recallable for view in guessed]) for _, guessed, _ in asked]
        comparisons = sum(len(soft) * len(words) for soft, (_, _, words) in zip(softs, asked, strict=True))
        if not comparisons:
            return self._reading(spent)
        rate, beyond = spent + RECALL_FALSE_POSITIVE_RATE, recallable_from(comparisons)
        best: Mark | None = None
        for soft, (key, guessed, words) in zip(softs, asked, strict=True):
            found = recall(soft, words, beyond)
            if found is not None:
                beyond = found.cosine
                best = Mark(found.payload, key, guessed[found.row * len(guessed) // len(soft)].geometry, rate)
        return self._reading(rate) if best is None else self._reading(rate, beyond, mark=best)

    def _reading(self, rate: float, statistic: float = 0.0, *, mark: Mark | None = None) -> Reading:
        payload = None if mark is None else mark.payload
        bits = None if payload is None else payload.to_bits()
        return Reading(
            algorithm=ALGORITHM_ID,
            payload_bits=bits,
            payload=payload,
            statistic=statistic,
            frames=self._frames,
            false_positive_rate=rate,
            best_bits=bits,
            mark=mark,
        )


def _in_turn(guesses: dict[WatermarkKey, Iterator[list[View]]]) -> Iterator[tuple[WatermarkKey, list[View]]]:
    """The first stage of every key, then the second of every key, and so on."""
    left = dict(guesses)
    while left:
        for key, guess in guesses.items():
            if key in left:
                stage = next(guess, None)
                if stage is None:
                    del left[key]
                else:
                    yield key, stage


def stages(
    evidence: Evidence, size: tuple[int, int], dealt: Deal, *, search: bool, squeezed: bool = True
) -> Iterator[list[View]]:
    """Ever dearer guesses at how frames of ``size`` (height, width) lie in the marked ones.

    First come the frame as it is, and those of its mirror images which the synchronisation does not rule out.
    ``search`` adds black borders and what the synchronisation shows, ``squeezed`` further aspect ratios.
    """
    spectra = [forward(plane) for plane in evidence.planes]
    first: list[View] = []
    for mirror in MIRRORS:
        mirrored = [mirror.apply(spectrum) for spectrum in spectra]
        if not first or max(_agreement(spectrum, dealt) for spectrum in mirrored) > _DISAGREEMENT:
            first.append(View(mirror.geometry, _rows(mirrored, dealt)))
    yield first
    if not search or not evidence.frames:
        return
    for geometries in _guesses(evidence, size, dealt.sync, squeezed=squeezed):
        if geometries:
            yield [
                View(g, _rows((forward(resample(plane, g)) for plane in evidence.planes), dealt)) for g in geometries
            ]


def _guesses(evidence: Evidence, size: tuple[int, int], sync: Sync, *, squeezed: bool) -> Iterator[list[Homography]]:
    framed = border_geometries(evidence.brightest)
    yield framed + [refine(evidence.detail, geometry, sync) for geometry in framed]
    for wider in (False, True) if squeezed else (False,):
        for plane in evidence.planes:
            located = (found.geometry for found in locate(plane, size, sync, squeezed=wider))
            yield list(islice(located, 2))  # mostly the right one is among them
            yield list(located)


def _agreement(spectrum: Plane, dealt: Deal) -> float:
    """z-score of the synchronisation in a DCT spectrum; about 5 where a mark can just be recalled."""
    noise = float(np.sqrt(np.mean(dealt.upper.read(spectrum) ** 2))) + 1e-9
    agreeing = dealt.sync.read(spectrum)
    return float(agreeing.mean()) / noise * sqrt(len(agreeing))


def _rows(spectra: Iterable[Plane], dealt: Deal) -> Plane:
    """The soft values of several spectra: [3 a spectrum, 512]."""
    return np.concatenate([soft_values(spectrum, dealt) for spectrum in spectra])


def soft_values(spectrum: Plane, dealt: Deal) -> Plane:
    """What to decode: the soft values of both bands, and of each alone, at unit length: float32 [3, 512]; positive
    means 0. Rings are weighted by their own noise, which is the picture's and the codec's.
    """
    lower, upper = dealt.lower.read(spectrum), dealt.upper.read(spectrum)
    rows = []
    for values in (np.concatenate((lower, upper)), lower, upper):
        sum_ = (1 / (values.std(axis=1) + 1e-9)) @ values
        rows.append(sum_ / (np.linalg.norm(sum_) + 1e-9))
    return np.asarray(rows, np.float32)


def surest(views: Sequence[View], key: WatermarkKey) -> tuple[Decoded, int]:
    """The clearest word, if any passes its check, that can be read in some views, and the index of its view."""
    words = decode(np.concatenate([view.soft for view in views]), known_bits(key))
    row = max(range(len(words)), key=lambda row: (words[row].payload is not None, words[row].correlation))
    return words[row], row * len(views) // len(words)


@dataclass(frozen=True)
class Recalled:
    """The payload whose code word fits ``row`` of the soft values, and how well."""

    payload: Payload
    cosine: float
    row: int


def recall(soft: Plane, register: Sequence[Payload], beyond: float) -> Recalled | None:
    """The registered payload whose code word fits one row of ``soft`` [n, 512] best, if its cosine is ``beyond`` what
    chance gives (see :func:`recallable_from`).
    """
    unit = soft / ((np.linalg.norm(soft, axis=1, keepdims=True) + 1e-9) * np.sqrt(CODE_BITS))
    found: Recalled | None = None
    for start in range(0, len(register), _RECALL_CHUNK):
        part = register[start : start + _RECALL_CHUNK]
        words = encode_all(Payload.all_bits(part))
        cosines = (1 - 2 * words.astype(np.float32)) @ unit.T
        word, row = divmod(int(np.argmax(cosines)), len(unit))
        if cosines[word, row] > beyond:
            beyond = float(cosines[word, row])
            found = Recalled(part[word], beyond, row)
    return found


def recallable_from(comparisons: int) -> float:
    """The cosine beyond which a word is recalled, when words and rows of soft values make ``comparisons`` pairs: the
    chance that any pair of unmarked material reaches it is at most :data:`RECALL_FALSE_POSITIVE_RATE`.
    """
    return significant_cosine(RECALL_FALSE_POSITIVE_RATE / comparisons)


def significant_cosine(rate: float) -> float:
    """The cosine with a given word that soft values of unmarked material exceed with a probability of at most ``rate``.

    The key's signs are random, so each soft value is as likely positive as negative, whatever the material: the cosine
    is a weighted sum of 512 fair signs. Such a sum exceeds x standard deviations at most 3.18 times as often as a
    normal variable does (Bentkus and Dzindzalieta, Bernoulli 21(2), 2015).
    """
    return float(-ndtri(rate / _SIGNS_TO_NORMAL)) / sqrt(CODE_BITS)


def chance_of_cosine(cosine: float) -> float:
    """The inverse of :func:`significant_cosine`: at most this likely does unmarked material exceed that cosine."""
    return float(_SIGNS_TO_NORMAL * ndtr(-cosine * sqrt(CODE_BITS)))


def _of_issuer(payloads: Iterable[Payload], key: WatermarkKey) -> list[Payload]:
    return [payload for payload in payloads if payload.issuer == key.issuer]


def known_bits(key: WatermarkKey) -> tuple[int, ...]:
    """The leading payload bits that every mark of this key has: version and issuer."""
    return Payload(issuer=key.issuer, serial=0, version=VERSION).to_bits()[:16]
