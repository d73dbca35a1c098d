from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from onnx import TensorProto, helper, numpy_helper

from countermark.core.encoders import image as encoders
from countermark.core.encoders.image import SIZE, ImageEncoder
from countermark.core.errors import WeightsError
from countermark.core.settings import Settings, get_settings
from countermark.core.weights import CLIP_VISUAL_INT8, Located


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    try:
        return encoders.image_encoder(get_settings())
    except WeightsError as error:
        pytest.skip(str(error))


def quantised(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per-column 8-bit quantisation, as ONNX runtime's tool does it."""
    scale = np.abs(weight).max(axis=0) / 127
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32), np.zeros(weight.shape[1], np.int8)


def test_integer_weights_are_named_by_the_bias_that_follows() -> None:
    rng = np.random.default_rng(0)
    first, last = rng.normal(size=(6, 4)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    constants, nodes = {"encoder.q.bias": np.zeros(4, np.float32)}, []
    for name, weight, source in (("first", first, "x"), ("last", last, "h")):
        whole, scale, zero = quantised(weight)
        constants |= {f"{name}_quantized": whole, f"{name}_scale": scale, f"{name}_zero_point": zero}
        inputs = [source, f"{name}_quantized", "x_zero", f"{name}_zero_point"]
        nodes.append(helper.make_node("MatMulInteger", inputs, [f"{name}_int"]))
        nodes.append(helper.make_node("Cast", [f"{name}_int"], [f"{name}_float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [f"{name}_out"]))
    nodes.insert(3, helper.make_node("Add", ["encoder.q.bias", "first_out"], ["h"]))
    initializers = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, "g", [], [helper.make_empty_tensor_value_info("last_out")], initializers)
    found = encoders._integer_weights(onnx.ModelProto(graph=graph).graph, constants)
    assert set(found) == {"encoder.q.bias", ""}
    for name, weight in (("encoder.q.bias", first), ("", last)):
        assert np.abs(found[name] - weight).max() <= np.abs(weight).max() / 127 / 2 + 1e-6


def test_a_missing_tensor_is_refused() -> None:
    with pytest.raises(WeightsError, match="do not fit"):
        ImageEncoder({}, weights="none", device="cpu")


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="weights fetch"):
        ImageEncoder.load(settings=Settings(home=tmp_path, _env_file=None))


def test_a_damaged_conversion_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / encoders._CONVERTED).write_bytes(b"\x00" * 64)
    with pytest.raises(WeightsError, match="not on this machine"):
        ImageEncoder.load(settings=Settings(home=tmp_path, _env_file=None))


def test_two_processes_may_convert_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Located(CLIP_VISUAL_INT8, tmp_path / "graph.onnx", "folder")
    target, save = tmp_path / encoders._CONVERTED, safetensors.torch.save_file

    def save_while_another_converts(state: dict[str, torch.Tensor], path: Path, **options: dict[str, str]) -> None:
        save(state, path, **options)
        monkeypatch.setattr(safetensors.torch, "save_file", save)
        encoders._convert(source, target)

    monkeypatch.setattr(encoders, "dequantise", lambda _: {"w": np.ones(2, np.float32)})
    monkeypatch.setattr(safetensors.torch, "save_file", save_while_another_converts)
    encoders._convert(source, target)
    assert list(tmp_path.iterdir()) == [target]
    assert list(safetensors.torch.load_file(target)) == ["w"]


def pictures(seed: int = 0) -> np.ndarray:
    """Four pictures [4, 224, 224, 3]: two of smooth blobs and the same two shifted a little."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    out = []
    for base in range(2):
        centres = rng.random((5, 2))
        colours = rng.integers(0, 255, (5, 3))
        for shift in (0.0, 0.03):
            nearest = np.argmin([(y - a - shift) ** 2 + (x - b) ** 2 for a, b in centres], axis=0)
            out.append(colours[nearest] if base else 255 - colours[nearest])
    return np.stack(out).astype(np.uint8)


def test_embeddings_keep_likeness(encoder: ImageEncoder) -> None:
    found = encoder.encode(pictures())
    assert found.image.shape == (4, 512)
    assert found.tokens.shape == (4, 196, 768)
    unit = found.image / np.linalg.norm(found.image, axis=1, keepdims=True)
    likeness = unit @ unit.T
    assert likeness[0, 1] > likeness[0, 2]
    assert likeness[2, 3] > likeness[1, 3]
    assert encoder.weights


def test_stopping_early_and_batching_change_nothing(encoder: ImageEncoder) -> None:
    images = pictures()[:3]
    few, more = encoder.layers(images, (2, 4)), encoder.layers(images, (4, 6), batch=1)
    assert few.classes.shape == (3, 2, 768)
    assert few.patches.shape == (3, 2, 196, 768)
    a, b = few.classes[:, 1], more.classes[:, 0]
    cosine = np.sum(a * b, axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() > 0.999


def test_no_images_and_wrong_images(encoder: ImageEncoder) -> None:
    assert encoder.encode(np.zeros((0, SIZE, SIZE, 3), np.uint8)).image.shape == (0, 512)
    for bad in (np.zeros((1, 100, 100, 3), np.uint8), np.zeros((1, SIZE, SIZE, 3), np.float32)):
        with pytest.raises(ValueError, match="expected uint8"):
            encoder.encode(bad)
    with pytest.raises(ValueError, match="ascend"):
        encoder.layers(pictures(), (6, 2))


def test_clips_are_recognised_by_their_frames(encoder: ImageEncoder, shared_data: Path) -> None:
    """Nearest neighbour of a frame is another frame of the same clip: the weights mean something."""
    from countermark.core.media import VideoReader
    from detector.normalise import normalise

    paths = sorted((shared_data / "video" / "watermark").glob("*.mp4"))[:8]
    if len(paths) < 4:
        pytest.skip("no clips")
    images, owners = [], []
    for path in paths:
        with VideoReader(path, stride=12, max_frames=2, chunk=1) as reader:
            for frames in reader:
                images.append(normalise(frames.to_rgb()[0]))
                owners.append(path.name)
    found = encoder.encode(np.stack(images)).image
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    likeness = unit @ unit.T - 2 * np.eye(len(unit))
    hits = [owners[i] == owners[int(np.argmax(row))] for i, row in enumerate(likeness)]
    assert np.mean(hits) > 0.8
