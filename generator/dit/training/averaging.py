"""The exponential moving average of weights that every training here ends with."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of ``model`` (in ``.module``) that follows it at ``decay`` with every ``update_parameters(model)``.

    The first updates follow faster, so that the random start does not linger in the average.
    """

    def follow(average: Tensor, value: Tensor, updates: Tensor | int) -> Tensor:
        return average.lerp(value, 1 - min(decay, (1 + int(updates)) / (10 + int(updates))))

    return AveragedModel(model, avg_fn=follow)
