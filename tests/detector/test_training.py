from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.core.errors import UsageError, WeightsError
from detector.evidence import ErrorRates
from detector.head import WEIGHTS, Head, HeadCard, features, load_head, save_head
from detector.normalise import normalise
from detector.training import frames as training
from detector.training.data import LAYERS, Item, Views, read_manifest
from detector.training.degrade import degrade
from detector.training.graphics import drawn_clips

RATES = ErrorRates(threshold=3.0, false_positive_rate=0.01, true_positive_rate=0.5, measured_on="a test")
CARD = HeadCard(version="x", encoder_sha256="0", layers=(6,), slope=2.0, offset=0.5, error_rates=RATES)


@given(st.integers(16, 300), st.integers(16, 300))
@settings(max_examples=20, deadline=None)
def test_normalised_frames_have_one_size(height: int, width: int) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    assert normalise(frame).shape == (224, 224, 3)


@given(st.integers(0, 2**31), st.integers(40, 200), st.integers(40, 200))
@settings(max_examples=15, deadline=None)
def test_degraded_frames_stay_frames(seed: int, height: int, width: int) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (2, height, width, 3), dtype=np.uint8)
    first = degrade(frames, np.random.default_rng(seed))
    assert first.dtype == np.uint8
    assert len(first) == 2
    assert first.shape[1] % 2 == first.shape[2] % 2 == 0
    assert np.array_equal(first, degrade(frames, np.random.default_rng(seed)))


def test_drawings_are_reproducible_and_of_every_kind() -> None:
    first = list(drawn_clips(1, 2))
    assert len({kind for kind, _ in first}) == len(first) == 8
    for (_, a), (_, b) in zip(first, drawn_clips(1, 2), strict=True):
        assert a.dtype == np.uint8
        assert np.array_equal(a, b)
        assert not np.array_equal(a[0], a[1])


def test_a_head_survives_the_disk(tmp_path: Path) -> None:
    head = Head(np.arange(4, dtype=np.float32), np.ones(4, np.float32), CARD)
    save_head(head, tmp_path / "w" / "head.safetensors")
    again = load_head(tmp_path / "w" / "head.safetensors")
    assert again.card == CARD
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    assert np.array_equal(again.scores(values), head.scores(values))
    assert again.llr(np.array([1.0, 2.0])) == pytest.approx(3.5)


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 100])
def test_a_bad_head_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "head.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a detector head"):
        load_head(path)


def test_the_shipped_head_keeps_its_promise() -> None:
    head = load_head(WEIGHTS / "frames.safetensors")
    assert head.weight.shape == (768 * len(head.card.layers),)
    assert head.card.error_rates.false_positive_rate <= training.MOST_FALSE
    card = (WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert head.card.version in card


def test_features_do_not_depend_on_scale() -> None:
    classes = np.random.default_rng(0).normal(size=(2, 3, 2, 768)).astype(np.float32)
    found = features(classes)
    assert found.shape == (2, 3, 2 * 768)
    assert np.allclose(found, features(3 * classes), atol=1e-6)
    assert np.linalg.norm(found, axis=-1) == pytest.approx(2**0.5)


def looked(signal: float, *, sources: int = 6, clips: int = 4) -> list[tuple[Item, Views]]:
    """Made-up clips of sources with habits of their own, in which generated ones are shifted by ``signal``."""
    rng = np.random.default_rng(0)
    direction = rng.normal(size=768)
    out = []
    for generated in (True, False):
        for source in range(sources):
            habit = rng.normal(size=768)
            for clip in range(clips):
                shape = (3, 2, len(LAYERS), 768)
                base = 2 + habit + rng.normal(size=shape) + signal * generated * direction
                name = f"{'generator' if generated else 'camera'} {source}"
                item = Item(Path(f"{clip}.mp4"), "", generated, name, name, (256, 256, 8, 1e4 * (1 + source), 0.1, 16))
                out.append((item, Views(base.astype(np.float32))))
    return out


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "REPEATS", 1)
    monkeypatch.setattr(training, "CHOSEN", (6,))


def test_training_finds_what_sources_share_and_reports_it(quick: None) -> None:
    report, slope, _ = training.judge(training.tabulate(looked(1.5)))
    assert report.native.auc > 0.9
    assert report.native.low <= report.native.auc + 0.02
    assert slope > 0
    assert report.false_positive_rate <= training.MOST_FALSE
    assert "baseline" in report.table()


def test_training_does_not_report_skill_where_there_is_none(quick: None) -> None:
    report, _, _ = training.judge(training.tabulate(looked(0.0)))
    assert report.native.auc < 0.75
    assert report.true_positive_rate < 0.2


def test_too_few_sources_are_refused() -> None:
    with pytest.raises(UsageError, match="fewer than"):
        training.tabulate(looked(1.0, sources=2))


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["ai", "film", "drawn"])), min_size=12, max_size=60)
)
def test_no_group_is_in_two_folds_and_weights_are_fair(pairs: list[tuple[str, str]]) -> None:
    sources = np.array([name + kind for name, kind in pairs])
    kinds = np.array([kind for _, kind in pairs])
    generated, drawn = kinds == "ai", kinds == "drawn"
    assigned = training.folds(sources, generated, 0)
    assert all(len(set(assigned[sources == name])) == 1 for name in set(sources))
    table = training.Table([], generated, drawn, sources, sources, np.zeros((len(kinds), 6)))
    weights = training.fair_weights(table)
    assert weights.min() > 0
    if len(set(kinds)) == 3:
        assert weights[generated].sum() == pytest.approx(weights[~generated].sum())
        assert weights[drawn].sum() == pytest.approx(training.DRAWN_SHARE * weights[generated].sum())


@given(st.lists(st.floats(-8, 8), min_size=10, max_size=300))
def test_the_threshold_keeps_false_accusations_rare(values: list[float]) -> None:
    llr = np.array(values)[:, None]
    threshold = training.threshold_of(llr, np.ones(len(values), bool))
    assert np.mean(llr >= threshold) <= training.MOST_FALSE


def test_clips_can_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = "path,label,generator,source_repo,width,height,frames,fps,codec,bytes\n"
    rows = "".join(f"real/{name}.mp4,real,a,b,64,64,8,8,h264,1000\n" for name in ("keep", "drop_origami"))
    (tmp_path / "manifest.csv").write_text(header + rows)
    monkeypatch.setattr(training, "embed", lambda items, _: [(item, None) for item in items])
    monkeypatch.setattr(training, "embed_drawn", lambda _: [])
    kept = training.look(tmp_path, tmp_path, ["*origami*"])
    assert [item.path.name for item, _ in kept] == ["keep.mp4"]


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"manifest\.csv"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,label\nx.mp4,real\n")
    with pytest.raises(UsageError):
        read_manifest(tmp_path)
    assert training.main([str(tmp_path)]) == 2
