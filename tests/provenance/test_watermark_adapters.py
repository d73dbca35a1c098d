"""Adapters of other people's networks: their file formats, built small here, and what is wrong with a file."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from countermark.core.digest import sha256_of
from countermark.core.errors import WatermarkError, WeightsError
from countermark.core.media import Frames
from provenance.watermark import TrustMark, VideoSeal, Watermark
from provenance.watermark.bch import Bch
from provenance.watermark.trustmark import SCHEMAS, TrustMarkDetector, TrustMarkEmbedder, region
from provenance.watermark.trustmark_network import Decoder, Encoder

BITS = 8


class TinySeal(nn.Module):
    """Has the methods of Video Seal's TorchScript model; a bit is the sign of a slight tilt in one of eight bands."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("tilt", torch.linspace(-0.04, 0.04, 32)[None, :].repeat(256 // BITS, 1))

    @torch.jit.export
    def embed(self, imgs: Tensor, msgs: Tensor, is_video: bool = False) -> Tensor:
        assert is_video
        assert msgs.shape[0] == 1
        pattern = torch.kron((2 * msgs - 1).view(-1, 1), self.tilt)
        pattern = nn.functional.interpolate(
            pattern[None, None], size=[imgs.shape[2], imgs.shape[3]], mode="bilinear", align_corners=False
        )
        return imgs + pattern

    @torch.jit.export
    def detect(self, imgs: Tensor, is_video: bool = False) -> Tensor:
        small = nn.functional.interpolate(imgs, size=[256, 32], mode="bilinear", align_corners=False).mean(dim=1)
        bands = (small.view(-1, 8, 32, 32) * self.tilt).sum(dim=[2, 3])
        return torch.cat([torch.ones_like(bands[:, :1]), bands], dim=1)

    def forward(self, imgs: Tensor) -> Tensor:
        return imgs


def pictures(count: int = 3, height: int = 120, width: int = 160) -> Frames:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width]
    base = 120 + 30 * np.sin(y / 17)[..., None] * np.cos(x / 29)[..., None] + rng.normal(0, 2, (height, width, 3))
    return Frames.from_rgb(np.stack([base + 3 * t for t in range(count)]).astype(np.uint8), pts=np.arange(count) * 7)


@pytest.fixture(scope="module")
def seal_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("videoseal") / "tiny.jit"
    torch.jit.script(TinySeal()).save(str(path))
    return path


def read(watermark: Watermark, frames: Frames):
    detector = watermark.detector(width=frames.width, height=frames.height)
    for index in range(len(frames)):  # in chunks, as a reader gives them
        part = slice(index, index + 1)
        detector.update(Frames(frames.luma[part], frames.chroma[part], frames.pts[part], frames.colour))
    return detector.result()


def test_video_seal_marks_and_reads(seal_file):
    watermark = VideoSeal(seal_file, sha256=sha256_of(seal_file))
    assert (watermark.name, watermark.capacity) == ("videoseal", BITS)
    clip = pictures(18)
    bits = (1, 0, 0, 1, 1, 1, 0, 1)
    marked = watermark.embedder(bits, width=clip.width, height=clip.height).process(clip)
    assert np.array_equal(marked.pts, clip.pts)
    assert 0 < np.abs(marked.luma.astype(int) - clip.luma).max() < 16
    empty = watermark.detector(width=clip.width, height=clip.height).result()
    assert (empty.payload_bits, empty.frames) == (None, 0)
    reading = read(watermark, marked)
    assert reading.payload_bits == reading.best_bits == bits
    assert (reading.payload, reading.frames, reading.false_positive_rate) == (None, 18, 1.0)
    with pytest.raises(WatermarkError, match="carries 8 bits"):
        watermark.embedder([1] * 9, width=160, height=120)


def test_video_seal_models_that_predict_for_every_pixel_are_averaged():
    from provenance.watermark.videoseal import _bits

    assert _bits(torch.arange(24.0).view(1, 3, 2, 4)).tolist() == [[11.5, 19.5]]


def test_video_seal_says_what_is_wrong_with_a_file(seal_file, tmp_path):
    other = tmp_path / "other.jit"
    torch.jit.script(nn.Linear(2, 2)).save(str(other))
    broken = tmp_path / "broken.jit"
    broken.write_bytes(b"PK nothing")
    for path, sha256, words in (
        (tmp_path / "absent.jit", None, "There is no file"),
        (other, None, "no TorchScript model of Video Seal"),
        (broken, None, "no TorchScript model of Video Seal"),
        (seal_file, "00" * 32, "another file"),
    ):
        with pytest.raises(WeightsError, match=words):
            VideoSeal(path, sha256).detector(width=160, height=120)


def write_trustmark(folder: Path, encoder: Encoder, decoder: Decoder, bits: int, arch: str, **sizes) -> None:
    """The three files of variant Q, as published: sizes in YAML beside other things, state dictionaries by part."""
    config = {
        "target": "trustmark.model.TrustMark_Arch",
        "params": {
            "secret_len": bits,
            "resolution": encoder.resolution,
            "secret_encoder_config": {"target": "trustmark.unet.Unet1", "params": sizes},
            "secret_decoder_config": {"target": "trustmark.unet.SecretDecoder", "params": {"arch": arch}},
            "loss_config": {"target": "trustmark.loss.ImageSecretLoss", "params": {"recon_weight": 1.5}},
        },
    }
    (folder / "trustmark_Q.yaml").write_text(yaml.safe_dump({"model": config}))
    for network, part in ((encoder, "encoder"), (decoder, "decoder")):
        state = {f"{part}.{key}": value for key, value in network.state_dict().items()}
        torch.save({"state_dict": state, "global_step": 7}, folder / f"{part}_Q.ckpt")


def painter() -> Encoder:
    """A U-Net whose weights pass the picture on with one tile a bit made brighter."""
    encoder = Encoder(bits=BITS, resolution=64, width=8, ndown=1, nmiddle=0, activ="none")
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
        tiles = encoder.secret2image.dense.weight.view(3, 16, 16, BITS)
        for bit in range(BITS):
            tiles[:, bit // 4 * 8 + 2 : bit // 4 * 8 + 6, bit % 4 * 4 : bit % 4 * 4 + 3, bit] = 0.12
        for channel in range(3):  # picture and message come in again behind the skip of the last step up
            for source in (channel, channel + 3):
                encoder.dec[0].conv2.conv.weight[channel, 8 + 8 + source, 1, 1] = 1
            encoder.post[0].conv.weight[channel, channel, 1, 1] = 1
            encoder.post[1].conv.weight[channel, channel, 0, 0] = 1
            encoder.post[1].conv.bias[channel] = 9  # where SiLU is straight
            encoder.post[2].conv.weight[channel, channel, 0, 0] = 1
            encoder.post[2].conv.bias[channel] = -9
    return encoder


def taught(encoder: Encoder, clip: Frames) -> Decoder:
    """A ResNet-18 with random features and a last layer fitted, by least squares, to marked pictures."""
    torch.manual_seed(1)
    decoder = Decoder(bits=BITS, arch="resnet18").eval()
    messages = torch.cat([torch.eye(BITS), 1 - torch.eye(BITS), torch.zeros(1, BITS), torch.ones(1, BITS)])
    features = []
    head, decoder.decoder.fc = decoder.decoder.fc, nn.Identity()
    for bits in messages:
        frames = TrustMarkEmbedder(encoder, bits[None], "Q").process(clip)
        reader = TrustMarkDetector(decoder, TrustMark(Path("unused"), schema=None))
        reader.update(frames)
        features.append(torch.from_numpy(reader._soft.total / reader._soft.frames).float())
    seen = torch.stack(features)
    middle = seen.mean(dim=0)
    with torch.no_grad():
        head.weight.copy_((torch.linalg.pinv(seen - middle, rtol=1e-3) @ (2 * messages - 1)).T)
        head.bias.copy_(-(head.weight @ middle))
    decoder.decoder.fc = head
    return decoder


@pytest.fixture(scope="module")
def trustmark_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trustmark")
    encoder = painter().eval()
    write_trustmark(
        folder, encoder, taught(encoder, pictures(1)), BITS, "resnet18", width=8, ndown=1, nmiddle=0, activ="none"
    )
    return folder


def test_trustmark_marks_and_reads(trustmark_folder):
    watermark = TrustMark(trustmark_folder, schema=None)
    assert (watermark.name, watermark.algorithm_id) == ("trustmark/Q", "com.adobe.trustmark.Q")
    assert watermark.capacity == BITS
    clip, bits = pictures(2), (0, 1, 1, 0, 1, 0, 0, 1)
    marked = watermark.embedder(bits, width=clip.width, height=clip.height).process(clip)
    difference = marked.luma.astype(int) - clip.luma
    assert np.abs(difference).max() > 2
    assert np.abs(difference[:, 0]).max() <= 3  # fades in
    reading = read(watermark, marked)
    assert reading.payload_bits == bits
    assert reading.false_positive_rate == 1.0
    with pytest.raises(WatermarkError, match="carries 8 bits"):
        TrustMark(trustmark_folder).detector(width=160, height=120)
    with pytest.raises(WatermarkError, match="carries 8 bits"):
        watermark.embedder([0] * 7, width=160, height=120)


def test_trustmark_says_what_is_wrong_with_its_files(trustmark_folder, tmp_path):
    names = ("trustmark_Q.yaml", "encoder_Q.ckpt", "decoder_Q.ckpt")

    def copy(change: str, content: bytes) -> Path:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes(content if name == change else (trustmark_folder / name).read_bytes())
        return folder

    config = (trustmark_folder / names[0]).read_text()
    wide = config.replace("width: 8", "width: 16")
    foreign = config.replace("trustmark.unet.Unet1", "os.system")
    for folder, words in (
        (tmp_path / "absent", "There is no file"),
        (copy(names[0], b"model: [1, 2"), "does not describe a TrustMark model"),
        (copy(names[0], b"- 1"), "does not describe a TrustMark model"),
        (copy(names[0], foreign.encode()), "os.system"),
        (copy(names[0], wide.encode()), "does not fit"),
        (copy(names[1], b"no checkpoint"), "does not fit"),
        (copy(names[2], (trustmark_folder / names[1]).read_bytes()), "does not fit"),
    ):
        with pytest.raises(WeightsError, match=words):
            TrustMark(folder, schema=None).detector(width=160, height=120)


def test_a_checkpoint_that_would_run_code_is_not_loaded(trustmark_folder, tmp_path):
    witness = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (witness,)

    for name in ("trustmark_Q.yaml", "decoder_Q.ckpt"):
        (tmp_path / name).write_bytes((trustmark_folder / name).read_bytes())
    archive = io.BytesIO()
    torch.save({"state_dict": Evil()}, archive)
    for content in (archive.getvalue(), pickle.dumps(Evil(), protocol=2)):
        (tmp_path / "encoder_Q.ckpt").write_bytes(content)
        with pytest.raises(WeightsError, match="does not fit"):
            TrustMark(tmp_path, schema=None).detector(width=160, height=120)
    assert not witness.exists()


# What Adobe's trustmark 0.9.2 embeds for the data bits 010010010... of each schema, as hexadecimal digits.
EMBEDDED = {
    "BCH_SUPER": "49249249248fe6f6a44d33860",
    "BCH_5": "4924924924924923f5111db21",
    "BCH_4": "49249249249249249263c72e2",
    "BCH_3": "4924924924924924924f34823",
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_those_of_the_published_package(name):
    schema = SCHEMAS[name]
    assert schema.data_bits == {"BCH_SUPER": 40, "BCH_5": 61, "BCH_4": 68, "BCH_3": 75}[name]
    bits = [index % 3 % 2 for index in range(schema.data_bits)]
    raw = schema.wrap(bits)
    assert int("".join(map(str, raw)), 2) == int(EMBEDDED[name], 16)
    rng = np.random.default_rng(0)
    for count in range(schema.code.errors + 1):
        received = np.array(raw)
        received[rng.choice(96, count, replace=False)] ^= 1
        assert schema.unwrap(received.tolist()) == tuple(bits)
    assert schema.unwrap([*raw[:-1], 1 - raw[-1]]) is None


def test_random_bits_decode_as_often_as_derived():
    rng, schema = np.random.default_rng(0), SCHEMAS["BCH_3"]
    words = rng.integers(0, 2, (4000, 100)).tolist()
    found = sum(schema.unwrap(word) is not None for word in words)
    expected = 4000 * schema.false_positive_rate
    assert abs(found - expected) < 4 * expected**0.5
    assert Bch(1).random_word_rate(127) == 1  # a perfect code: Hamming (127, 120)


def test_trustmark_reads_exactly_or_not_at_all():
    schema = SCHEMAS["BCH_5"]
    bits = tuple(int(bit) for bit in np.random.default_rng(3).integers(0, 2, 61))
    soft = 2.0 * torch.tensor([schema.wrap(bits)]) - 1

    def reading(flips: int):
        received = soft.clone()
        received[:, 10 : 10 + flips] *= -1
        detector = TrustMarkDetector(lambda batch: received.expand(len(batch), -1), TrustMark(Path("unused")))
        detector.update(pictures(2))
        return detector.result()

    exact, lost = reading(5), reading(9)
    assert exact.payload_bits == bits
    assert exact.false_positive_rate == pytest.approx(4.7e-4, rel=0.01)
    assert lost.payload_bits is None
    assert sum(a != b for a, b in zip(lost.best_bits, bits, strict=True)) == 9


def test_the_marked_region():
    whole = slice(0, 100), slice(0, 180)
    assert region(100, 180, "Q") == whole
    assert region(100, 220, "Q") == (slice(0, 100), slice(60, 160))
    assert region(220, 100, "Q") == (slice(60, 160), slice(0, 100))
    assert region(100, 180, "P") == (slice(0, 100), slice(40, 140))
