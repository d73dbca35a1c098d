"""The watermark in the noise of the bundled model: drawn by a key, found again in the finished video."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import kstest

from countermark.core.media import Limits, transcode
from countermark.core.settings import Settings
from generator import GenerationRequest, Studio
from generator.backends import FAST, model_named
from generator.dit.networks import load_networks
from generator.dit.noise import NoiseName, keyed, seeded
from generator.noise_mark import find_noise, whitened, z_score
from provenance.extract import Extraction, extract
from provenance.origin import NOISE_ID
from provenance.registry import open_registry
from provenance.verify import verify
from provenance.watermark import SpreadSpectrum, WatermarkKey

KEY = WatermarkKey(bytes(range(32)))
REQUEST = GenerationRequest(prompt="a red ball bouncing on a beach")
NAMES = st.text("0123456789abcdef", min_size=16, max_size=16)


@given(name=NAMES, width=st.integers(1, 4096), height=st.integers(1, 4096))
def test_names_are_read_as_written(name: str, width: int, height: int) -> None:
    noise = NoiseName(name, width, height)
    assert NoiseName.parse(str(noise)) == noise


@pytest.mark.parametrize("wrong", ["", "00", "0" * 23, "0" * 16 + "zzzzzzzz"])
def test_other_values_are_no_names(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"noise|invalid literal"):
        NoiseName.parse(wrong)


def test_keyed_noise_is_normal_and_secret() -> None:
    draw = keyed(KEY, "00ff")
    noise = draw((7, 16, 16, 16))
    assert noise.dtype == torch.float32
    assert kstest(noise.flatten().numpy(), "norm").pvalue > 1e-3
    assert torch.equal(noise, draw((7, 16, 16, 16)))
    assert torch.equal(draw((3, 16, 16, 16)), noise[:3])
    for other in (keyed(KEY, "00fe"), keyed(WatermarkKey(bytes(32)), "00ff"), seeded(0)):
        assert abs(np.corrcoef(noise.flatten(), other((7, 16, 16, 16)).flatten())[0, 1]) < 0.03


def test_a_request_has_one_name_and_others_have_others() -> None:
    of = partial(NoiseName.of, KEY, size=(256, 256))
    assert of("a") == of("a")
    assert len({of("a").name, of("b").name, NoiseName.of(WatermarkKey(bytes(32)), "a", size=(256, 256)).name}) == 3


@given(seed=st.integers(0, 2**31))
@hypothesis_settings(max_examples=5)
def test_a_picture_that_was_not_drawn_from_it_says_nothing_of_a_noise(seed: int) -> None:
    """Scores of noises that have nothing to do with a picture are standard normal, whatever the picture."""
    random = torch.Generator().manual_seed(seed)
    flat = torch.randn(25, 3, 1, 1, generator=random) + 0.1 * torch.randn(128, 128, generator=random)
    seen = whitened(load_networks(), flat)
    scores = [z_score(seen, seeded(other)(seen.shape)) for other in range(200)]
    assert kstest(scores, "norm").pvalue > 1e-5
    assert z_score(torch.zeros_like(seen), seeded(0)(seen.shape)) == 0


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Path, str]:
    """Settings, a copy without credentials of a video drawn from keyed noise, and its id."""
    folder = tmp_path_factory.mktemp("noise")
    chosen = Settings(home=folder / "home", noise_watermark=True)
    video = Studio(FAST, settings=chosen).generate(REQUEST, folder / "marked.mp4")
    transcode(video.path, folder / "copy.mp4", crf=28)
    return chosen, folder / "copy.mp4", video.video_id


def without_mark(path: Path, watermark: SpreadSpectrum, limits: Limits, **_: object) -> Extraction:
    """What `extract` says of a video whose mark in the pixels is gone."""
    return replace(extract(path, watermark, limits, quick=True), mark=None)


def test_a_lost_video_is_found_by_its_noise(
    marked: tuple[Settings, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, copy, video_id = marked
    monkeypatch.setattr("provenance.verify.extract", without_mark)
    assert verify(copy, settings=chosen).conclusion == "no_credentials"
    found = verify(copy, noise=partial(find_noise, settings=chosen), settings=chosen)
    assert found.conclusion == "recovered"
    assert found.recovered is not None
    assert found.recovered.video_id == video_id
    assert "the noise that it was drawn from led to those" in found.summary
    (finding,) = [finding for finding in found.findings if finding.axis == "recovery"]
    assert (finding.status, finding.code) == ("pass", "countermark.recovery.noise")


def test_nothing_is_found_with_another_key_or_among_other_noises(
    marked: tuple[Settings, Path, str], tmp_path: Path
) -> None:
    chosen, copy, _ = marked
    with open_registry(chosen) as registry:
        (value,) = registry.noises()
    found = find_noise(copy, [value], settings=chosen)
    assert found is not None
    assert found.value == value
    assert found.false_positive_rate < 1e-6
    assert find_noise(copy, [value], settings=Settings(home=tmp_path)) is None
    assert find_noise(copy, [f"{i:016x}{value[16:]}" for i in range(20)], settings=chosen) is None
    assert find_noise(copy, [], settings=chosen) is None


def test_only_what_can_be_found_again_is_named(tmp_path: Path) -> None:
    model = model_named(FAST, Settings(home=tmp_path, noise_watermark=True))
    assert model.noise_mark(REQUEST) is not None
    for changed in ({"prompt": "a red ball on a beach, the camera pans left"}, {"still": True}):
        assert model.noise_mark(REQUEST.model_copy(update=changed)) is None
    assert model_named(FAST, Settings(home=tmp_path)).noise_mark(REQUEST) is None


def test_the_manifest_names_the_noise(marked: tuple[Settings, Path, str]) -> None:
    chosen, copy, video_id = marked
    assert verify(copy.with_name("marked.mp4"), settings=chosen).conclusion == "verified"
    with open_registry(chosen) as registry:
        assert NOISE_ID.encode() in registry.manifest(video_id)
