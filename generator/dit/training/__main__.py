"""Train one network: ``python -m generator.dit.training NETWORK [OPTIONS]`` is ``python -m`` of its own module."""

from __future__ import annotations

import sys
from pkgutil import iter_modules
from runpy import run_module

from generator.dit import training

HELPERS = {"averaging", "start", "__main__"}


def main() -> None:
    """Run the module that is named first, with the rest of the command line."""
    steps = [module.name for module in iter_modules(training.__path__) if module.name not in HELPERS]
    if len(sys.argv) < 2 or sys.argv[1] not in steps:
        sys.exit(f"usage: python -m generator.dit.training {{{','.join(steps)}}} [--help]")
    name = f"{training.__name__}.{sys.argv.pop(1)}"
    run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
