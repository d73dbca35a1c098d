"""The same arithmetic on numpy arrays and, for GPUs, on torch tensors.

Functions of this package that carry pixels take either and give back what they were given; `namespace` has the
functions of the Python array API standard for it. A *place* says where arrays live: None for numpy, else a torch
device.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

from countermark.core.errors import ConfigurationError

#: A numpy array or a torch tensor. The array API has no type for both; shapes and dtypes are in the docstrings.
Array = Any
#: None (numpy) or a `torch.device`.
Place = Any


def namespace(array: Array) -> Array:
    """The array API's functions for this kind of array."""
    return array_api_compat.array_namespace(array)


def place_of(array: Array) -> Place:
    """Where the array lives."""
    return None if isinstance(array, np.ndarray) else array.device


def put(array: npt.NDArray[Any], place: Place) -> Array:
    """A numpy array at a place; the array itself if that is numpy."""
    if place is None:
        return array
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(place)


def fetch(array: Array) -> npt.NDArray[Any]:
    """Any array as numpy."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


@lru_cache(maxsize=4)
def place_named(device: str | None) -> Place:
    """The place of a device name: None or "" for numpy, else torch's name ("cuda", "cuda:1", "cpu").

    Raises :class:`ConfigurationError` for a device that this machine does not have.
    """
    if not device:
        return None
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(
            f"The watermark cannot run on the device {device!r}: {str(error).splitlines()[0]}",
            remedy="Name a device that torch has here, such as cuda or cpu, or none to use numpy.",
        ) from error
    return torch.device(device)
