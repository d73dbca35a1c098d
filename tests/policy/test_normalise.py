from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy import load_policy
from policy.normalise import Normalised

RULES = load_policy().rules


@pytest.mark.parametrize(
    ("disguised", "plain", "signal"),
    [
        ("a na\u200bked ma\u200dn", "a naked man", "invisible"),
        ("a na\u00adked man", "a naked man", "invisible"),
        ("ａ ｎａｋｅｄ ｍａｎ", "a naked man", "styled_letters"),
        ("a 𝓷𝓪𝓴𝓮𝓭 man", "a naked man", "styled_letters"),
        ("a nаkеd mаn", "a naked man", "homoglyphs"),
        ("a ոаkеd man", "a naked man", "homoglyphs"),
        ("a n4k3d m4n", "a naked man", "leet"),
        ("a naked m@n with a kn1fe", "a naked man with a knife", "leet"),
        ("a n a k e d m a n", "a naked man", "separated_letters"),
        ("a n.a.k.e.d man", "a naked man", "separated_letters"),
        ("a n-a-k-e-d man", "a naked man", "separated_letters"),
        ("a na.ked man", "a naked man", "separated_letters"),
        ("the h.e.r.o.e.s of a l.e.m.o.n.a.d.e, stand", "the heroes of a lemonade, stand", "separated_letters"),
        ("the j i n g l e , sung", "the jingle, sung", "separated_letters"),
        ("a j.o.b.: she said", "a job: she said", "separated_letters"),
        ("the c.o.m.p.a.n.y.'.s logo", "the companys logo", "separated_letters"),
        ("the 54m3 dress, a pr355 w17h boots", "the same dress, a press with boots", "leet"),
        ("a n\u0336a\u0336k\u0336e\u0336d\u0336 man", "a naked man", "stacked_accents"),
        ("一个裸*体的男人", "一个裸体的男人", "separated_letters"),
        ("一 个 裸 体 的 男 人", "一个裸体的男人", "separated_letters"),
        ("🅝🅐🅚🅔🅓 🅼🅰🅽", "naked man", "styled_letters"),
        ("a 🇳🇦🇰🇪🇩 man", "a naked man", "styled_letters"),
        ("a N🇦🇰ed man", "a naked man", "styled_letters"),
        ("a 🇳 🇦 🇰 🇪 🇩 man", "a naked man", "separated_letters"),
        ("a nak\u00e9\u200dd man", "a nak\u00e9d man", "invisible"),
        ("a n4\u200cked man", "a naked man", "invisible"),
    ],
)
def test_disguises_are_undone_and_reported(disguised: str, plain: str, signal: str) -> None:
    result = RULES.normalise(disguised)
    assert result.text.lower() == plain
    assert signal in result.signals


@pytest.mark.parametrize(
    "gap", ["  ", "\t", "\n", " - ", ", ", "–", " – ", ";", ":", "=", '"', "..", "🙂", "❤️", ")(", "][", " | "]
)
def test_letters_of_a_listed_word_are_joined_whatever_is_between_them(gap: str) -> None:
    for word in ("toddler", "kid"):
        result = RULES.normalise(f"a {gap.join(word)} runs")
        assert (result.text, result.signals) == (f"a {word} runs", ("separated_letters",))


@pytest.mark.parametrize(
    ("disguised", "plain"),
    [
        ("a t o-d.d, l e/r runs", "a toddler runs"),
        ("a t, 0, d, d, 1, 3, r runs", "a toddler runs"),
        ("a tod-dler runs", "a toddler runs"),
        ("a tod/dler runs", "a toddler runs"),
        ("a tod__dler runs", "a toddler runs"),
        ("a mi-nor runs", "a minor runs"),
        ("a t(o)d(d)l(e)r runs", "a toddler runs"),
        ("a to(d)d(le)r runs", "a toddler runs"),
        ("[t][o][d][d][l][e][r] runs", "[toddler] runs"),
        *((f"儿{gap}童在跑", "儿童在跑") for gap in (" ", "-", "·", "、", "/", "\n", "\u3000", "——")),
        ("兒 童在公园里", "兒童在公园里"),
        ("未 成年的人在跑", "未成年的人在跑"),
        ("小·朋·友在跑", "小朋友在跑"),
    ],
)
def test_pieces_of_a_listed_word_are_joined(disguised: str, plain: str) -> None:
    result = RULES.normalise(disguised)
    assert result.text == plain
    assert "separated_letters" in result.signals


@pytest.mark.parametrize(
    "text",
    [
        "an e-mail to a pin-up, an x-ray and a t-shirt",
        "and/or, black-and-white; make-up; a man/woman",
        "options A, B and C; 1, 2, 3; x: 4, y: 5",
        "flags of 🇫🇷, 🇺🇸🇬🇧 and USA🇺🇸 beside a 🅿️ sign",
        "哈利·波特和迈克尔·杰克逊",
        "男、女、老、少，红色 气球",
        "红色 情人节玫瑰，绿色、情侣装，银色/情侣对戒",
        "独立女性 爱情故事，人性、交通、城市，个性 交友 软件",
        "女性、感人故事，高手 枪林弹雨，多少 女性，至少 年轻",
        "A fan waves 🇩🇪, then 🇮🇹, 🇮🇳 and 🇩🇪🇦🇹 in the stadium",
        "می\u200cروم",
        "a 4k video, 60fps, shot on 35mm film, exported as mp4 (h264)",
        "in the U.S.A. by J. R. R. Tolkien, 5pm, 1st place",
        "a café in Zürich, naïve façade",
        "привет, мир! красивый закат над морем",
        "日本の海に沈む夕日",
        "A B C D E F G, the alphabet song",
        "a b c d e f g, then 1 2 3 4 5 6, then a.b.c.d.e",
        "i.e. at 5 a.m., e.g. an a.k.a, a Ph.D. from N.Y.C.",
        "a 100m race at 10am, an f150 and a t1000, mp3 and h264",
        "a family 👨‍👩‍👧 at the beach 🏖️",
        "红色气球 海面 日落，电影感",
        "R2-D2 style robot, b2b ad, co2 meter",
        "wow!! 10/10 -- amazing...",
    ],
)
def test_ordinary_spelling_is_left_alone(text: str) -> None:
    result = RULES.normalise(text)
    assert result.signals == ()


def test_homoglyph_mapping_spares_real_words_of_other_scripts() -> None:
    assert "соль" in RULES.normalise("соль и хлеб на столе").text


def test_traditional_characters_match_simplified_terms() -> None:
    assert RULES.gazetteers.find(RULES.normalise("習近平在海邊"))[0].name == "習近平"


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_any_text_normalises_and_offsets_point_into_it(text: str) -> None:
    result: Normalised = RULES.normalise(text)
    assert len(result.offsets) == len(result.canonical)
    assert result.canonical[0] == " "
    assert result.canonical[-1] == " "
    assert "  " not in result.canonical
    assert all(0 <= offset <= len(result.text) for offset in result.offsets)
    assert list(result.offsets) == sorted(result.offsets)


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = RULES.normalise(text).text
    twice = RULES.normalise(once)
    assert RULES.fold(twice.text) == RULES.fold(RULES.normalise(twice.text).text)


@settings(max_examples=40)
@given(
    st.lists(st.text(string.ascii_lowercase, min_size=3, max_size=9), min_size=1, max_size=6),
    st.sampled_from(["\u200b", "\u2060", "\u00ad", "\ufeff"]),
)
def test_invisible_characters_never_change_the_words(words: list[str], invisible: str) -> None:
    plain = " ".join(words)
    hidden = " ".join(word[0] + invisible + word[1:] for word in words)
    assert RULES.normalise(hidden).text == RULES.normalise(plain).text
