# what is imported below needs the extra
"""Open-weight models by tiny pipelines of every family."""

import json
from functools import cache
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("diffusers", reason="the extra open-weights is not installed")

import diffusers
from tiny_pipelines import save_tiny

from countermark.core.errors import ConfigurationError, GenerationError, UsageError, WeightsError
from countermark.core.media import VideoReader
from countermark.core.settings import Settings
from generator import Studio
from generator.backends import model_named, open_weights
from generator.backends.open_weights import OpenWeightsModel, _shown
from generator.families import FAMILIES, family_of
from generator.model import GenerationCancelledError, Inputs
from generator.request import Condition, GenerationRequest, Shot
from generator.tasks import request_for


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The folder of tiny weights of a family."""
    return cache(lambda family: save_tiny(family, tmp_path_factory.mktemp("weights")))


@pytest.fixture(params=[name for name, family in FAMILIES.items() if "text" in family.pipelines])
def folder(request, weights) -> Path:
    return weights(request.param)


def indexed(folder: Path, family: str) -> OpenWeightsModel:
    """A model of which there is only the index."""
    name, *kind = family.split()
    (folder / "model_index.json").write_text(json.dumps({"_class_name": name, **dict.fromkeys(kind, True)}))
    return OpenWeightsModel(str(folder))


SIZE = (64, 64)
PICTURE, VIDEO = Path("given.png"), Path("given.mp4")
SHOTS = (Shot(prompt="a red ball", seconds=0.5), Shot(prompt="sea", seconds=0.5))
GIVEN = {
    "image": Condition(path=PICTURE, still=True),
    "extend": Condition(path=VIDEO),
    "edit": Condition(path=VIDEO, at="whole", strength=0.5),
}


def drawn(frames: int, level: int = 0) -> np.ndarray:
    return np.random.default_rng(level).integers(level, level + 100, (frames, 64, 64, 3), np.uint8)


def frames_of(
    model: OpenWeightsModel, request: GenerationRequest, heard: list | None = None, inputs: Inputs | None = None
) -> np.ndarray:
    chunks = model.sample(
        request,
        inputs or Inputs(),
        on_progress=lambda *step: heard.append(step) if heard is not None else None,
        on_notice=lambda _: None,
        cancelled=lambda: False,
    )
    return np.concatenate(list(chunks))


def test_a_model_of_every_family_is_sampled_as_its_seed_says(folder):
    model = OpenWeightsModel(str(folder))
    request = GenerationRequest(prompt="a red ball", negative_prompt="sea", seconds=0.5, steps=1, seed=3, size=SIZE)
    frames = frames_of(model, request)
    assert frames.shape == (round(0.5 * model.rate_for(None).fps), 64, 64, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, frames_of(model, request))
    assert not np.array_equal(frames, frames_of(model, request.model_copy(update={"seed": 4})))


def test_shots_follow_each_other(folder):
    model = OpenWeightsModel(str(folder))
    heard: list[tuple[int, int]] = []
    frames = frames_of(model, GenerationRequest(prompt="", shots=SHOTS, steps=1, guidance=1, size=SIZE), heard)
    assert len(frames) == 2 * round(0.5 * model.rate_for(None).fps)
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


def test_a_step_of_either_transformer_is_cancelled(weights):
    model = OpenWeightsModel(str(weights("WanPipeline boundary_ratio")))
    begun: list[object] = []
    model._pipe("WanPipeline").transformer_2.register_forward_pre_hook(lambda *_: begun.append(_))
    request = GenerationRequest(prompt="a red ball", seconds=0.5, steps=3, size=SIZE)
    chunks = model.sample(
        request, Inputs(), on_progress=lambda *_: None, on_notice=lambda _: None, cancelled=lambda: bool(begun)
    )
    with pytest.raises(GenerationCancelledError):
        next(iter(chunks))
    assert len(begun) == 1


def test_what_is_broken_off_leaves_no_trace_in_the_next_clip(weights):
    folder = weights("WanPipeline")
    request = GenerationRequest(prompt="a red ball", seconds=0.5, steps=1, guidance=2, seed=3, size=SIZE)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    kept = OpenWeightsModel(str(folder))
    with pytest.raises(KeyboardInterrupt):
        list(kept.sample(request, Inputs(), on_progress=stop, on_notice=lambda _: None, cancelled=lambda: False))
    assert np.array_equal(frames_of(kept, request), frames_of(OpenWeightsModel(str(folder)), request))


def test_guidance_reaches_a_pipeline_that_keeps_it_in_an_object(weights):
    model = OpenWeightsModel(str(weights("HunyuanVideo15Pipeline")))
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
    with pytest.raises(GenerationError, match=r"more memory.*OFFLOAD=model"):
        frames_of(indexed(tmp_path, "WanPipeline"), GenerationRequest(prompt="a", seconds=0.5))


ALL = {
    "text": GenerationRequest(prompt="a"),
    "storyboard": GenerationRequest(prompt="", shots=SHOTS),
    "still": GenerationRequest(prompt="a", still=True),
    "a loop": GenerationRequest(prompt="a", loop=True),
    "a shot that is blended in": GenerationRequest(
        prompt="", shots=(Shot(prompt="a"), Shot(prompt="b", transition="blend"))
    ),
    **{task: GenerationRequest(prompt="a", conditions=(condition,)) for task, condition in GIVEN.items()},
    "extend backward": GenerationRequest(prompt="a", conditions=(Condition(path=VIDEO, at="end"),)),
    "inpaint": GenerationRequest(prompt="a", conditions=(Condition(path=VIDEO, at="whole", mask=PICTURE),)),
    "outpaint": GenerationRequest(
        prompt="a", size=SIZE, conditions=(Condition(path=VIDEO, at="whole", strength=0, around=True),)
    ),
    "blend": GenerationRequest(prompt="a", conditions=(Condition(path=VIDEO), Condition(path=VIDEO, at="end"))),
}


@pytest.mark.parametrize("asked", ALL)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_cannot_do_is_refused_before_any_weights_are_read(tmp_path, family, asked):
    model = indexed(tmp_path, family)
    if asked in FAMILIES[family].tasks:
        assert hasattr(diffusers, model._pipeline_for(ALL[asked]))
        return
    with pytest.raises(UsageError, match=rf"cannot do this: {asked}\..*{', '.join(FAMILIES[family].tasks)}"):
        model.check(ALL[asked])


def test_what_is_asked_for_too_long_is_refused_before_files_are_looked_at(tmp_path):
    model = indexed(tmp_path, "LTXPipeline")
    for task, most in (("text", 257), ("image", 256), ("extend", 232)):  # with 1 and 25 that are given
        model.check(ALL[task].model_copy(update={"seconds": most / 24}))
        with pytest.raises(UsageError, match=rf"at most {most / 24:.1f} seconds"):
            model.check(ALL[task].model_copy(update={"seconds": (most + 1) / 24}))
    with pytest.raises(UsageError, match=r"at most 10\.7 seconds"):
        model.check(GenerationRequest(prompt="", shots=(Shot(prompt="a"), Shot(prompt="b", seconds=11))))


@pytest.mark.parametrize(
    ("task", "seconds", "inputs"),
    [
        ("text", 60, Inputs()),
        ("image", 10.7, Inputs(before=drawn(1))),  # 257 frames with the picture would fit, one more does not
        ("extend", 10, Inputs(before=drawn(25))),
        ("edit", None, Inputs(whole=repeat(drawn(100)))),
    ],
)
def test_what_is_too_long_is_refused_before_any_weights_are_read(tmp_path, task, seconds, inputs):
    request = ALL[task].model_copy(update={"seconds": seconds})
    with pytest.raises(UsageError, match="at most"):
        frames_of(indexed(tmp_path, "LTXPipeline"), request, inputs=inputs)


@pytest.mark.parametrize(
    ("family", "task"),
    [(name, task) for name, family in FAMILIES.items() for task in family.pipelines if task != "text"],
)
def test_what_is_given_is_gone_on_from_or_changed(weights, family, task):
    model = OpenWeightsModel(str(weights(family)))
    seconds = None if task == "edit" else 0.5
    request = ALL[task].model_copy(
        update={"prompt": "a red ball", "seconds": seconds, "steps": 2, "guidance": 1.0, "size": SIZE, "seed": 3}
    )

    def made(level: int) -> np.ndarray:
        if task == "edit":
            return frames_of(model, request, inputs=Inputs(whole=iter([drawn(4, level), drawn(7, level)])))
        return frames_of(model, request, inputs=Inputs(before=drawn(1 if task == "image" else 20, level)))

    frames = made(0)
    assert frames.shape == (11 if task == "edit" else round(model.rate_for(None).fps / 2), 64, 64, 3)
    assert not np.array_equal(frames, made(100))


def test_families_that_hear_the_rate_make_others_too(weights, tmp_path):
    model = OpenWeightsModel(str(weights("LTXPipeline")))
    request = GenerationRequest(prompt="a red ball", seconds=0.5, steps=1, seed=3, size=SIZE)
    usual, faster = (frames_of(model, request.model_copy(update={"fps": fps})) for fps in (24, 30))
    assert (len(usual), len(faster)) == (12, 15)
    assert not np.array_equal(usual, faster[:12])  # time goes on more slowly from frame to frame
    for refusing, fps in ((model, 100), (indexed(tmp_path, "WanPipeline"), 24)):
        with pytest.raises(UsageError, match=f"no {fps} frames a second"):
            refusing.rate_for(fps)


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if "edit" in family.pipelines])
def test_the_more_of_a_video_is_kept_the_more_depends_on_it(weights, family):
    model = OpenWeightsModel(str(weights(family)))

    def differ(kept: float) -> float:
        condition = GIVEN["edit"].model_copy(update={"strength": kept})
        request = GenerationRequest(prompt="a", conditions=(condition,), steps=5, guidance=1, size=SIZE)
        dark, light = (frames_of(model, request, inputs=Inputs(whole=iter([drawn(9, level)]))) for level in (0, 150))
        return float(np.abs(light.astype(float) - dark).mean())

    assert 1.3 * differ(0.2) < differ(0.8)


@given(
    family=st.sampled_from([name for name in FAMILIES if "image" in FAMILIES[name].pipelines]),
    frames=st.integers(1, 25),
    seconds=st.floats(0.5, 3),
)
def test_the_last_frames_that_make_whole_groups_are_gone_on_from(tmp_path_factory, family, frames, seconds):
    model = indexed(tmp_path_factory.mktemp("index"), family)
    before = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    request = GenerationRequest(prompt="a", seconds=seconds)
    (clip,) = model._clips(request, Inputs(before=before))
    group = FAMILIES[family].group
    assert clip.given.ravel().tolist() == list(range(frames))[-clip.known :]
    assert (clip.known - 1) % group == 0
    assert frames - clip.known < group
    assert clip.frames - clip.known == round(seconds * model.rate_for(None).fps)


@given(st.integers(1, 200), st.floats(0, 0.999))
def test_a_change_takes_its_share_of_the_steps_and_at_least_one(steps, kept):
    strength = _shown("WanVideoToVideoPipeline", drawn(5), kept, frames=5, steps=steps)["strength"]
    assert min(int(steps * strength), steps) == max(1, round(steps * (1 - kept)))  # as diffusers counts them


def test_a_video_of_which_all_is_kept_is_not_changed_at_all(tmp_path):
    whole = drawn(11)
    request = GenerationRequest(prompt="a", conditions=(Condition(path=VIDEO, at="whole"),))
    assert np.array_equal(
        frames_of(indexed(tmp_path, "WanPipeline"), request, inputs=Inputs(whole=iter([whole]))), whole
    )


def test_weights_are_read_anew_only_for_another_task(weights):
    model = OpenWeightsModel(str(weights("LTXPipeline")))
    first = model._pipe("LTXPipeline")
    assert model._pipe("LTXPipeline") is first
    assert type(model._pipe("LTXConditionPipeline")) is diffusers.LTXConditionPipeline
    assert model._pipe("LTXPipeline") is not first


def test_what_a_pipeline_will_not_do_is_an_error_with_a_remedy(weights, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ValueError("It supports only its training resolution.")

    monkeypatch.setattr(diffusers.LTXPipeline, "check_inputs", fail)
    with pytest.raises(GenerationError, match=r"training resolution.*size and length"):
        frames_of(OpenWeightsModel(str(weights("LTXPipeline"))), GenerationRequest(prompt="a", seconds=0.5, size=SIZE))


def test_a_picture_and_what_follows_it_are_sealed(weights, tmp_path):
    slope = np.linspace(40, 200, 256).astype(np.uint8)
    Image.fromarray(np.broadcast_to(slope[:, None, None], (256, 256, 3))).save(tmp_path / "given.png")
    request = request_for("a red ball", image=tmp_path / "given.png", seconds=0.5, size="256x256", steps=1)
    studio = Studio(f"open-weights:{weights('LTXPipeline')}", settings=Settings(home=tmp_path / "home"))
    studio.generate(request, tmp_path / "out.mp4")
    with VideoReader(tmp_path / "out.mp4") as reader:
        frames = np.concatenate([chunk.to_rgb() for chunk in reader])
    assert len(frames) == 1 + 12
    assert abs(frames[0].mean(axis=(1, 2)) - slope).max() < 12


class Pipe:
    """Stands for a pipeline, and writes down what is done to it."""

    components = ()
    video_processor = None

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, name: str):
        if name in ("vae", "image_encoder"):
            return None
        return lambda *given: self.done.append(" ".join((name, *given)))


@pytest.fixture
def read(monkeypatch) -> tuple[Pipe, dict]:
    """The pipeline that is read in place of weights, on what seems a GPU with bitsandbytes; and how it is read."""
    pipe, asked = Pipe(), {}
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(open_weights, "find_spec", lambda name: object())
    monkeypatch.setattr(
        "diffusers.DiffusionPipeline.from_pretrained", lambda source, **options: asked.update(options) or pipe
    )
    return pipe, asked


@pytest.mark.parametrize(
    ("settings", "done"),
    [
        ({}, "to cuda"),
        ({"generator_offload": "model"}, "enable_model_cpu_offload"),
        ({"generator_offload": "sequential"}, "enable_sequential_cpu_offload"),
        ({"generator_offload": "model", "generator_quantization": "8bit"}, "enable_model_cpu_offload"),
        ({"generator_quantization": "4bit"}, "to cuda"),
    ],
)
def test_settings_say_how_weights_are_read(tmp_path, read, settings, done):
    pipe, asked = read
    indexed(tmp_path, "WanPipeline")
    model = model_named(f"open-weights:{tmp_path}", Settings(home=tmp_path, **settings))
    assert model._pipe("WanPipeline") is pipe
    assert pipe.done == [done]
    assert (asked["local_files_only"], asked["dtype"]) == (True, torch.bfloat16)
    bits = settings.get("generator_quantization")
    assert ("quantization_config" in asked) == bool(bits)
    if bits:
        config = asked["quantization_config"]
        assert config.quant_backend == f"bitsandbytes_{bits}"
        assert config.quant_kwargs[f"load_in_{bits}"] is True
        assert {"transformer", "transformer_2", "text_encoder"} == set(config.components_to_quantize)


@pytest.mark.parametrize("wanting", ["package", "gpu", "offload"])
def test_what_cannot_be_quantized_is_an_error_with_a_remedy(tmp_path, monkeypatch, read, wanting):
    indexed(tmp_path, "WanPipeline")
    said = {"package": "bitsandbytes, which", "gpu": "needs a GPU", "offload": "layer by layer.*OFFLOAD to model"}
    if wanting == "package":
        monkeypatch.setattr(open_weights, "find_spec", lambda name: None)
    if wanting == "gpu":
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    chosen = Settings(
        home=tmp_path,
        generator_quantization="4bit",
        generator_offload="sequential" if wanting == "offload" else "none",
    )
    with pytest.raises(ConfigurationError, match=said[wanting]):
        model_named(f"open-weights:{tmp_path}", chosen)


def test_sizes_that_do_not_fit_are_refused(folder):
    with pytest.raises(UsageError, match="multiples of"):
        OpenWeightsModel(str(folder)).size_for((65, 64))


def test_missing_weights_are_an_error_with_a_remedy(tmp_path):
    folder = tmp_path / "nothing"
    with pytest.raises(WeightsError, match=f"hf download Wan-AI/Wan2.1-T2V-1.3B-Diffusers --local-dir {folder}"):
        OpenWeightsModel(str(folder))
    with pytest.raises(WeightsError, match="hf download nobody/nothing"):
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
