from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_clip import MakeClip
from PIL import Image

from countermark.core.errors import UsageError, WeightsError
from countermark.core.weights import CLIP_VISUAL_INT8
from detector.evidence import ErrorRates
from detector.fusion import load_fusion
from detector.head import WEIGHTS, Head, HeadCard, features, load_head, save_head
from detector.normalise import normalise
from detector.tokens import LAYERS, Tokens
from detector.training import __main__ as training
from detector.training import data, train
from detector.training.attribution import learn
from detector.training.blending import blend, error_rates
from detector.training.card import write_card
from detector.training.data import KINDS, PAIRED, Item, read_manifest
from detector.training.degrade import LOSSES, RENDITIONS, degrade, draw_chain
from detector.training.faces import self_blend
from detector.training.figures import loss_table, main_table
from detector.training.fitting import MOST_FALSE, MOST_FALSE_OF_SOURCE, threshold_of
from detector.training.graphics import drawn_clips
from detector.training.heads import FRAME_LAYERS, RECIPES
from detector.training.pairs import autoencoder, reconstruct
from detector.training.table import DONE, DRAWN_SHARE, Digest, Table, fair_weights, folds, tabulate

RATES = ErrorRates(threshold=3.0, false_positive_rate=0.01, true_positive_rate=0.5, measured_on="a test")
CARD = HeadCard(
    version="x", encoder_sha256=CLIP_VISUAL_INT8.sha256, layers=(6,), slope=2.0, offset=0.5, error_rates=RATES
)


@given(st.integers(16, 300), st.integers(16, 300))
@settings(max_examples=20, deadline=None)
def test_normalised_frames_have_one_size(height: int, width: int) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    assert normalise(frame).shape == (224, 224, 3)


@pytest.mark.parametrize("shape", [(4, 16384, 3), (16384, 4, 3)])
def test_the_middle_of_a_ribbon_is_scaled_and_no_more(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, resize = [], Image.Image.resize

    def watched(image: Image.Image, size: tuple[int, int], *how: Image.Resampling) -> Image.Image:
        sizes.append(size)
        return resize(image, size, *how)

    ribbon = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    middle = tuple(slice(None) if side == 4 else slice(side // 2 - 6, side // 2 + 6) for side in shape[:2])
    monkeypatch.setattr(Image.Image, "resize", watched)
    assert np.array_equal(normalise(ribbon), normalise(ribbon[middle]))
    assert max(max(size) for size in sizes) <= 4 * 240


@given(st.integers(0, 2**31), st.integers(40, 200), st.integers(40, 200))
@settings(max_examples=15, deadline=None)
def test_degraded_frames_stay_frames(seed: int, height: int, width: int) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (2, height, width, 3), dtype=np.uint8)
    first = degrade(frames, np.random.default_rng(seed))
    assert first.dtype == np.uint8
    assert len(first) == 2
    assert first.shape[1] % 2 == first.shape[2] % 2 == 0
    assert np.array_equal(first, degrade(frames, np.random.default_rng(seed)))


@given(st.integers(0, 2**31), st.integers(40, 200), st.integers(40, 200))
@settings(max_examples=15, deadline=None)
def test_what_was_done_to_a_look_can_be_drawn_again(seed: int, height: int, width: int) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (2, height, width, 3), dtype=np.uint8)
    chain = draw_chain((2, height, width), np.random.default_rng(seed))
    assert degrade(frames, np.random.default_rng(seed)).shape[2:0:-1] == chain.size
    had = {name for name, holds in LOSSES.items() if holds(chain)}
    assert len({name for name in had if name.startswith("H.264")}) == 1
    assert len({name for name in had if name.startswith("short side")}) == 1


@pytest.mark.parametrize("name", RENDITIONS)
def test_platforms_make_frames_smaller_and_cheaper(name: str) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 540, 960, 3), dtype=np.uint8)
    shown = RENDITIONS[name](frames)
    assert len(shown) == 3
    assert min(shown.shape[1:3]) == {"uploaded": 540, "passed on": 480, "re-recorded": 448}[name]
    assert np.array_equal(shown, RENDITIONS[name](frames))
    assert shown.std() < frames.std()  # noise does not fit into so few bits


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


def test_a_head_for_another_encoder_is_refused(tmp_path: Path) -> None:
    card = CARD.model_copy(update={"encoder_sha256": "0"})
    save_head(Head(np.ones(4, np.float32), np.ones(4, np.float32), card), tmp_path / "head.safetensors")
    with pytest.raises(WeightsError, match="another image encoder"):
        load_head(tmp_path / "head.safetensors")


def test_the_shipped_heads_keep_their_promise() -> None:
    head, patches = load_head(WEIGHTS / "frames.safetensors"), load_head(WEIGHTS / "patches.safetensors")
    assert head.weight.shape == (768 * len(head.card.layers),)
    assert patches.weight.shape == (768,)
    assert head.card.error_rates.false_positive_rate <= MOST_FALSE
    card = (WEIGHTS / "MODEL_CARD.md").read_text(encoding="utf-8")
    fusion = load_fusion(WEIGHTS / "fusion.json")
    assert fusion.version in card
    for shipped in fusion.blends:
        assert shipped.error_rates.false_positive_rate <= MOST_FALSE
        assert not set(shipped.signals) & set(fusion.rejected)


def test_the_known_error_rate_is_that_of_a_threshold_chosen_elsewhere() -> None:
    table = tabulate(made_up(1.0), "frames")
    llr = np.where(table.generated | (table.sources == "camera 3"), 2.0, -2.0)[:, None].repeat(len(KINDS), axis=1)
    llr[table.sources == "camera 2", 0] = np.nan
    rates = error_rates(llr, table, "a test")
    assert rates.threshold > 2.0  # so that no clip of its own reaches it
    assert rates.false_positive_rate == pytest.approx(1 / 6, abs=1e-4)


def test_features_do_not_depend_on_scale() -> None:
    classes = np.random.default_rng(0).normal(size=(2, 3, 2, 768)).astype(np.float32)
    found = features(classes)
    assert found.shape == (2, 3, 2 * 768)
    assert np.allclose(found, features(3 * classes), atol=1e-6)
    assert np.linalg.norm(found, axis=-1) == pytest.approx(2**0.5)


def made_up(signal: float, *, sources: int = 6, clips: int = 4, paired: bool = False) -> list[Digest]:
    """Made-up clips of sources with habits of their own, in which generated ones are shifted by ``signal``."""
    rng = np.random.default_rng(0)
    direction = rng.normal(size=32)
    out = []
    for generated in (True, False):
        for source in range(sources):
            habit = rng.normal(size=32)
            for clip in range(clips):
                name = f"{'generator' if generated else 'camera'} {source}"
                item = Item(Path(f"{clip}.mp4"), "", generated, name, name, (256, 256, 8, 1e4 * (1 + source), 0.1, 16))
                rows = [(2 + habit + rng.normal(size=(4, 32)) + signal * generated * direction) for _ in KINDS]
                useless = [None if kind == "moving" else rng.normal(size=(1, 3)) for kind in KINDS]
                found = {"frames": rows, "noise": useless, "patches": [r[:2] for r in rows]}
                single = {k: [None if r is None else r.astype(np.float32) for r in v] for k, v in found.items()}
                out.append(Digest(item, single, [float(kind) for kind in range(len(KINDS))]))
                if paired and not generated:
                    fake = replace(item, label=PAIRED, generated=True, source=f"{PAIRED}-x")
                    out.append(replace(out[-1], item=fake))
    return out


FRAMES_RECIPE, NOISE_RECIPE = (replace(r, features=lambda _: None) for r in RECIPES if r.name != "motion")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "REPEATS", 1)


@pytest.mark.parametrize("paired", [False, True])
def test_training_finds_what_sources_share_and_drops_what_is_useless(quick: None, tmp_path: Path, paired: bool) -> None:
    digests = made_up(1.5, paired=paired)
    judged = train.judge(digests, (FRAMES_RECIPE, NOISE_RECIPE))
    report = judged.reports["frames"]
    assert report.native.auc > 0.9
    assert sum(share.clips for share in report.by_generator.values()) == 24  # what was reconstructed is not measured
    assert set(judged.fusion.rejected) == {"noise"}
    assert [blend.signals for blend in judged.fusion.blends] == [("frames",)]
    assert "baseline" in main_table(judged.reports, judged.baselines)
    published = report.by_loss["as published"]
    assert published.figures == report.native
    assert (published.generated, published.real) == (24, 24)
    assert "as published" in loss_table(report)
    assert "H.264" not in loss_table(report)  # made-up looks have lost nothing
    train.save(judged, digests, tmp_path, (FRAMES_RECIPE, NOISE_RECIPE))
    write_card(tmp_path / "MODEL_CARD.md", judged, learn(digests)[1], ["*origami*"], [])
    assert not (tmp_path / "noise.safetensors").exists()
    head = load_head(tmp_path / "frames.safetensors")
    generated = [d.rows["frames"][0] for d in digests if d.item.source == "generator 0"]
    assert np.mean([head.llr(head.scores(rows)) for rows in generated if rows is not None]) > 0
    fusion = load_fusion(tmp_path / "fusion.json")
    assert fusion == judged.fusion
    assert fusion.version in (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_training_does_not_report_skill_where_there_is_none(quick: None) -> None:
    report = train.judge(made_up(0.0, sources=24), (FRAMES_RECIPE,)).reports["frames"]
    assert report.native.auc < 0.75
    assert report.rates.true_positive_rate < 0.2


def test_a_useful_head_is_weighed_and_a_misleading_one_is_not() -> None:
    table = tabulate(made_up(1.5), "frames")
    rng = np.random.default_rng(0)
    truth, shape = np.where(table.generated, 1.0, -1.0)[:, None], (len(table), len(KINDS))
    good, bad = truth + rng.normal(size=shape), -truth + rng.normal(size=shape)
    weights, _ = blend({"frames": good, "noise": 2 * truth + rng.normal(size=good.shape)}, table, ("frames", "noise"))
    assert weights.min() > 0.3
    weights, _ = blend({"frames": good, "noise": bad}, table, ("frames", "noise"))
    assert weights[1] == 0


def test_too_few_sources_are_refused() -> None:
    with pytest.raises(UsageError, match="fewer than"):
        tabulate(made_up(1.0, sources=2), "frames")


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["ai", "film", "drawn"])), min_size=12, max_size=60)
)
def test_no_group_is_in_two_folds_and_weights_are_fair(pairs: list[tuple[str, str]]) -> None:
    sources = np.array([name + kind for name, kind in pairs])
    kinds = np.array([kind for _, kind in pairs])
    generated, drawn = kinds == "ai", kinds == "drawn"
    assigned = folds(sources, generated, 0)
    assert all(len(set(assigned[sources == name])) == 1 for name in set(sources))
    none = np.zeros(len(kinds), bool)
    table = Table(
        [[]] * len(kinds),
        generated,
        drawn,
        none,
        sources,
        sources,
        np.zeros((len(kinds), 6)),
        np.zeros((len(kinds), 1)),
        np.zeros((len(kinds), 1, len(DONE)), bool),
    )
    weights = fair_weights(table)
    assert weights.min() > 0
    if len(set(kinds)) == 3:
        assert weights[generated].sum() == pytest.approx(weights[~generated].sum())
        assert weights[drawn].sum() == pytest.approx(DRAWN_SHARE * weights[generated].sum())


@given(st.lists(st.tuples(st.floats(-8, 8), st.sampled_from("abc")), min_size=10, max_size=300))
def test_the_threshold_keeps_false_accusations_rare_everywhere(looks: list[tuple[float, str]]) -> None:
    llr = np.array([*(value for value, _ in looks), np.nan])[:, None]
    sources = np.array([*(source for _, source in looks), "none"])
    reach = llr >= threshold_of(llr, np.ones(len(llr), bool), sources)
    assert reach[:-1].mean() <= MOST_FALSE
    assert all(reach[sources == source].mean() <= MOST_FALSE_OF_SOURCE for source in set(sources))


HEADER = "path,label,generator,source_repo,width,height,frames,fps,codec,bytes\n"


def test_looks_are_kept_and_clips_can_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_clip: MakeClip
) -> None:
    rows = "".join(
        f"{make_clip(f'{name}.mp4').name},real,a,b,128,128,16,8,h264,1000\n" for name in ("keep", "drop_origami")
    )
    (tmp_path / "manifest.csv").write_text(HEADER + rows + "missing.mp4,real,a,b,128,128,16,8,h264,1000\n")
    seen = []

    def see(images: np.ndarray, _encoder: object) -> Tokens:
        seen.append(len(images))
        shape = (len(images), len(LAYERS), 768)
        rng = np.random.default_rng(0)
        classes = rng.normal(size=shape).astype(np.float32)
        return Tokens(classes, np.ones((len(images), 196, 768), np.float32))

    monkeypatch.setattr(data, "see", see)
    monkeypatch.setattr(data, "image_encoder", lambda _: None)
    monkeypatch.setattr(training, "drawings", list)
    arguments = [str(tmp_path), "--cache", str(tmp_path / "cache"), "--exclude", "*origami*"]
    options = training.options_of(arguments, "x", "x")
    found = training.collect(options)
    assert [d.item.path.name for d in found] == ["keep.mp4"]
    assert seen == [8, 4, 8, *(4 for _ in RENDITIONS)]  # a burst, frames far apart, a burst, frames of bursts
    again = training.collect(training.options_of([*arguments, "--only-cached"], "x", "x"))
    assert len(seen) == len(KINDS)
    for name, rows_of in found[0].rows.items():
        assert all(np.array_equal(a, b) for a, b in zip(rows_of, again[0].rows[name], strict=True) if a is not None)
    assert found[0].rows["frames"][0].shape == (4, len(FRAME_LAYERS) * 768)
    assert found[0].rows["motion"][1] is None
    assert found[0].losses[0] == frozenset()
    for kind in (1, 2):  # what was drawn for the look is told again from the cache
        assert {name[:5] for name in found[0].losses[kind]} >= {"H.264", "short"}
    assert set().union(*found[0].losses[3:]) == set(RENDITIONS)
    assert found[0].losses == again[0].losses


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"manifest\.csv"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,label\nx.mp4,real\n")
    with pytest.raises(UsageError):
        read_manifest(tmp_path)
    assert training.main([str(tmp_path)]) == 2


def test_frames_pass_through_an_autoencoder_of_the_users_choice(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 90, 160, 3), dtype=np.uint8)
    same = autoencoder("numpy:copy")
    made = reconstruct(frames, same, np.random.default_rng(0))
    assert made.dtype == np.uint8
    assert made.shape[1] % 16 == made.shape[2] % 16 == 0
    assert 240 - 16 <= min(made.shape[1:3]) <= 320 + 16
    for name in ("no_such_module:f", "numpy:no_such_function", str(tmp_path)):
        with pytest.raises(UsageError):
            autoencoder(name)


def test_a_blended_face_differs_where_the_face_is() -> None:
    y, x = np.mgrid[:240, :240]
    crop = np.repeat((127 + 60 * np.sin(x / 9) + 40 * np.cos(y / 7))[..., None], 3, axis=-1).astype(np.uint8)
    changed = np.zeros((240, 240))
    for seed in range(6):
        blended = self_blend(crop, np.random.default_rng(seed))
        changed += np.abs(blended.astype(float) - crop).mean(axis=-1)
    assert changed[90:150, 90:150].mean() > 5 > 0.2 > changed[:10].mean()
