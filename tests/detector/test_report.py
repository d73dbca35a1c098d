from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from made_clip import MakeClip

from countermark.cli.screening import screen_file
from countermark.core.errors import MediaError, UsageError
from countermark.core.settings import Settings
from detector import HeatMap, Segment, Verdict, screen
from detector.evidence import ErrorRates
from detector.pictures import overlay, timeline
from detector.report import render_html, write_html
from detector.screen import SIGNALS
from detector.verdict import Conclusion, Question
from detector.wording import LANGUAGES, phrase, say
from provenance.judgement import Axis, Outcome
from provenance.summary import Conclusion as Origin

RATES = ErrorRates(threshold=3.0, false_positive_rate=0.005, true_positive_rate=0.45, measured_on="a test")


@pytest.fixture
def scored(make_clip: MakeClip, settings: Settings) -> Verdict:
    """A verdict as it would be with an encoder: three frames scored, one of them with a heat map."""
    verdict = screen(make_clip(), depth="fast", settings=settings)
    segments = tuple(Segment(start=i, end=i + 1, llr=2 * i - 1.0) for i in range(3))
    heat = HeatMap(time=2.5, left=0.2, top=0.0, right=0.8, bottom=1.0, llrs=((3.0, -2.0), (0.0, 1.0)))
    found = {"status": "measured", "llr": 3.2, "said": say("frames.high", count=3), "error_rates": RATES}
    found |= {"segments": segments, "heat_maps": (heat,)}
    evidence = tuple(e.model_copy(update=found) if e.signal == "frames" else e for e in verdict.evidence)
    answer = Question(
        probability=0.96, log_likelihood_ratio=3.2, band="high", absent_at=-1, present_at=3, said=say("question.prior")
    )
    concluded = {"conclusion": "generated", "said": say("verdict.picture")}
    return verdict.model_copy(update={"evidence": evidence, "generated": answer, **concluded})


def test_a_report_appears_complete_or_not_at_all(
    scored: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unscored = scored.model_copy(update={"evidence": ()})
    target = tmp_path / "report.html"
    write_html(unscored, scored.info.path, target)
    before = target.read_text()

    def full(path: Path, text: str, **_: object) -> int:
        path.write_bytes(text[:100].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(MediaError, match=r"report\.html could not be written .No space"):
        write_html(unscored, scored.info.path, target)
    assert target.read_text() == before
    assert list(tmp_path.glob(".*")) == []


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The command line has the settings of a test."""
    monkeypatch.setattr("countermark.cli.screening.get_settings", lambda: settings)


@pytest.mark.usefixtures("quick_look", "here")
def test_a_file_is_screened_and_reported_from_one_look_at_its_frames(
    make_clip: MakeClip, tmp_path: Path, sampled: list[str]
) -> None:
    screen_file(make_clip(), "full", tmp_path / "report.html", "en", as_json=False)
    assert (tmp_path / "report.html").read_text().count("data:image/jpeg;base64,") == 8
    assert sampled == ["clip.mp4"]


@pytest.mark.usefixtures("here")
def test_where_no_report_can_be_written_no_file_is_screened(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, folder = make_clip(), tmp_path / "folder.html"
    monkeypatch.setattr("detector.clip.probe", None)
    folder.mkdir()
    with pytest.raises(MediaError, match="cannot be written"):
        screen_file(path, "fast", Path("/proc/self/report.html"), "en", as_json=False)
    with pytest.raises(UsageError, match="is a folder"):
        screen_file(path, "fast", folder, "en", as_json=False)
    assert {each.name for each in tmp_path.iterdir()} == {"clip.mp4", "folder.html"}


THUMBNAILS = [np.full((24, 40, 3), 90 * i, np.uint8) for i in range(3)]


def test_every_frame_scored_is_shown_with_bars_heat_and_rates(scored: Verdict) -> None:
    page = render_html(scored, THUMBNAILS)
    assert page.count("data:image/jpeg;base64,") == 3 + 2  # the frames, and one of them beside its heat map
    assert page.count("<title>") == 1 + 3
    assert "0.5 % of real clips" in page
    assert "abstain" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    for item in scored.evidence:
        assert phrase(f"signal.{item.signal}", {}, "en").replace("&", "&amp;") in page


def test_what_a_file_says_of_itself_moves_no_line_of_the_chart(scored: Verdict) -> None:
    declared = scored.generated.model_copy(update={"present_at": 2.5, "log_likelihood_ratio": 9.9})
    pages = [render_html(v, THUMBNAILS) for v in (scored, scored.model_copy(update={"generated": declared}))]
    charts = [re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL) for page in pages]
    assert charts[0] == charts[1]
    assert 'class="threshold"' in charts[0][0]


def test_rates_of_what_has_no_weight_are_not_shown(scored: Verdict) -> None:
    evidence = tuple(e.model_copy(update={"llr": None}) if e.signal == "frames" else e for e in scored.evidence)
    assert "of real clips were called generated" not in render_html(scored.model_copy(update={"evidence": evidence}))


def test_the_page_speaks_chinese(scored: Verdict) -> None:
    page = render_html(scored, THUMBNAILS, "zh")
    assert 'lang="zh-CN"' in page
    assert "生成内容" in page
    assert "抽查的 3 帧画面与已知视频生成器的输出相像" in page
    assert "look like those" not in page


def test_a_language_that_there_is_not_is_wrong_use(scored: Verdict, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no report in 'de'"):
        write_html(scored, scored.info.path, tmp_path / "report.html", language="de")  # type: ignore[arg-type]
    assert not (tmp_path / "report.html").exists()


def test_a_label_is_repeated_in_the_language_of_the_page(make_clip: MakeClip, settings: Settings) -> None:
    verdict = screen(make_clip(metadata={"software": "ComfyUI 0.3"}), depth="fast", settings=settings)
    assert "names the generator ComfyUI" in verdict.summary
    page = render_html(verdict, (), "zh")
    assert "文件自己声明由人工智能生成：标签“software”写明生成器 ComfyUI。" in page
    assert "names the generator" not in page


def test_a_page_without_pictures_says_so(scored: Verdict) -> None:
    assert "No frames were scored." in render_html(scored)


def test_every_sentence_is_there_in_every_language_with_the_same_facts() -> None:
    text = resources.files("detector").joinpath("wording.yaml").read_text(encoding="utf-8")
    sentences = yaml.safe_load(text)
    assert len(sentences) > 80
    for code, versions in sentences.items():
        assert set(versions) == set(LANGUAGES), code
        facts = [set(re.findall(r"\{(\w+)\}", versions[language])) for language in LANGUAGES]
        assert facts[0] == facts[1], code


def test_everything_a_page_names_has_words() -> None:
    named = [f"signal.{signal.NAME}" for signal in SIGNALS]
    for prefix, kind in (("axis", Axis), ("status", Outcome), ("page", Conclusion), ("provenance", Origin)):
        named += [f"{prefix}.{value}" for value in get_args(kind)]
    assert all(phrase(code, {}, language) for code in named for language in LANGUAGES)


@given(st.text(), st.text())
def test_facts_are_never_templates(name: str, vendor: str) -> None:
    facts = {"name": name, "vendor": vendor, "algorithm": "{name}", "matches": "1", "bits": "2", "rate": "{0}"}
    assert f"“{name}” of {vendor} ({{name}})" in phrase("known_marks.found", facts, "en")


def test_a_missing_fact_is_noticed_where_the_sentence_is_made() -> None:
    with pytest.raises(KeyError):
        say("frames.high")


def test_heat_is_drawn_where_it_is() -> None:
    heat = HeatMap(time=0, left=0.25, top=0, right=0.75, bottom=1, llrs=((4.0, -4.0), (4.0, -4.0)))
    drawn = overlay(np.full((40, 80, 3), 128, np.uint8), heat).astype(int)
    redness = drawn[..., 0] - drawn[..., 2]
    assert redness[5:35, 24:36].mean() > 60
    assert abs(redness[5:35, 46:56]).max() < 12  # what speaks against stays grey
    assert abs(redness[:, :18]).max() == 0  # and so does what was not looked at


def test_bars_stay_inside_the_chart() -> None:
    chart = timeline([Segment(start=0, end=1, llr=99), Segment(start=1, end=2, llr=-99)], 3.0, -1.0)
    tops = [float(y) for y in re.findall(r'<rect x="\d+" y="([\d.]+)"', chart)]
    assert tops == [0.0, 60.0]
    assert 'class="threshold"' in chart
