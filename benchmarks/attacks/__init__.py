"""What happens to a video between its maker and whoever asks where it came from, for measuring watermarks.

Every step is a frozen dataclass called with (frames, scene); equal steps on equal frames do the same, whatever ran
before, so one encode serves all attacks that begin with it::

    for attack, received in attacked(marked, ATTACKS, Scene(seed=1)):
        ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from benchmarks.attacks.catalogue import ATTACKS, Attack
from benchmarks.attacks.scene import FPS, Scene, Step
from countermark.core.media import Frames

__all__ = ["ATTACKS", "FPS", "Attack", "Scene", "Step", "attacked"]


def attacked(frames: Frames, attacks: Iterable[Attack], scene: Scene) -> Iterator[tuple[Attack, Frames]]:
    """Each attack with what it makes of ``frames``, in an order in which the first step is done once for all."""
    first: dict[tuple[Step, ...], list[Attack]] = {}
    for attack in attacks:
        first.setdefault(attack.steps[:1], []).append(attack)
    for steps, alike in first.items():
        begun = frames
        for step in steps:
            begun = step(begun, scene)
        for attack in alike:
            received = begun
            for step in attack.steps[1:]:
                received = step(received, scene)
            yield attack, received
