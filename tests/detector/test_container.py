from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_clip import MakeClip

from countermark.core.settings import Settings
from detector.clip import Clip
from detector.signals import container
from detector.signals.container import CAMERA, DECLARED, SUSPECTED, read_claims, read_tags
from provenance.labels import Labels

PROMPT = {"3": {"class_type": "KSampler", "inputs": {"seed": 1}}}
WORKFLOW = {"nodes": [{"id": 1}], "links": []}


@pytest.mark.parametrize(
    "tags",
    [
        {"prompt": json.dumps(PROMPT)},
        {"workflow": json.dumps(WORKFLOW)},
        {"comment": json.dumps({"prompt": json.dumps(PROMPT), "workflow": WORKFLOW})},
        {"parameters": "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"},
        {"comment": json.dumps({"sui_image_params": {"prompt": "a cat"}})},
        {"comment": json.dumps({"prompt": "a cat", "seed": 7, "num_inference_steps": 30, "type": "WanGP"})},
        {"software": "ComfyUI 0.3"},
        {"encoder": "Stable Video Diffusion"},
        {"encoder": "Kling AI"},
    ],
)
def test_generation_records_are_strong_evidence(tags: dict[str, str]) -> None:
    assert [f.llr for f in read_tags(tags)] == [DECLARED]


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"encoder": "Lavf61.7.100", "comment": "holiday"},
        {"title": "Runway show, Milan"},
        {"title": "Sora playing in the garden", "comment": "Steps: take 20 eggs"},
        {"comment": '{"nodes": 5}'},
        {"comment": "{" * 5000},
        {"comment": '{"prompt": "a cat"}'},
        {"comment": '{"seed": "sunflower", "steps": 4, "prompt_date": "May"}'},
        {"software": "LumaFusion 5.1"},
    ],
)
def test_ordinary_tags_accuse_nobody(tags: dict[str, str]) -> None:
    assert read_tags(tags) == []


@given(st.dictionaries(st.sampled_from(["comment", "prompt", "encoder", "title"]), st.text(max_size=200)))
def test_hostile_tags_do_not_break_reading(tags: dict[str, str]) -> None:
    assert all(f.llr in {DECLARED, CAMERA} for f in read_tags(tags))


def test_camera_metadata_weighs_little_and_never_excuses() -> None:
    make = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 17"}
    assert [f.llr for f in read_tags(make)] == [CAMERA]
    assert [f.llr for f in read_tags({**make, "prompt": json.dumps(PROMPT)})] == [DECLARED]


@pytest.mark.parametrize(("label", "llr"), [("1", DECLARED), ("2", SUSPECTED), ("3", SUSPECTED)])
def test_the_chinese_label_is_weighed_by_what_it_says(label: str, llr: float) -> None:
    assert [f.llr for f in read_claims(Labels(aigc={"Label": label, "ContentProducer": "x"}))] == [llr]


def test_labels_that_do_not_say_ai_weigh_nothing() -> None:
    assert read_claims(Labels(aigc={"Label": "9"})) == []
    assert (
        read_claims(Labels(digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture")) == []
    )
    ai = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert [f.llr for f in read_claims(Labels(digital_source_type=ai))] == [DECLARED]


def test_tags_are_read_out_of_a_file(make_clip: MakeClip, settings: Settings) -> None:
    marked = container.measure(Clip(make_clip(metadata={"prompt": json.dumps(PROMPT)}), settings))
    assert marked.llr == DECLARED
    assert "ComfyUI" in marked.explanation
    plain = container.measure(Clip(make_clip("plain.mp4"), settings))
    assert plain.llr == 0.0
    assert "proves nothing" in plain.explanation
