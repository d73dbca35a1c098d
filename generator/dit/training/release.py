"""Put trained networks into the package: ``python -m generator.dit.training.release RUNS``.

Weights are stored as float16, half the size, and computed with in float32. What they draw is measured as stored
(``python -m benchmarks.generator``).
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from safetensors.torch import load_file, save_file

NETWORKS = (
    "planner",
    "transformer",
    "transformer_fast",
    "autoencoder",
    "painter",
    "judge",
    "locator",
    "close_up",
    "upscaler",
)
WEIGHTS = Path(__file__).parents[2] / "weights"


def main() -> None:
    """Convert every network found in the folder of runs, and print its size and SHA-256 for the model card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="folder with planner.safetensors, transformer.safetensors, ...")
    args = parser.parse_args()
    for name in NETWORKS:
        source, target = args.runs / f"{name}.safetensors", WEIGHTS / f"{name}.safetensors"
        if not source.exists():
            continue
        save_file({key: tensor.half().contiguous() for key, tensor in load_file(source).items()}, target)
        target.chmod(0o644)
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        print(f"{name}  {target.stat().st_size / 1e6:.1f} MB  {digest}")


if __name__ == "__main__":
    main()
