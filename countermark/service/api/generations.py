"""What all requests to generate have in common: the policy is asked, then the job is queued."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from countermark.service.faults import ApiError
from countermark.service.jobs import Job, Kind
from countermark.service.plans import PATH, request_of, user_of
from countermark.service.principal import Principal
from countermark.service.state import Service
from countermark.service.tallies import REFUSALS
from policy import check, load_policy
from policy.gate import admit


def submit_plan(
    service: Service,
    principal: Principal,
    kind: Kind,
    plan: dict[str, Any],
    digest: str,
    *,
    parent: str | None = None,
    incoming: Path | None = None,
) -> Job:
    """Ask the policy, then queue. The studio asks it again; this is so that a refusal is known at once.

    What is refused here is remembered as the studio would: it counts, waits for a person who may release it, and passes
    where one has.

    Raises `ApiError`, 400 with the decision when the policy refuses, and as `Service.submit`.
    """
    policy = load_policy(service.settings.policy_file)
    texts = request_of(plan, lambda _: PATH).texts
    for text in dict.fromkeys((*texts, "\n".join(texts))):
        decision = check(text, policy=policy)
        if not decision.allowed:
            decision = admit(text, settings=service.settings, user=user_of(principal.tenant, plan))
        if not decision.allowed:
            service.tallies.add(REFUSALS, category=decision.category or "none")
            service.audit.note(principal, f"{kind}.refused", decision.category or "none")
            raise ApiError(400, "moderation_blocked", decision.reason, param="prompt", decision=decision)
    return service.submit(principal, kind, plan, parent=parent, fingerprint=digest, incoming=incoming)
