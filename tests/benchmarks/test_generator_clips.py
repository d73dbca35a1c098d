"""Renders of known truth, and what `benchmarks.generator_fidelity` says of clips that go wrong in a known way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import generator_fidelity as fidelity
from benchmarks.generator_clips import FRAMES, covered, filmed, lit, psnr, related, rgb, signal
from benchmarks.generator_direction import global_motion, holds, read_light, read_move, where
from benchmarks.generator_fidelity import frechet, stays
from benchmarks.generator_tasks_given import kept, overlapping
from generator.world.clips import ClipSpec, render, track
from generator.world.relations import Link, Relation

CAR = ClipSpec("car", "red", "right", "snow", 5)
FISH = ClipSpec("fish", "purple", "rise", "sea", 6)


@pytest.mark.parametrize("move", ["pan left", "zoom out", "roll"])
def test_a_render_is_filmed_as_it_is_said(move):
    away = torch.tensor([5.0, 5.0, 0.3]).expand(FRAMES, 3)
    assert read_move(global_motion(filmed(CAR, move), away)) == move


def test_a_render_that_nobody_films_or_lights_is_the_render():
    frames = render(CAR, frames=FRAMES).frames
    assert np.array_equal(filmed(CAR, "still"), frames)
    assert np.array_equal(lit(CAR, "day"), frames)
    assert read_light(lit(CAR, "night"), CAR) == "night"


@pytest.mark.parametrize("relation", ["left", "right", "above", "below", "chase", "collide"])
def test_renders_are_related_as_it_is_said(relation: Relation):
    frames, plans = related((CAR, FISH), (Link(relation),))
    exact = plans[..., :2].double().numpy()
    assert holds(relation, *exact)
    found = [where(frames, spec.colour)[:, :2] for spec in (CAR, FISH)]
    assert np.nanmax(np.abs(np.array(found) - exact)) < 0.06


def test_what_is_in_front_covers_what_is_behind():
    over, _ = related((CAR, FISH), (Link("front"),))
    under, _ = related((CAR, FISH), (Link("behind"),))
    purple = [np.nanmean(np.prod(where(frames, "purple")[:, 2:], axis=1)) for frames in (over, under)]
    assert purple[0] < purple[1]


def test_covered_pixels_are_those_of_the_subject():
    clip = render(CAR, frames=3)
    mask = covered(clip)
    changed = np.abs(clip.frames.astype(int) - clip.background).max(3) > 0
    assert mask[changed].mean() > 0.85
    assert (np.abs(clip.frames[mask].astype(int) - clip.background[mask]).max(1) > 8).mean() > 0.9
    columns = mask[0].nonzero()[1]
    assert abs(columns.mean() / 256 - track(CAR, 3)[0, 0]) < 0.03
    assert overlapping(mask, mask) == 1
    assert overlapping(mask, np.roll(mask, 128, axis=2)) < 0.1


def test_psnr_is_infinite_only_for_the_same():
    one = np.full((1, 4, 4, 3), 100, np.uint8)
    assert psnr(one, one) == np.inf
    assert psnr(one, one + 1) == pytest.approx(20 * np.log10(255))
    assert kept([np.inf, np.inf]) == "infinite: the same to the bit, 2 of 2"
    assert kept([np.inf, 40.0]) == "inf, 40.0"
    assert np.array_equal(rgb(signal(one)), one)


def test_frechet_distance_of_known_sets():
    points = np.random.default_rng(0).normal(size=(50, 3))
    assert frechet(points, points) == pytest.approx(0, abs=1e-9)
    assert frechet(points, points + np.array([1, 0, 2])) == pytest.approx(5)
    spread = np.square(points - points.mean(0)).sum() / 49
    assert frechet(points, 3 * points - 2 * points.mean(0)) == pytest.approx(4 * spread)


def test_what_does_not_stay_is_seen(monkeypatch):
    # Mean colours stand for the image encoder, which a bare machine does not have.
    monkeypatch.setattr(fidelity, "embedded", lambda frames: frames.mean((2, 3)).double().numpy() + 2)
    steady = render(CAR, frames=FRAMES).frames
    other = render(ClipSpec("house", "green", "right", "snow", 5), frames=FRAMES).frames
    swapped = np.concatenate((steady[:12], other[12:]))
    good, bad = stays(steady, CAR), stays(swapped, CAR)
    assert all(good[kind] == 1 for kind in fidelity.STAYS)
    assert bad["subject"] == bad["colour"] == 0.5
    assert bad["scene"] == 1
    assert bad["colour change"] > 2 * good["colour change"]
    assert bad["subject looks"] < good["subject looks"]

    brighter = steady.copy()
    brighter[12:] = np.minimum(brighter[12:].astype(int) + 40, 255)
    assert stays(brighter, CAR)["largest step"] > 3 * good["largest step"]
    flickering = steady.copy()
    flickering[::2] = flickering[::2] // 8 * 7
    assert stays(flickering, CAR)["flicker"] > 3 * good["flicker"]
