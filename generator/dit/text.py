"""From a prompt to concept tokens, in English and Chinese.

The bundled model draws a small, closed world, so its text conditioning is a closed vocabulary: every surface word of
``generator.world.vocabulary`` becomes the token of its concept, longest match first. Words outside the world are
reported, never silently dropped: what has a neighbour in it (`generator.world.neighbours`) is taken for that, and what
the prompt leaves open all the same is chosen by the seed and reported as well. What it says of camera and light
(`generator.world.cinematography`) is read before, and is no token.
"""

from __future__ import annotations

import random
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from generator.world.cinematography import OWN_LIGHT, Filmed, Light, filmed, light_of, normalised
from generator.world.neighbours import NEIGHBOURS
from generator.world.relations import MOST, Link, Mention, Related, Relation, related
from generator.world.vocabulary import AT_REST, BY_KIND, COLOURS, CONCEPTS, KINDS, SCENES, Concept, Kind

NOTHING = 0
WORDS = len(CONCEPTS) + 1
TOKEN: dict[tuple[Kind, str], int] = {(c.kind, c.name): i for i, c in enumerate(CONCEPTS, start=1)}

_STOP_EN = re.compile(
    r"(a|an|the|of|in|on|at|over|above|under|by|with|and|is|are|it|its|to|from|into|onto|through|across|near|this|that|"
    r"as|while|then|video|clip|shot|scene|showing|shows|show|film|animation|one|single|some|there|up|down|very|move|moves|moving|go|goes|going|"
    r"make|makes|turn|turns|change|changes|same|now)"
)
_STOP_ZH = (
    "一个只颗艘辆枚条支的在上里中下着正从到和与地是有了过片面色慢快速缓缓之间向往我们看见改成变为把让它，。！？、"
)


def tokens_of(concepts: Mapping[Kind, str], only: Kind | None = None) -> list[int]:
    """Concept tokens in the fixed order of kinds; nothing for a kind without a concept, or for all but ``only`` one."""
    told = [kind for kind in KINDS if kind in concepts and only in (None, kind)]
    return [TOKEN[kind, concepts[kind]] if kind in told else NOTHING for kind in KINDS]


@dataclass(frozen=True)
class Companion:
    """A further subject, and its link to one before it. Its scene is the first's; where no motion is named for it, it
    moves like another.
    """

    concepts: dict[Kind, str]
    link: Link
    chosen: tuple[Kind, ...] = ()

    @property
    def notices(self) -> list[str]:
        """Plain sentences for the user about what was chosen."""
        name = self.concepts["subject"]
        return [f"the prompt names no {kind} for the {name}; it drew: {self.concepts[kind]}" for kind in self.chosen]


@dataclass(frozen=True)
class Understanding:
    """What was understood: one concept name per kind, where those came from that the prompt does not name, the words
    that are unknown and those that were taken for something ``near``, how it is ``filmed``, further subjects in the
    order in which they are named, and the ``others`` that are too many. A kind without a concept is left to the model.
    """

    concepts: dict[Kind, str]
    chosen: tuple[Kind, ...]
    seen: tuple[Kind, ...]
    unknown: tuple[str, ...]
    filmed: Filmed = field(default_factory=Filmed)
    companions: tuple[Companion, ...] = ()
    others: tuple[str, ...] = ()
    near: tuple[tuple[str, str], ...] = ()

    @property
    def notices(self) -> list[str]:
        """Plain sentences for the user about what was not understood or chosen for him."""
        out = [f"the nearest thing to {word!r} that the model knows: {name}" for word, name in self.near]
        if self.unknown:
            out.append(f"not understood and left out: {', '.join(self.unknown)}")
        for kind in self.chosen:
            out.append(f"the prompt names no {kind} that the model knows; it drew: {self.concepts[kind]}")
        for kind in self.seen:
            out.append(f"taken from what was given, because the prompt names no {kind}: {self.concepts[kind]}")
        if self.filmed.light is not None and self.concepts.get("scene") in OWN_LIGHT:
            out.append(f"the light was left out ({self.filmed.light}): the scene {self.concepts['scene']} has its own")
        out += self.filmed.notices
        for companion in self.companions:
            out += companion.notices
        if self.others:
            full = len(self.companions) == MOST - 1
            why = f"at most {MOST} subjects a clip" if full else "how these stand to the rest was not understood"
            out.append(f"{why}; left out: {', '.join(self.others)}")
        return out


def _any_of(words: Iterable[str], *, plural: bool = False) -> re.Pattern[str]:
    """The longest of these words that there is; English ones end at word boundaries, perhaps ``plural``."""
    end = r"(?:e?s)?\b" if plural else r"\b"
    patterns = {w: rf"\b{re.escape(w)}{end}" if w.isascii() else re.escape(w) for w in words}
    return re.compile("|".join(patterns[word] for word in sorted(patterns, key=len, reverse=True)))


@cache
def _pattern() -> re.Pattern[str]:
    """Every surface word of both languages."""
    return _any_of(_meaning())


@cache
def _neighbours() -> dict[str, tuple[tuple[Kind, str], ...]]:
    """What every word of the neighbours stands beside."""
    near: dict[str, tuple[tuple[Kind, str], ...]] = {}
    for concept, (english, chinese) in NEIGHBOURS.items():
        for word in (*english.split(), *chinese.split()):
            near[word.replace("-", " ")] = (*near.get(word.replace("-", " "), ()), concept)
    return near


@cache
def _wider() -> re.Pattern[str]:
    """Every surface word, and the neighbours in which there is one, such as "sports car"."""
    return _any_of((*_meaning(), *(word for word in _neighbours() if _pattern().search(word))), plural=True)


@cache
def _nearby() -> re.Pattern[str]:
    """Every word of the neighbours."""
    return _any_of(_neighbours(), plural=True)


def _near_to(word: str) -> tuple[tuple[Kind, str], ...]:
    """What a word, perhaps in the plural, is near to; nothing if it is none of the neighbours."""
    forms = (word, word.removesuffix("s"), word.removesuffix("es"))
    return next((_neighbours()[form] for form in forms if form in _neighbours()), ())


@cache
def _meaning() -> dict[str, tuple[Concept, ...]]:
    table: dict[str, tuple[Concept, ...]] = {}
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            table[word] = (*table.get(word, ()), concept)
    return table


@dataclass(frozen=True)
class Read:
    """The first concept of each kind that a text names, all its scenes with the hour that each may mean, its words that
    the model does not know, and those that were taken for something near.
    """

    found: dict[Kind, str]
    scenes: list[tuple[str, Light | None]]
    unknown: tuple[str, ...]
    near: tuple[tuple[str, str], ...]


def named(prompt: str, *, placed: bool = False) -> tuple[Read, Filmed]:
    """What ``prompt`` names, and what it says of camera and light. A scene that is an hour ("at night") is the light
    where another scene is named, or where all is ``placed`` already.
    """
    said = filmed(normalised(prompt))
    read = _concepts(said.rest)
    places = [name for name, light in read.scenes if light is None]
    hours = [light for _, light in read.scenes if light is not None]
    if hours and (places or placed):
        del read.found["scene"]
        if places:
            read.found["scene"] = places[0]
        said = replace(said, light=said.light or hours[0])
    return read, said


def _concepts(text: str) -> Read:
    """What ``text`` names."""
    found: dict[Kind, str] = {}
    scenes: list[tuple[str, Light | None]] = []
    near: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        meanings = _meaning()[match[0]]
        scenes.extend((concept.name, light_of(concept, match[0])) for concept in meanings if concept.kind == "scene")
        for concept in meanings:
            if concept.kind not in found:
                found[concept.kind] = concept.name
                break
        return " "

    def take_near(match: re.Match[str]) -> str:
        for kind, name in _near_to(match[0]):
            if kind not in found:
                found[kind] = near[match[0]] = name
                return " "
        return match[0]

    def take_either(match: re.Match[str]) -> str:
        return _pattern().sub(take, match[0] if _pattern().fullmatch(match[0]) else take_near(match))

    rest = _nearby().sub(take_near, _wider().sub(take_either, text))
    latin = [w for w in re.findall(r"[^\W\d_\u4e00-\u9fff]+", rest) if not _STOP_EN.fullmatch(w)]
    han = [w.strip(_STOP_ZH) for w in re.findall(r"[\u4e00-\u9fff]+", rest)]
    return Read(found, scenes, tuple(dict.fromkeys(w for w in (*latin, *han) if w)), tuple(near.items()))


def _mentions(text: str) -> list[Mention]:
    """Where ``text`` names something of the world."""
    return [Mention(*match.span(), _meaning()[match[0]]) for match in _pattern().finditer(text)]


def understand(
    prompt: str,
    *,
    seed: int,
    seen: Mapping[Kind, str] | None = None,
    placed: bool = False,
    negative: str = "",
) -> Understanding:
    """Read ``prompt``. What it leaves open is taken from ``seen``, what a given picture or clip shows, and how that
    goes on is left to the model; where all is ``placed`` in the scene that is seen, an hour is its light. Without
    anything given, ``seed`` decides among what the ``negative`` prompt does not name.
    """
    read, said = named(prompt, placed=placed)
    found, unknown, near = read.found, read.unknown, read.near
    rng = random.Random(seed)
    open_to = _left_by(negative)
    drawn = {kind: rng.choice(open_to[kind]) for kind in KINDS}  # all, so one more known word changes nothing else
    if said.light is not None and drawn["scene"] in OWN_LIGHT:
        drawn["scene"] = rng.choice(_without(OWN_LIGHT, open_to["scene"], SCENES))
    if found.get("subject", drawn["subject"]) in AT_REST and "hover" in open_to["motion"]:
        drawn["motion"] = "hover"
    several, companions, named_too = related(said.rest, _mentions), tuple[Companion, ...](), _subjects(said.rest)
    if several.links:
        found, unknown, near, companions = _companions(several, found, drawn, open_to["colour"], rng)
        named_too = {name for text in several.texts for name in _subjects(text)}
    shown = {c["subject"] for c in (drawn | found, *(companion.concepts for companion in companions))}
    others = tuple(sorted((named_too - shown) | (_subjects(several.rest) if several.links else set())))
    if seen is not None:
        filled = {kind: found.get(kind, seen.get(kind)) for kind in KINDS}
        concepts = {kind: name for kind, name in filled.items() if name is not None}
        kept = tuple(kind for kind in KINDS if kind in concepts and kind not in found)
        return Understanding(concepts, (), kept, unknown, said, companions, others, near)
    chosen = tuple(kind for kind in KINDS if kind not in found)
    return Understanding({**drawn, **found}, chosen, (), unknown, said, companions, others, near)


def _left_by(negative: str) -> dict[Kind, Sequence[str]]:
    """What may be chosen where a prompt is silent: nothing that the ``negative`` prompt names or is near to, unless
    that is all there is of its kind.
    """
    text = filmed(normalised(negative)).rest
    unwanted = {(concept.kind, concept.name) for mention in _mentions(text) for concept in mention.concepts}
    unwanted.update(near for word in _nearby().finditer(text) for near in _near_to(word[0]))
    every = {kind: [concept.name for concept in BY_KIND[kind]] for kind in KINDS}
    return {kind: _without({n for k, n in unwanted if k == kind}, names, names) for kind, names in every.items()}


def _without(unwanted: Container[str], names: Sequence[str], others: Sequence[str]) -> Sequence[str]:
    """Those of ``names`` that are not ``unwanted``, or else those of ``others``, or else all ``others``."""
    kept = ([name for name in each if name not in unwanted] for each in (names, others))
    return next(filter(None, kept), others)


def _companions(
    several: Related,
    whole: Mapping[Kind, str],
    drawn: Mapping[Kind, str],
    colours: Sequence[str],
    rng: random.Random,
) -> tuple[dict[Kind, str], tuple[str, ...], tuple[tuple[str, str], ...], tuple[Companion, ...]]:
    """What a text with ``several`` subjects says of the first, its unknown words and near ones, and the others.
    ``whole`` is what was found in all of it, ``drawn`` what is shown where nothing was, and ``colours`` are open.
    """
    read = [_concepts(text) for text in several.texts]
    found = [each.found for each in read]
    if "scene" in whole:
        found[0]["scene"] = whole["scene"]
    _move(found, several.links)
    shown: list[dict[Kind, str]] = [{**drawn, **found[0]}]
    companions = []
    for link, theirs in zip(several.links, found[1:], strict=True):
        taken = {concepts["colour"] for concepts in shown}
        colour = rng.choice(_without(taken, colours, COLOURS))
        shown.append({**shown[-1], "colour": colour, **theirs, "scene": shown[0]["scene"]})
        companions.append(Companion(shown[-1], link, () if "colour" in theirs else ("colour",)))
    unknown = dict.fromkeys(word for each in (*read, _concepts(several.rest)) for word in each.unknown)
    near = dict.fromkeys(pair for each in read for pair in each.near)
    return found[0], tuple(unknown), tuple(near), tuple(companions)


def _move(found: Sequence[dict[Kind, str]], links: Sequence[Link]) -> None:
    """Fill in motions, in place: what is said of one holds for those before it, and relations mean some."""
    collide, chase = _acting(links, "collide"), _acting(links, "chase", "chased")
    for i, link in enumerate(links, start=1):
        if link.relation == "collide":  # they come from both sides
            found[link.to]["motion"], found[i]["motion"] = "right", "left"
    for i in reversed(range(len(links))):
        if i + 1 not in collide and "motion" in found[i + 1]:
            found[i].setdefault("motion", found[i + 1]["motion"])
    if not collide and not (chase and "motion" not in found[min(chase)]):
        return
    for i, theirs in enumerate(found):  # who only looks on stays where it is
        theirs.setdefault("motion", "right" if i in collide | chase else "hover")


def _acting(links: Sequence[Link], *relations: Relation) -> set[int]:
    """Which subjects are in these ``relations``; in "a ball and a star chase a car", the ball too."""
    acting: set[int] = set()
    for i, link in enumerate(links, start=1):
        if link.relation in relations:
            acting |= {link.to, i}
            acting |= {links[k - 1].to for k in range(1, i) if k == link.to and links[k - 1].relation == "beside"}
    return acting


def _subjects(text: str) -> set[str]:
    return {c.name for mention in _mentions(text) for c in mention.concepts if c.kind == "subject"}


def negative_tokens(prompt: str) -> list[int]:
    """Tokens of the scene that ``prompt`` names, as scenes are what is sampled; nothing for the rest."""
    return tokens_of(named(prompt)[0].found, "scene")
