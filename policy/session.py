"""The packaged networks of this room, opened with onnxruntime."""

from __future__ import annotations

from functools import cache
from typing import Any

from countermark.core.settings import Settings
from countermark.core.weights import Asset, locate


@cache
def session_of(asset: Asset, settings: Settings) -> Any:  # noqa: ANN401 (onnxruntime has no types)
    """An onnxruntime session of a checked weight file, on one thread; opened once per process.

    Raises `WeightsError` when the file is missing or is not the expected one.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = locate(asset, settings=settings).path
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
