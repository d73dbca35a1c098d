"""The prompt policy: what may be generated, decided before anything is.

``check(prompt)`` returns a `Decision`; the rules are data (``policy/data``), see ``docs/policy.md``.
"""

from __future__ import annotations

from policy.assemble import Policy, load_policy
from policy.decision import Decision, check, check_many
from policy.findings import CategoryScore

__all__ = ["CategoryScore", "Decision", "Policy", "check", "check_many", "load_policy"]
