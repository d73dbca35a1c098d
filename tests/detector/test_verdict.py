from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.evidence import ErrorRates, Evidence, Segment
from detector.fusion import Blend, Fusion
from detector.verdict import ABSENT_AT, DECLARED_AT, Question, settled
from detector.verdict import conclude as opinion
from detector.wording import say
from provenance.verify import ManifestSummary, Verification

RATES = ErrorRates(threshold=3.0, false_positive_rate=0.01, true_positive_rate=0.5, measured_on="a test")
PART = ErrorRates(threshold=4.0, false_positive_rate=0.0, true_positive_rate=0.3, measured_on="a test")
FUSION = Fusion(
    version="x",
    blends=(
        Blend(signals=("frames",), weights=(1.0,), offset=0.0, error_rates=RATES),
        Blend(signals=("frames", "noise"), weights=(0.5, 0.5), offset=0.0, error_rates=RATES),
    ),
    part=PART,
    detail=(0.0, 4.0),
    trust=(1.0, 1.0),
)
AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def verification(conclusion: str = "no_credentials", source_type: str | None = None) -> Verification:
    manifest = None
    if conclusion in {"verified", "recovered", "untrusted"}:
        manifest = ManifestSummary(
            manifest_id="urn:c2pa:1",
            embedded=True,
            title=None,
            claim_generator="x",
            signer="Someone",
            actions=(),
            software=None,
            digital_source_type=source_type,
            signed_at=None,
            ingredients=(),
        )
    return Verification.model_construct(
        path=Path("x.mp4"),
        conclusion=conclusion,
        summary="What provenance says.",
        video_id=None,
        findings=[],
        manifest=manifest,
        recovered=None,
    )


def conclude(evidence: list[Evidence], verification: Verification, detail: float = 4.0) -> tuple[str, str, Question]:
    found = opinion(evidence, verification, FUSION, detail)
    return found.conclusion, found.said.words(), found.generated


def frames(llr: float | None) -> Evidence:
    if llr is None:
        return Evidence(signal="frames", status="not_applicable", said=say("encoder.missing", why="none"), version="1")
    return Evidence(
        signal="frames", status="measured", llr=llr, said=say("frames.low", count=8), version="1", error_rates=RATES
    )


LABEL = say("container.names", key="encoder", generator="X")


def label(llr: float, signal: str = "container") -> Evidence:
    return Evidence(signal=signal, status="measured", llr=llr, said=LABEL, version="1")


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ([frames(3.2)], "generated"),
        ([frames(2.9)], "inconclusive"),
        ([frames(0.0)], "inconclusive"),
        ([frames(-1.5)], "no_sign_of_generation"),
        ([frames(None)], "inconclusive"),
        ([frames(None), label(4.6)], "generated"),
        ([frames(-2.0), label(4.6)], "generated"),
        ([frames(2.0), label(1.5)], "inconclusive"),
        ([frames(3.0), label(1.5)], "generated"),
        ([frames(3.2), label(-0.7)], "inconclusive"),
        ([frames(0.5), label(1.5)], "inconclusive"),
        ([frames(None), label(1.5)], "inconclusive"),
        ([frames(None), label(-0.7)], "inconclusive"),
        ([frames(-0.5), label(-0.7)], "no_sign_of_generation"),
    ],
)
def test_conclusions_follow_the_evidence(evidence: list[Evidence], expected: str) -> None:
    assert conclude(evidence, verification())[0] == expected


def test_no_measurement_gives_no_probability() -> None:
    conclusion, _, question = conclude([frames(None), label(0.0)], verification())
    assert conclusion == "inconclusive"
    assert question.probability is None
    assert question.log_likelihood_ratio is None


def test_a_weak_statement_does_not_help_the_frames_over_their_threshold() -> None:
    _, words, question = conclude([frames(2.9), label(1.5)], verification())
    assert (question.band, question.log_likelihood_ratio, question.present_at) == ("abstain", 4.4, 4.5)
    assert "too thin" in words


def test_declarations_are_one_witness() -> None:
    both = conclude([label(4.6), label(4.6, "known_marks"), label(6.9, "credentials")], verification())[2]
    assert both.log_likelihood_ratio == 6.9


def test_a_resemblance_is_not_taken_for_a_statement_of_the_file() -> None:
    values = {"kind": "generated", "date": "2026-11-29", "similarity": 100}
    found = label(3.9, "fingerprint").model_copy(update={"said": say("fingerprint.found", **values)})
    conclusion, words, _ = conclude([frames(0.5), found], verification("tampered"))
    assert (conclusion, words) == ("generated", found.explanation)
    assert "itself says" in conclude([frames(0.5), found, label(4.6)], verification())[1]


@pytest.mark.parametrize("state", ["verified", "recovered"])
def test_trusted_provenance_that_states_the_origin_settles_it(state: str) -> None:
    for llr in (-2.0, 4.6):
        conclusion, sentence, _ = conclude([frames(llr)], verification(state, AI))
        assert conclusion == "verified_origin"
        assert sentence == "What provenance says."


def test_a_seal_on_a_strangers_video_does_not_silence_the_forensics() -> None:
    assert conclude([frames(4.0)], verification("verified"))[0] == "generated"
    assert conclude([frames(0.0)], verification("verified"))[0] == "verified_origin"


def test_an_untrusted_signature_verifies_nothing() -> None:
    assert conclude([frames(0.0)], verification("untrusted", AI))[0] == "inconclusive"
    assert conclude([frames(0.0), label(4.6, "credentials")], verification("untrusted", AI))[0] == "generated"


def test_a_changed_file_is_never_cleared() -> None:
    assert conclude([frames(-2.0)], verification("tampered"))[0] == "inconclusive"
    assert "changed" in conclude([frames(-2.0)], verification("tampered"))[1]
    assert conclude([frames(4.0)], verification("tampered"))[0] == "generated"


states = st.sampled_from(["no_credentials", "verified", "recovered", "tampered", "untrusted"])
weights = st.floats(-7, 7)


@given(states, st.sampled_from([None, AI]), st.none() | st.floats(-2, 4.6), st.lists(weights, max_size=3))
def test_it_never_calls_a_video_real_and_its_numbers_agree(
    state: str, source: str | None, forensic: float | None, declared: list[float]
) -> None:
    evidence = [frames(forensic), *(label(llr) for llr in declared)]
    conclusion, sentence, question = conclude(evidence, verification(state, source))
    assert conclusion != "manipulated"
    assert not {"real", "genuine", "authentic"} & set(sentence.lower().replace(".", "").split())
    assert "not ai" not in sentence.lower()
    if question.probability is not None and question.log_likelihood_ratio is not None:
        assert (question.probability > 0.5) == (question.log_likelihood_ratio > 0) or question.probability == 0.5
    if conclusion == "generated":
        assert question.log_likelihood_ratio is not None
        assert question.log_likelihood_ratio >= min(DECLARED_AT, RATES.threshold)
    if conclusion == "no_sign_of_generation":
        assert question.log_likelihood_ratio is not None
        assert question.log_likelihood_ratio <= ABSENT_AT


@given(st.floats(-2, 4.6), st.floats(0, 4))
def test_more_evidence_never_weakens_the_finding(llr: float, more: float) -> None:
    rank = {"no_sign_of_generation": 0, "inconclusive": 1, "generated": 2}
    weaker = conclude([frames(llr)], verification())[0]
    stronger = conclude([frames(llr + more)], verification())[0]
    assert rank[stronger] >= rank[weaker]


def test_signals_that_look_at_the_same_picture_are_weighed_not_added() -> None:
    noise = frames(4.0).model_copy(update={"signal": "noise"})
    assert conclude([frames(4.0), noise], verification())[2].log_likelihood_ratio == pytest.approx(4.0)
    assert conclude([noise], verification())[2].probability is None  # there is no blend without the frames


def test_little_detail_widens_the_abstain_band() -> None:
    doubtful = FUSION.model_copy(update={"trust": (0.5, 1.0)})
    sharp = opinion([frames(3.2)], verification(), doubtful, 4.0)
    blurred = opinion([frames(3.2)], verification(), doubtful, 0.0)
    assert (sharp.conclusion, blurred.conclusion) == ("generated", "inconclusive")
    assert opinion([frames(-1.5)], verification(), doubtful, 0.0).conclusion == "inconclusive"


def parts(*llrs: float) -> Evidence:
    return Evidence(
        signal="edits",
        status="measured",
        said=say("edits.part", places="1.0–2.0 s"),
        version="1",
        error_rates=PART,
        segments=tuple(Segment(start=i, end=i + 1, llr=llr) for i, llr in enumerate(llrs)),
    )


def test_a_generated_part_is_named_when_the_whole_is_inconspicuous() -> None:
    conclusion, sentence, question = conclude([frames(0.5), parts(-1.0, 4.2, -1.0)], verification())
    assert conclusion == "generated"
    assert "1.0–2.0 s" in sentence
    assert question.band == "abstain"
    assert conclude([frames(0.5), parts(-1.0, 3.9, -1.0)], verification())[0] == "inconclusive"
    assert conclude([frames(0.5), parts(-1.0, 4.2)], verification("verified", AI))[0] == "verified_origin"


def face(llr: float | None) -> Evidence:
    return Evidence(
        signal="faces",
        subject="face_manipulated",
        status="measured" if llr is not None else "not_applicable",
        llr=llr,
        said=say("faces.none"),
        version="1",
        error_rates=RATES if llr is not None else None,
    )


@pytest.mark.parametrize(
    ("llr", "band", "conclusion"),
    [(3.5, "high", "manipulated"), (0.0, "abstain", "inconclusive"), (None, "not_applicable", "inconclusive")],
)
def test_the_question_about_faces_is_its_own(llr: float | None, band: str, conclusion: str) -> None:
    found = opinion([frames(0.0), face(llr)], verification(), FUSION)
    assert found.face_manipulated.band == band
    assert found.conclusion == conclusion
    assert found.generated.log_likelihood_ratio == 0.0  # a face's score never moves the other question
    assert opinion([frames(-1.5), face(3.5)], verification(), FUSION).conclusion == "manipulated"


def test_only_what_the_picture_cannot_overturn_settles_the_matter() -> None:
    assert settled([label(4.6)], verification())
    assert not settled([label(1.5)], verification())
    assert not settled([], verification("verified"))
    assert settled([], verification("verified", AI))
    for llr in (-2.0, 4.6):  # the conclusion is the same whatever the frames say
        assert conclude([label(4.6), frames(llr)], verification())[0] == "generated"
