"""What every floor stands on: media, weights, encoders, settings and errors."""

import os

# From 1.32 on onnxruntime collects events about this program and machine for its maker, from its import on.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
