"""What a verification found, by axis."""

from __future__ import annotations

from provenance.judgement import Finding
from provenance.verify import Verification


def one(verification: Verification, axis: str) -> Finding:
    """The only finding on an axis."""
    (finding,) = [f for f in verification.findings if f.axis == axis]
    return finding


def statuses(verification: Verification) -> dict[str, set[str]]:
    """The statuses of all findings on every axis."""
    axes = ("integrity", "trust", "time", "watermark", "recovery", "labels", "ingredients")
    return {axis: {f.status for f in verification.findings if f.axis == axis} for axis in axes}
