"""The prompt policy: what may be generated, decided before anything is.

``check(prompt)`` returns a `Decision`; the rules are data (``policy/data``), see ``docs/policy.md``.
"""

from __future__ import annotations

from policy.assemble import Policy, load_policy
from policy.decision import CategoryScore, Decision, check

__all__ = ["CategoryScore", "Decision", "Policy", "check", "load_policy"]
