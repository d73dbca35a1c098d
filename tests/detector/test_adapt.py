from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from countermark.core.errors import UsageError
from countermark.core.settings import Settings
from countermark.core.weights import CLIP_VISUAL_INT8, weights_home
from detector.evidence import ErrorRates
from detector.fusion import fusion_for, save_fusion
from detector.head import Head, HeadCard, head_for, save_head
from detector.training.adapt import Own, adapted_fusion, judge, look, refit

RATES = ErrorRates(threshold=3.0, false_positive_rate=0.005, true_positive_rate=0.4, measured_on="a test")
DIM = 48


def head() -> Head:
    card = HeadCard(
        version="old", encoder_sha256=CLIP_VISUAL_INT8.sha256, layers=(6,), slope=2.0, offset=0.1, error_rates=RATES
    )
    return Head(np.eye(DIM, dtype=np.float32)[0], np.zeros(DIM, np.float32), card)


def own_clips(axis: int, count: int = 20) -> list[Own]:
    """Clips whose kind shows along one axis of the features."""
    rng = np.random.default_rng(0)
    clips = []
    for number in range(2 * count):
        generated = number < count
        rows = rng.normal(0, 0.5, (8, DIM)) + rng.normal(0, 0.3, DIM)
        rows[:, axis] += 1.2 if generated else -1.2
        clips.append(Own(Path(f"{number}.mp4"), generated, rows.astype(np.float32)))
    return clips


def test_a_new_kind_of_generator_is_learned() -> None:
    before, after, rates = judge(head(), own_clips(axis=7))
    assert before < 0.75 < 0.95 < after
    assert rates.threshold >= RATES.threshold  # never bolder than the bundled head
    assert rates.false_positive_rate == pytest.approx(0.139, abs=0.001)  # none of 20, which is no proof of none


def test_what_the_head_knew_is_kept_by_the_prior() -> None:
    new = refit(head(), own_clips(axis=7, count=6))
    assert new.card.version != "old"
    old_kind = np.zeros((1, DIM), np.float32)
    old_kind[:, 0] = 3.0
    assert new.llr(new.scores(old_kind)) > 0.5 * head().llr(head().scores(old_kind)) > 0


def test_nothing_is_claimed_where_nothing_can_be_learned() -> None:
    rng = np.random.default_rng(1)
    noise = [Own(Path(str(i)), i % 2 == 0, rng.normal(size=(8, DIM)).astype(np.float32)) for i in range(40)]
    _, after, rates = judge(head(), noise)
    assert after < 0.75
    assert rates.false_positive_rate > 0.1


def test_screening_finds_the_users_own_head_first(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, _env_file=None)
    bundled, fusion = head_for("frames", settings), fusion_for(settings)
    folder = weights_home(settings) / "detector"
    save_head(head(), folder / "frames.safetensors")
    save_fusion(adapted_fusion(fusion, RATES), folder / "fusion.json")
    own = Settings(home=tmp_path, _env_file=None, max_seconds=100)  # other settings: nothing is remembered for them
    assert head_for("frames", own).card.version == "old" != bundled.card.version
    assert fusion_for(own).blends[0].error_rates == RATES
    assert fusion_for(own).part.threshold >= fusion.part.threshold


def test_too_few_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder 'generated'"):
        look(tmp_path, head())
    for name in ("generated", "real"):
        (tmp_path / name).mkdir()
    (tmp_path / "generated" / "a.mp4").write_bytes(b"x")
    with pytest.raises(UsageError, match="no video"):
        look(tmp_path, head())
