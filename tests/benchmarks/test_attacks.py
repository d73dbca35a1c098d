"""Each attack of the watermark benchmark does what it says: sizes, counts, and the pixels themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from moving_clip import COUNT, HEIGHT, WIDTH, cv2, moving
from safetensors.torch import save_file
from torchvision.transforms import functional as tvf

from benchmarks.attacks import ATTACKS, Scene, attacked, codec
from benchmarks.attacks.codec import Coded, Jpeg, Uploaded
from benchmarks.attacks.geometry import Crop, Flip, Letterbox, Perspective, PictureInPicture, Resize, Rotate, Turn
from benchmarks.attacks.picture import Blur, Brightness, Contrast, Hue, Median, Noise, Overlay, Saturation
from benchmarks.attacks.regeneration import DECODER, ENCODER, Regenerate, make_decoder, make_encoder
from benchmarks.attacks.timing import Drop, Duplicate, Excerpt, Retime
from countermark.core.errors import WeightsError
from countermark.core.media import Frames

NAMED = {attack.name: attack for attack in ATTACKS}


@pytest.fixture(scope="module")
def clip() -> Frames:
    return moving()


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    folder = tmp_path_factory.mktemp("taef2")
    torch.manual_seed(0)
    save_file(make_encoder().state_dict(), folder / ENCODER)
    save_file(make_decoder().state_dict(), folder / DECODER)
    return Scene(seed=3, backdrop=moving(60, 80, 7, seed=1), taef2=folder)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


CHANGED = {  # (width, height, frames), where not those of the clip
    "rotate 90": (HEIGHT, WIDTH, COUNT),
    "resize .71": (113, 68, COUNT),
    "resize .55": (88, 52, COUNT),
    "crop .71": (113, 68, COUNT),
    "crop .55": (88, 52, COUNT),
    **{name: (113, 68, COUNT) for name in NAMED if name.startswith("combined")},
    "frames dropped 10 %": (WIDTH, HEIGHT, 27),
    "frames dropped 50 %": (WIDTH, HEIGHT, 15),
    "frames doubled 10 %": (WIDTH, HEIGHT, 33),
    "24 to 30 frames a second": (WIDTH, HEIGHT, 37),
    "excerpt of 1 s": (WIDTH, HEIGHT, 24),
    "single frame": (WIDTH, HEIGHT, 1),
    "re-recorded: resize .8, rotate 2, blur 5, noise 4": (128, 76, COUNT),
    "letterbox": (WIDTH, HEIGHT * 4 // 3, COUNT),
    "aspect 4:3 from 16:9": (120, HEIGHT, COUNT),
    "regenerated (TAEF2), 8 frames": (WIDTH, HEIGHT, 8),
}


def test_every_attack_gives_frames_of_its_size_and_number(clip, scene):
    assert len(NAMED) == len(ATTACKS)
    assert set(CHANGED) <= set(NAMED)
    seen = set()
    for attack, received in attacked(clip, ATTACKS, scene):
        seen.add(attack.name)
        shape = (received.width, received.height, len(received))
        assert shape == CHANGED.get(attack.name, (WIDTH, HEIGHT, COUNT)), attack.name
        assert received.chroma.shape[2:] == ((received.height + 1) // 2, (received.width + 1) // 2), attack.name
        assert received.luma.dtype == received.chroma.dtype == np.uint8
        assert len(received.pts) == len(received)
        assert (np.diff(received.pts) > 0).all(), attack.name
        if attack.steps and len(received) == COUNT and received.luma.shape == clip.luma.shape:
            changed = not np.array_equal(received.luma, clip.luma) or not np.array_equal(received.chroma, clip.chroma)
            assert changed, attack.name
    assert seen == set(NAMED)


def test_chance_depends_on_the_seed_and_nothing_else(clip, scene):
    for step in (Crop(0.5), Perspective(0.5), Drop(0.5), Excerpt(5), Noise(4)):
        first, again = step(clip, scene), step(clip, scene)
        assert np.array_equal(first.luma, again.luma)
        assert not np.array_equal(first.luma, step(clip, Scene(seed=4)).luma)


def test_attacks_that_begin_alike_share_the_encode(clip, scene, monkeypatch):
    calls = []
    encode = codec.round_trip
    monkeypatch.setattr(codec, "round_trip", lambda *given, **options: calls.append(given) or encode(*given, **options))
    alone = NAMED["H.264 CRF 40"]
    both = list(attacked(clip, [alone, NAMED["combined: H.264 CRF 40, crop .71, brightness .5"]], scene))
    assert len(calls) == 1
    expected = Brightness(0.5)(Crop(0.71)(both[0][1], scene), scene)
    assert np.array_equal(both[1][1].luma, expected.luma)


@pytest.mark.parametrize("name", ["libx264", "libx265", "libsvtav1"])
def test_a_higher_rate_factor_costs_quality(clip, scene, name):
    fine, coarse = (psnr(Coded(name, crf)(clip, scene).luma, clip.luma) for crf in (20, 50))
    assert fine > 34
    assert coarse < fine - 5


def test_frames_stay_in_order_through_a_codec(clip, scene):
    received = Coded("libvpx-vp9", -1)(clip, scene)
    for t in range(COUNT):
        assert psnr(received.luma[t], clip.luma[t]) == max(psnr(received.luma[t], other) for other in clip.luma)


def test_odd_sizes_are_padded_with_black(scene):
    received = Coded("libx264", 10)(moving(65, 97, 3), scene)
    assert (received.width, received.height) == (98, 66)
    assert received.luma[:, :, -1].mean() < 40
    assert received.luma[:, :, -2].mean() > 60


def test_uploads_shrink_to_the_short_side_and_never_enlarge(scene):
    tall = moving(128, 72, 4)
    assert Uploaded(36, 500)(tall, scene).luma.shape == (4, 64, 36)
    assert Uploaded(480, 500)(tall, scene).luma.shape == tall.luma.shape


def test_jpeg_is_what_pillow_writes(clip, scene):
    received = Jpeg(40)(clip, scene)
    assert 25 < psnr(received.luma, clip.luma) < 45
    assert psnr(received.luma, clip.luma) < psnr(Jpeg(95)(clip, scene).luma, clip.luma)


def test_flips_and_turns_undo_themselves(clip, scene):
    assert np.array_equal(Flip()(clip, scene).luma, clip.luma[:, :, ::-1])
    assert np.array_equal(Flip()(Flip()(clip, scene), scene).chroma, clip.chroma)
    turned = clip
    for _ in range(4):
        turned = Turn()(turned, scene)
    assert np.array_equal(turned.luma, clip.luma)
    assert np.array_equal(Turn()(clip, scene).luma, tvf.rotate(torch.from_numpy(clip.luma), 90, expand=True).numpy())


def test_a_crop_is_a_window_of_the_clip(clip, scene):
    received = Crop(0.55)(clip, scene)
    places = [
        (top, left)
        for top in range(0, HEIGHT - 52 + 1, 2)
        for left in range(0, WIDTH - 88 + 1, 2)
        if np.array_equal(clip.luma[:, top : top + 52, left : left + 88], received.luma)
    ]
    ((top, left),) = places
    assert np.array_equal(clip.chroma[:, :, top // 2 : top // 2 + 26, left // 2 : left // 2 + 44], received.chroma)


def test_geometry_agrees_with_torchvision(clip, scene):
    luma = torch.from_numpy(clip.luma)
    small = tvf.resize(luma.float(), [68, 113], antialias=True).round().numpy()
    assert np.array_equal(Resize(0.71, 0.71)(clip, scene).luma, small)
    for degrees in (10, 45):
        turned = tvf.rotate(luma, degrees, fill=[16]).numpy()
        same = Rotate(degrees)(clip, scene).luma == turned
        assert same.mean() > 0.99  # nearest neighbours differ where two are equally near
    corner = Rotate(45)(clip, scene)
    assert (corner.luma[:, 0, 0] == 16).all()
    assert (corner.chroma[:, :, 0, 0] == 128).all()


def test_perspective_moves_each_corner_inwards_and_leaves_black(scene):
    white = Frames(np.full((1, 200, 300), 235, np.uint8), np.full((1, 2, 100, 150), 90, np.uint8), np.arange(1))
    received = Perspective(0.5)(white, scene)
    y, x = np.nonzero(received.luma[0] > 120)
    assert 0.25 < len(y) / received.luma[0].size < 1
    for corner in ((0, 0), (0, 299), (199, 0), (199, 299)):
        away = np.abs(np.stack((y, x), 1) - corner)
        nearest = away[away.sum(axis=1).argmin()]
        assert nearest[0] <= 51
        assert nearest[1] <= 76
    covered = cv2.resize(received.luma[0], (150, 100), interpolation=cv2.INTER_AREA) > 225
    assert (received.chroma[0][:, covered] < 93).all()


def test_values_agree_with_torchvision(clip, scene):
    rgb = torch.from_numpy(clip.to_rgb()).permute(0, 3, 1, 2).float() / 255
    for step, expected in (
        (Brightness(0.5), tvf.adjust_brightness(rgb, 0.5)),
        (Brightness(1.5), tvf.adjust_brightness(rgb, 1.5)),
        (Contrast(0.5), tvf.adjust_contrast(rgb, 0.5)),
        (Contrast(1.5), tvf.adjust_contrast(rgb, 1.5)),
        (Saturation(0.5), tvf.adjust_saturation(rgb, 0.5)),
        (Saturation(1.5), tvf.adjust_saturation(rgb, 1.5)),
        (Saturation(0.0), tvf.rgb_to_grayscale(rgb, 3)),
        (Hue(0.25), tvf.adjust_hue(rgb, 0.25)),
    ):
        codes = (expected.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
        wanted = Frames.from_rgb(codes, pts=clip.pts)
        assert np.abs(step(clip, scene).luma.astype(int) - wanted.luma).max() <= 1, step
        assert np.abs(step(clip, scene).chroma.astype(int) - wanted.chroma).max() <= 1, step


def test_blur_median_and_noise(clip, scene):
    blurred = tvf.gaussian_blur(torch.from_numpy(clip.luma)[:, None].float(), [9, 9])[:, 0].numpy()
    assert np.abs(Blur(9)(clip, scene).luma - blurred).max() <= 1
    window = np.lib.stride_tricks.sliding_window_view(clip.luma[0], (9, 9))
    assert np.array_equal(Median(9)(clip, scene).luma[0, 4:-4, 4:-4], np.median(window, axis=(2, 3)))
    difference = Noise(4)(clip, scene).luma.astype(float) - clip.luma
    assert 3.5 < difference.std() < 4.5
    assert abs(np.corrcoef(difference[0].ravel(), difference[1].ravel())[0, 1]) < 0.05


def test_time(clip, scene):
    kept = Drop(0.5)(clip, scene)
    found = [t for t, frame in enumerate(clip.luma) if any(np.array_equal(frame, other) for other in kept.luma)]
    assert np.array_equal(clip.luma[found], kept.luma)
    assert not np.array_equal(found, np.arange(15))
    doubled = Duplicate(0.1)(clip, scene)
    assert sum(np.array_equal(a, b) for a, b in zip(doubled.luma, doubled.luma[1:], strict=False)) == 3
    faster = Retime(30)(clip, scene)
    assert np.array_equal(faster.luma[::5], clip.luma[::4])
    assert np.array_equal(faster.luma[1::5], clip.luma[::4][: len(faster.luma[1::5])])
    excerpt = Excerpt(5)(clip, scene)
    assert any(np.array_equal(clip.luma[t : t + 5], excerpt.luma) for t in range(COUNT - 4))
    assert len(Excerpt(24)(moving(count=3), scene)) == 3


def test_overlays_cover_a_little_and_stay_where_they_are(clip, scene):
    received = Overlay()(clip, scene)
    covered = (received.luma != clip.luma).mean(axis=0)
    assert 0.03 < (covered > 0.5).mean() < 0.25
    assert (covered[HEIGHT // 3 : HEIGHT // 2] == 0).all()
    logo = received.luma[:, 5:9, -13:-9]
    assert logo.std(axis=0).max() == 0


def test_letterbox_and_picture_in_picture(clip, scene):
    boxed = Letterbox()(clip, scene)
    assert (boxed.luma[:, :16] == 16).all()
    assert (boxed.chroma[:, :, -8:] == 128).all()
    assert np.array_equal(boxed.luma[:, 16:-16], clip.luma)
    received = PictureInPicture()(clip, scene)
    inner = Resize(0.5, 0.5)(clip, scene)
    places = [
        (top, left)
        for top in range(0, HEIGHT // 2 + 1, 2)
        for left in range(0, WIDTH // 2 + 1, 2)
        if np.array_equal(received.luma[:, top : top + HEIGHT // 2, left : left + WIDTH // 2], inner.luma)
    ]
    assert len(places) == 1
    with pytest.raises(ValueError, match="second clip"):
        PictureInPicture()(clip, Scene())


def test_regeneration_needs_weights(clip, tmp_path):
    for folder in (None, tmp_path):
        with pytest.raises(WeightsError, match="taef2_encoder"):
            Regenerate(1)(clip, Scene(taef2=folder))


def test_the_published_autoencoder_regenerates(shared_data):
    folder = shared_data / "models" / "taef2"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    clip = moving(100, 140, 1)
    received = Regenerate(1)(clip, Scene(taef2=folder))
    assert 30 < psnr(received.luma, clip.luma) < 50
