# what is imported below needs the extra
"""Open-weight models by tiny pipelines of every family."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers", reason="the extra open-weights is not installed")

from tiny_pipelines import save_tiny

from countermark.core.errors import GenerationError, UsageError, WeightsError
from generator.backends.open_weights import OpenWeightsModel
from generator.families import FAMILIES, family_of
from generator.model import GenerationCancelledError, Inputs
from generator.request import Condition, GenerationRequest, Shot


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def folder(request, tmp_path_factory) -> Path:
    return save_tiny(request.param, tmp_path_factory.mktemp(request.param))


SIZE = (64, 64)


def frames_of(model: OpenWeightsModel, request: GenerationRequest, heard: list | None = None) -> np.ndarray:
    chunks = model.sample(
        request,
        Inputs(),
        on_progress=lambda *step: heard.append(step) if heard is not None else None,
        on_notice=lambda _: None,
        cancelled=lambda: False,
    )
    return np.concatenate(list(chunks))


def test_a_model_of_every_family_is_sampled_as_its_seed_says(folder):
    model = OpenWeightsModel(str(folder))
    request = GenerationRequest(prompt="a red ball", negative_prompt="sea", seconds=0.5, steps=1, seed=3, size=SIZE)
    frames = frames_of(model, request)
    assert frames.shape == (round(0.5 * model.fps), 64, 64, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, frames_of(model, request))
    assert not np.array_equal(frames, frames_of(model, request.model_copy(update={"seed": 4})))


def test_shots_follow_each_other(folder):
    model = OpenWeightsModel(str(folder))
    heard: list[tuple[int, int]] = []
    shots = (Shot(prompt="a red ball", seconds=0.5), Shot(prompt="sea", seconds=0.5))
    frames = frames_of(model, GenerationRequest(prompt="", shots=shots, steps=1, guidance=1, size=SIZE), heard)
    assert len(frames) == 2 * round(0.5 * model.fps)
    assert heard == [(1, 2), (2, 2)]


def test_a_cancelled_step_is_not_finished(folder):
    heard: list[tuple[int, int]] = []
    chunks = OpenWeightsModel(str(folder)).sample(
        GenerationRequest(prompt="a red ball", seconds=0.5, steps=2, size=SIZE),
        Inputs(),
        on_progress=lambda *step: heard.append(step),
        on_notice=lambda _: None,
        cancelled=lambda: True,
    )
    with pytest.raises(GenerationCancelledError):
        next(iter(chunks))
    assert heard == []


def test_a_step_of_either_transformer_is_cancelled(tmp_path):
    model = OpenWeightsModel(str(save_tiny("WanPipeline boundary_ratio", tmp_path)))
    begun: list[object] = []
    model._pipe.transformer_2.register_forward_pre_hook(lambda *_: begun.append(_))
    request = GenerationRequest(prompt="a red ball", seconds=0.5, steps=3, size=SIZE)
    chunks = model.sample(
        request, Inputs(), on_progress=lambda *_: None, on_notice=lambda _: None, cancelled=lambda: bool(begun)
    )
    with pytest.raises(GenerationCancelledError):
        next(iter(chunks))
    assert len(begun) == 1


@pytest.mark.parametrize("family", ["WanPipeline", "HunyuanVideo15Pipeline"])  # whose guidance is an object of its own
def test_what_is_broken_off_leaves_no_trace_in_the_next_clip(tmp_path, family):
    folder = save_tiny(family, tmp_path)
    request = GenerationRequest(prompt="a red ball", seconds=0.5, steps=1, guidance=2, seed=3, size=SIZE)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    kept = OpenWeightsModel(str(folder))
    with pytest.raises(KeyboardInterrupt):
        list(kept.sample(request, Inputs(), on_progress=stop, on_notice=lambda _: None, cancelled=lambda: False))
    assert np.array_equal(frames_of(kept, request), frames_of(OpenWeightsModel(str(folder)), request))


def test_guidance_reaches_a_pipeline_that_keeps_it_in_an_object(tmp_path):
    model = OpenWeightsModel(str(save_tiny("HunyuanVideo15Pipeline", tmp_path)))
    request = GenerationRequest(prompt="a red ball", seconds=0.5, steps=1, guidance=1, size=SIZE)
    assert not np.array_equal(frames_of(model, request), frames_of(model, request.model_copy(update={"guidance": 6.0})))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."),
        MemoryError(),
    ],
)
def test_too_little_memory_is_an_error_with_a_remedy(tmp_path, monkeypatch, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("diffusers.DiffusionPipeline.from_pretrained", fail)
    (tmp_path / "model_index.json").write_text('{"_class_name": "WanPipeline"}')
    with pytest.raises(GenerationError, match=r"more memory.* offload"):
        frames_of(OpenWeightsModel(str(tmp_path)), GenerationRequest(prompt="a", seconds=0.5))


@pytest.mark.parametrize(
    "request_,message",
    [
        (GenerationRequest(prompt="a", conditions=(Condition(path="x.png", still=True),)), "prompts only"),
        (GenerationRequest(prompt="a", loop=True), "prompts only"),
        (GenerationRequest(prompt="", shots=(Shot(prompt="a", transition="blend"),)), "blend"),
        (GenerationRequest(prompt="a", seconds=60), "at most"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_any_weights_are_read(folder, request_, message):
    model = OpenWeightsModel(str(folder))
    with pytest.raises(UsageError, match=message):
        frames_of(model, request_)
    assert "_pipe" not in vars(model)


def test_sizes_that_do_not_fit_are_refused(folder):
    with pytest.raises(UsageError, match="multiples of"):
        OpenWeightsModel(str(folder)).size_for((65, 64))


def test_missing_weights_are_an_error_with_a_remedy(tmp_path):
    with pytest.raises(WeightsError, match="Fetch them"):
        OpenWeightsModel(str(tmp_path / "nothing"))
    with pytest.raises(WeightsError, match="Fetch them"):
        OpenWeightsModel("nobody/nothing")


def test_incomplete_weights_are_an_error_with_a_remedy(folder, tmp_path):
    (tmp_path / "model_index.json").write_bytes((folder / "model_index.json").read_bytes())
    with pytest.raises(WeightsError, match="incomplete"):
        frames_of(OpenWeightsModel(str(tmp_path)), GenerationRequest(prompt="a", seconds=0.5, size=SIZE))


def test_an_unknown_family_is_refused(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(UsageError, match="not supported"):
        OpenWeightsModel(str(tmp_path))


@pytest.mark.parametrize(
    "index", [b"", b"{", b"[]", b"{}", b'"x"', b"[" * 100_000, b"\xff\xfe", b" " * 2_000_000 + b"{}"]
)
def test_an_index_that_is_none_is_an_error_with_a_remedy(tmp_path, index):
    (tmp_path / "model_index.json").write_bytes(index)
    with pytest.raises(WeightsError, match="not the index"):
        family_of(str(tmp_path))


def test_weights_in_the_cache_of_the_hub_are_found_by_their_name(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--someone--wan" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0123")
    (snapshot / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline"}))
    assert family_of("someone/wan") == "WanPipeline"


@pytest.mark.parametrize("entry", ["boundary_ratio", "expand_timesteps"])
@pytest.mark.parametrize("value", [None, False, True, 0.875])
def test_an_entry_of_the_index_tells_kinds_of_weights_of_one_class_apart(tmp_path, entry, value):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline", entry: value}))
    assert family_of(str(tmp_path)) == (f"WanPipeline {entry}" if value else "WanPipeline")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "LTXPipeline", entry: value}))
    assert family_of(str(tmp_path)) == "LTXPipeline"


@pytest.mark.parametrize("source", ["", "\0", "x" * 5000, "a/b/c/d", "-", "..", "/"])
def test_what_can_be_no_source_has_no_weights(source):
    with pytest.raises(WeightsError, match="no weights"):
        family_of(source)
