"""The command line ``countermark``; see ``docs/cli.md``."""

from __future__ import annotations

from countermark.cli.app import main

__all__ = ["main"]
