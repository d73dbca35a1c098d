"""Which generator made it: what may be named, and what must stay unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_clip import MakeClip

from countermark.cli.pages import verdict_page
from countermark.core.errors import WeightsError
from countermark.core.settings import Settings
from countermark.core.weights import CLIP_VISUAL_INT8
from detector import Attribution, screen
from detector.attribution import (
    FILE,
    Family,
    FamilyCard,
    FamilyHead,
    Precision,
    load_families,
    pictured,
    save_families,
    stated,
)
from detector.evidence import Evidence
from detector.head import WEIGHTS
from detector.report import render_html, summary_lines
from detector.tokens import LAYERS
from detector.training.attribution import (
    BAR,
    CAMERA,
    FEWEST,
    LINEAGES,
    OTHER,
    _precision,
    examples,
    families_of,
    learn,
    scene_of,
)
from detector.training.data import Item
from detector.training.table import Digest
from detector.wording import say
from provenance.verify import ManifestSummary

SURELY = Precision(share=1.0, low=0.9, high=1.0, scenes=30)
ALPHA = Family(name="Alpha", classes=("alpha",), precision=SURELY)
BETA = Family(name="Beta", classes=("beta",), precision=SURELY, why_not="one publisher")
BOTH = Family(name="Greek", classes=("alpha", "beta"), precision=SURELY)
CARD = FamilyCard(
    version="x",
    encoder_sha256=CLIP_VISUAL_INT8.sha256,
    layers=(LAYERS[0],),
    classes=("alpha", "beta", OTHER),
    sure=0.9,
    bar=0.8,
    families=(ALPHA, BETA),
    measured_on="a test",
)


def head(*families: Family) -> FamilyHead:
    """Reads a class from the first three values of a token."""
    weight = np.zeros((3, 768), np.float32)
    weight[[0, 1, 2], [0, 1, 2]] = 20.0
    card = CARD.model_copy(update={"families": families})
    return FamilyHead(weight, np.zeros(768, np.float32), np.zeros(3, np.float32), card)


def tokens(*values: float) -> np.ndarray:
    classes = np.zeros((4, len(LAYERS), 768), np.float32)
    classes[..., :3] = values
    return classes


def evidence(signal: str, llr: float, *details: str) -> Evidence:
    said = say("container.wrapping", format="mp4", codec="h264", encoder="–")
    if signal == "known_marks":
        said = say("known_marks.found", name="SDXL", vendor="Mark", algorithm="a", matches=48, bits=48, rate="0")
    names = tuple(say("container.names", key="software", generator=name) for name in details)
    return Evidence(signal=signal, status="measured", llr=llr, said=said, details=names, version="1")


MANIFEST = ManifestSummary(
    manifest_id="urn:c2pa:1",
    embedded=True,
    title=None,
    claim_generator="claim",
    signer="Someone",
    actions=(),
    software="Signed",
    digital_source_type=None,
    signed_at=None,
    ingredients=(),
)


def test_a_family_is_named_where_the_head_is_sure() -> None:
    made = pictured(head(ALPHA, BETA), tokens(1, 0, 0))
    assert (made.family, made.basis, made.precision) == ("Alpha", "picture", SURELY)
    assert "90 to 100 %, 30 scenes" in made.note


@pytest.mark.parametrize("values", [(0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1)])
def test_a_family_that_did_not_pass_a_stranger_and_a_doubt_stay_unknown(values: tuple[float, ...]) -> None:
    made = pictured(head(ALPHA, BETA), tokens(*values))
    assert (made.family, made.basis, made.said.code) == (None, None, "attribution.unknown")


def test_a_lineage_is_named_where_its_members_together_are_sure() -> None:
    assert pictured(head(ALPHA, BOTH), tokens(1, 1, 0)).family == "Greek"
    assert pictured(head(ALPHA, BOTH), tokens(1, 0, 0)).family == "Alpha"  # the single generator stands first


def test_what_nobody_looked_at_is_unknown() -> None:
    assert pictured(head(ALPHA), None).said.code == "attribution.unseen"
    made = pictured(head(BETA), tokens(0, 1, 0))
    assert made.said.code == "attribution.none"
    assert "80 %" in made.note


@given(st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3).filter(lambda v: max(map(abs, v)) > 0.01))
def test_no_picture_makes_it_name_what_did_not_pass(values: list[float]) -> None:
    assert pictured(head(ALPHA, BETA), tokens(*values)).family in (None, "Alpha")
    assert pictured(head(BETA), tokens(*values)).family is None


def test_what_the_file_says_comes_first_and_credentials_before_marks_and_labels() -> None:
    label, mark, credentials = (
        evidence("container", 4.6, "Label"),
        evidence("known_marks", 6.9),
        evidence("credentials", 4.6),
    )

    def name(*found: Evidence) -> str | None:
        made = stated(found, MANIFEST)
        assert made is None or made.basis == "statement"
        return made and made.family

    assert name(label) == "Label"
    assert name(label, mark) == "Mark"
    assert name(label, mark, credentials) == "Signed"
    assert name(evidence("container", 4.6)) is None  # labelled, but by no name
    assert name(evidence("container", -0.7), evidence("known_marks", 0.0)) is None
    assert stated([credentials], None) is None


def test_a_name_in_the_file_is_cut_to_a_line() -> None:
    made = stated([evidence("container", 4.6, "x" * 5000)], None)
    assert made is not None
    assert made.family == "x" * 80


@pytest.mark.usefixtures("quick_look")
def test_only_what_is_called_generated_has_a_generator(make_clip: MakeClip, settings: Settings) -> None:
    assert screen(make_clip(), settings=settings).attribution is None
    labelled = screen(make_clip(metadata={"software": "ComfyUI 0.3"}), settings=settings)
    assert labelled.attribution is not None
    assert labelled.attribution.family == "ComfyUI"
    unnamed = screen(make_clip(metadata={"comment": "Steps: 20, Sampler: Euler"}), depth="fast", settings=settings)
    assert unnamed.conclusion == "generated"
    assert unnamed.attribution is not None
    assert unnamed.attribution.family is None


def test_every_report_says_it_and_escapes_it(make_clip: MakeClip, settings: Settings) -> None:
    verdict = screen(make_clip(metadata={"software": "ComfyUI 0.3"}), depth="fast", settings=settings)
    assert "Which generator?      ComfyUI. A tag of the file names ComfyUI." in summary_lines(verdict)
    assert any(row.label == "which generator?" for row in verdict_page(verdict).rows)
    assert "由哪个生成器制作？" in render_html(verdict, (), "zh")
    hostile = Attribution(family="<b>x", basis="statement", said=say("attribution.label", generator="<b>x"))
    page = render_html(verdict.model_copy(update={"attribution": hostile}))
    assert "Which generator made it?" in page
    assert "&lt;b&gt;x" in page
    assert "<b>" not in page
    unknown = Attribution(said=say("attribution.unknown"))
    assert ">未知<" in render_html(verdict.model_copy(update={"attribution": unknown}), (), "zh")
    assert "Which generator" not in render_html(verdict.model_copy(update={"attribution": None}))


def test_a_head_survives_the_disk(tmp_path: Path) -> None:
    made = head(ALPHA, BETA, BOTH)
    save_families(made, tmp_path / "w" / FILE)
    again = load_families(tmp_path / "w" / FILE)
    assert again.card == made.card
    assert np.array_equal(again.weight, made.weight)


def test_a_bad_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with pytest.raises(WeightsError, match="not a head"):
        load_families(path)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError, match="not a head"):
        load_families(path)
    save_families(replace(head(), offset=np.zeros(2, np.float32)), path)
    with pytest.raises(WeightsError, match="sizes differ"):
        load_families(path)
    save_families(replace(head(), card=CARD.model_copy(update={"encoder_sha256": "0"})), path)
    with pytest.raises(WeightsError, match="another image encoder"):
        load_families(path)


def test_the_shipped_head_names_only_what_passed_the_bar() -> None:
    shipped = load_families(WEIGHTS / FILE)
    assert shipped.weight.shape == (len(shipped.card.classes), 768 * len(shipped.card.layers))
    assert {name for family in shipped.card.families for name in family.classes} <= set(shipped.card.classes)
    assert CAMERA in shipped.card.classes
    card = (WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
    for family in shipped.card.families:
        assert family.name in card
        if family.shown:
            assert family.precision is not None
            assert family.precision.low >= shipped.card.bar == BAR


# Training


def item(name: str, *, site: str = "page", source: str = "x", generated: bool = True) -> Item:
    return Item(Path(name), "generated" if generated else "real", generated, source, site, (1.0,) * 6)


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [
        ("animations_model_03_01.mp4", "animations_model_03_04.mp4", True),
        ("animations_model_03_01.mp4", "animations_model_04_01.mp4", False),
        ("assets_results_cfg_libby_edit2.mp4", "assets_results_text2live_libby_edit1.mp4", True),
        ("assets_results_cfg_libby_edit2.mp4", "assets_results_cfg_boat_edit2.mp4", False),
        ("baselines_comparisons_gen2_0003.mp4", "baselines_comparisons_floor33_0003.mp4", True),
        ("pose_controlvideo_Iron_man_in_the_road.mp4", "pose_tuneavideo_Iron_man_in_the_road..mp4", True),
    ],
)
def test_scenes_are_told_by_the_names_of_clips(name: str, other: str, same: bool) -> None:
    assert (scene_of(item(name)) == scene_of(item(other))) == same
    assert scene_of(item(name)) != scene_of(item(name, site="another page"))


def test_classes_make_families_single_generators_first() -> None:
    lineage = next(iter(LINEAGES))
    found = families_of(("animatediff", "gen2", lineage, CAMERA, OTHER))
    assert list(found)[:2] == ["animatediff", "gen2"]
    assert found[lineage] == ("animatediff", lineage)
    assert not {CAMERA, OTHER} & {name for parts in found.values() for name in parts}


@given(st.floats(0, 60), st.floats(0, 60))
def test_a_precision_lies_in_its_interval_and_few_scenes_never_pass(right: float, wrong: float) -> None:
    found = _precision(right, wrong, 1)
    if found is None:
        assert right + wrong < 1e-5
        return
    assert 0 <= found.low <= found.share + 1e-9
    assert found.share <= found.high + 1e-9
    if right < 12:
        assert found.low < BAR


def made_up(*, sites: int = 3, clips: int = 16, signal: float = 12.0) -> list[Digest]:
    """Made-up generators: "wide" was published on several pages, each other one on a page of its own."""
    rng = np.random.default_rng(0)
    out = []

    def add(source: str, site: str, of: int, generated: bool, direction: np.ndarray) -> None:
        for clip in range(of):
            rows = [(rng.normal(size=(4, 64)) + direction).astype(np.float32) for _ in range(3)]
            out.append(Digest(item(f"clip {clip} of_{clip}_it.mp4", site=site, source=source, generated=generated),
                              {"frames": rows}, [0.0] * 3))  # fmt: skip

    for source in ("wide", "one", "two", "three"):
        direction = signal * rng.normal(size=64) / 8
        for page in range(sites if source == "wide" else 1):
            add(source, f"{source} {page}", clips, True, direction)
    for camera in range(4):
        add(f"camera {camera}", f"camera {camera}", 6, False, rng.normal(size=64) / 8)
    return out


def test_training_names_what_holds_elsewhere_and_not_what_one_page_has() -> None:
    made, report = learn(made_up())
    why = {one.family.name: one.family.why_not for one in report.reached}
    assert why.pop("wide") is None
    assert set(why) == {"one", "two", "three"}
    assert all(reason is not None and "one publisher" in reason for reason in why.values())
    assert all(one.areas[0] > 0.95 for one in report.reached)
    assert report.accuracy[0] > 0.9
    assert report.elsewhere > 0.9
    wide = next(d for d in made_up() if d.item.source == "wide").rows["frames"][0]
    assert wide is not None
    shares = dict(zip(made.card.classes, made.probabilities(wide), strict=True))
    assert shares["wide"] > 0.9
    assert "| wide | 48 | 48 | 3 |" in report.table()


def test_training_names_nothing_where_there_is_nothing_to_tell() -> None:
    _, report = learn(made_up(signal=0.0))
    assert not [one.family for one in report.reached if one.family.shown]
    assert report.accuracy[0] < 0.6


def test_generators_with_few_scenes_are_no_family() -> None:
    made, report = learn(made_up(sites=1, clips=FEWEST - 1))
    assert report.reached == ()
    assert set(made.card.classes) == {OTHER, CAMERA}


def test_a_file_published_as_the_work_of_two_is_left_out() -> None:
    digests = made_up(sites=1)
    twin = replace(digests[0], item=item("same.mp4", site="elsewhere", source="another"))
    assert len(examples([*digests, twin])) == len(examples(digests)) - 3
