"""Read the mark: add up the detail of all frames, find how the picture lies in the marked one, decode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import islice
from math import exp, sqrt

import numpy as np
from scipy.special import ndtr, ndtri

from countermark.core.media.frames import Frames
from provenance.watermark.arrays import Place, fetch, namespace, put
from provenance.watermark.carriers import Deal, Sync, deal
from provenance.watermark.code import CODE_BITS, FALSE_POSITIVE_RATE, decode, encode_all
from provenance.watermark.geometry import MIRRORS, Homography, border_geometries, resample
from provenance.watermark.grid import GRID, Plane
from provenance.watermark.interface import Reading, check_frames
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
_ROWS = 3  # of soft values a spectrum: both bands, and each alone
_SIGNS_TO_NORMAL = 1 / (4 * ndtr(-sqrt(2)))  # 3.18, see `significant_cosine`
_GROUP = 2  # frames averaged before the limiter: fewer is better where things move, and slower

#: Chance that unmarked material matches any entry of a register, over all entries and attempts: half that of a reading.
RECALL_FALSE_POSITIVE_RATE = 1e-6


@dataclass(frozen=True)
class View:
    """One way in which the picture may lie in the marked one: its soft values [tries, 512]."""

    geometry: Homography
    soft: Plane

    @property
    def recallable(self) -> Plane:
        """The soft values to compare known words with: also the sums over planes, whose noise is not the same."""
        if len(self.soft) == _ROWS:
            return self.soft
        return np.concatenate((self.soft, self.soft.reshape(-1, _ROWS, CODE_BITS).sum(axis=0)))


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


class SpreadSpectrumDetector:
    """Reads one clip in memory that does not grow with it. What it adds up serves any key and any geometry."""

    def __init__(self, keys: Sequence[WatermarkKey], size: tuple[int, int], place: Place = None) -> None:
        self._keys, self._size, self._place = tuple(keys), size, place
        self._detail = self._opening = self._brightest = put(np.zeros((GRID, GRID), np.float32), place)
        self._scenes = Scenes(_GROUP)
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
            soft = np.concatenate([view.soft for view in stage])
            found = max(decode(soft, known_bits(key)), key=lambda word: (word.payload is not None, word.correlation))
            attempts += len(soft)
            if found.payload is not None:
                return self._reading(found.payload, None, found.correlation, attempts * FALSE_POSITIVE_RATE)
            if found.correlation > best[0]:
                best = (found.correlation, found.likeliest)
        for key, guessed in views.items():
            words = [payload for payload in register if payload.issuer == key.issuer]
            recalled = recall(np.concatenate([view.recallable for view in guessed]), words)
            if recalled is not None:
                payload, correlation = recalled
                return self._reading(payload.to_bits(), None, correlation, RECALL_FALSE_POSITIVE_RATE)
        return self._reading(None, best[1], best[0], attempts * FALSE_POSITIVE_RATE)

    def compare(self, candidates: Iterable[Payload]) -> Reading:
        """Which of a few payloads, if any, the frames carry as they are, or mirrored.

        For those of videos that look like this one: the fewer there are to tell apart, the weaker a mark is enough.
        """
        candidates, evidence = tuple(candidates), self.evidence
        for key in self._keys:
            words = [payload for payload in candidates if payload.issuer == key.issuer]
            (views,) = stages(evidence, self._size, deal(key), search=False)
            recalled = recall(np.concatenate([view.recallable for view in views]), words)
            if recalled is not None:
                return self._reading(recalled[0].to_bits(), None, recalled[1], RECALL_FALSE_POSITIVE_RATE)
        return self._reading(None, None, 0.0, RECALL_FALSE_POSITIVE_RATE)

    def laid_over(self, sketched: Sequence[tuple[Payload, Sketch]]) -> Reading:
        """Which of these payloads, if any, the frames carry where they lie in the sketch of its original.

        The frames are those from the start of a copy, `sketch.FRAMES` of them. They may be cropped, or inside a larger
        picture, and coded so harshly that nothing else finds the way.
        """
        evidence = self.evidence
        lying = placed(evidence.detail, self.aspect, [sketch for _, sketch in sketched])
        planes = [[resample(plane, found.geometry) for plane in evidence.planes] for found in lying]
        for key in self._keys:
            dealt, best = deal(key), None
            for found, laid in zip(lying, planes, strict=True):
                payload = sketched[found.index][0]
                if payload.issuer != key.issuer:
                    continue
                view = View(found.geometry, _rows((forward(plane) for plane in laid), dealt))
                recalled = recall(view.recallable, [payload], among=len(lying))
                if recalled is not None and (best is None or recalled[1] > best[1]):
                    best = recalled
            if best is not None:
                return self._reading(best[0].to_bits(), None, best[1], RECALL_FALSE_POSITIVE_RATE)
        return self._reading(None, None, 0.0, RECALL_FALSE_POSITIVE_RATE)

    def _reading(
        self,
        bits: tuple[int, ...] | None,
        likeliest: tuple[int, ...] | None,
        statistic: float,
        rate: float,
    ) -> Reading:
        return Reading(
            algorithm=ALGORITHM_ID,
            payload_bits=bits,
            payload=None if bits is None else Payload.from_bits(bits),
            statistic=statistic,
            frames=self._frames,
            false_positive_rate=rate,
            best_bits=bits or likeliest,
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


def recall(soft: Plane, register: Sequence[Payload], *, among: int = 1) -> tuple[Payload, float] | None:
    """The registered payload whose code word fits one row of ``soft`` [n, 512] beyond chance, and their cosine.

    The threshold keeps the chance of one, over all words and rows and ``among`` so many calls, below
    :data:`RECALL_FALSE_POSITIVE_RATE`.
    """
    if not register:
        return None
    highest = significant_cosine(RECALL_FALSE_POSITIVE_RATE / (len(register) * len(soft) * among))
    unit = soft / ((np.linalg.norm(soft, axis=1, keepdims=True) + 1e-9) * np.sqrt(CODE_BITS))
    found: Payload | None = None
    for start in range(0, len(register), _RECALL_CHUNK):
        part = register[start : start + _RECALL_CHUNK]
        words = encode_all(Payload.all_bits(part))
        cosines = ((1 - 2 * words.astype(np.float32)) @ unit.T).max(axis=1)
        best = int(np.argmax(cosines))
        if cosines[best] > highest:
            found, highest = part[best], float(cosines[best])
    return None if found is None else (found, float(highest))


def significant_cosine(rate: float) -> float:
    """The cosine with a given word that soft values of unmarked material exceed with a probability of at most ``rate``.

    The key's signs are random, so each soft value is as likely positive as negative, whatever the material: the cosine
    is a weighted sum of 512 fair signs. Such a sum exceeds x standard deviations at most 3.18 times as often as a
    normal variable does (Bentkus and Dzindzalieta, Bernoulli 21(2), 2015).
    """
    return float(-ndtri(rate / _SIGNS_TO_NORMAL)) / sqrt(CODE_BITS)


def known_bits(key: WatermarkKey) -> tuple[int, ...]:
    """The leading payload bits that every mark of this key has: version and issuer."""
    return Payload(issuer=key.issuer, serial=0, version=VERSION).to_bits()[:16]
