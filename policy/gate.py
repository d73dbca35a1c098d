"""The gate before a generator: a decision that is remembered.

`admit` is `policy.check` for somebody: it knows how the user behaved before, writes the decision into the log, puts
what needs a person into the queue, and lets through what a person has released. `admit_given` does the same for the
pictures and videos beside a prompt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from countermark.core.database import database_url
from countermark.core.settings import Settings
from policy.assemble import Policy, load_policy
from policy.consent import consent_among
from policy.decision import Decision, check
from policy.findings import certain
from policy.guard import guard_from_settings
from policy.records import Records, open_records
from policy.vision import UploadRefusedError, check_upload, shown_together

_EXPIRE_EVERY = 3600.0  # seconds between two looks for expired entries
_expired: dict[URL, float] = {}  # when this process looked last, by database


def admit(prompt: str, *, settings: Settings, user: str = "", shown: Mapping[str, float] | None = None) -> Decision:
    """Decide about ``prompt`` of ``user`` (empty: nobody in particular) and remember it.

    A user with several refused or disguised prompts is judged by lower thresholds, then every prompt goes to a person
    (``abuse`` in the policy). A prompt that a reviewer released under this same policy is allowed, with the strict
    output check. Raises as `policy.check`, and `RecordsError` when the decision cannot be recorded: what is not
    recorded is not allowed.
    """
    policy = load_policy(settings.policy_file)
    with open_records(settings) as records:
        decision = _judge(prompt, policy, records, settings, user, shown)
        disguised = decision.allowed and bool(decision.evasion)
        action = "evasion" if disguised else decision.action
        records.log("prompt", action, recorded(decision, prompt, settings), user=user)
        _expire(records, settings)
        if decision.action == "review":
            records.ask(prompt, decision, user=user)
        return decision


def admit_given(
    paths: Sequence[Path], *, settings: Settings, user: str = "", consents: Sequence[str] = ()
) -> dict[str, float]:
    """Examine pictures and videos that are given beside a prompt, and return what they add to it: `admit`'s ``shown``.

    A face needs a token for its file among ``consents``. Raises `UploadRefusedError` when one is refused,
    `RecordsError` when that cannot be recorded, and as `policy.vision.check_upload`.
    """
    uploads = []
    for path in dict.fromkeys(paths):
        upload = check_upload(path, settings=settings, consent=consent_among(consents, path))
        content = upload.model_dump(mode="json", include={"category", "sha256", "frames", "examined", "shown"})
        with open_records(settings) as records:
            records.log("upload", "allow" if upload.allowed else "block", content, user=user)
            _expire(records, settings)
        if not upload.allowed:
            raise UploadRefusedError(path, upload)
        uploads.append(upload)
    return shown_together(uploads)


def appeal(prompt: str, decision: Decision, *, settings: Settings, user: str = "") -> str:
    """Ask for a person's look at a refusal; returns the appeal id. The queue then holds the prompt."""
    with open_records(settings) as records:
        return records.ask(prompt, decision, user=user).appeal_id


def recorded(decision: Decision, prompt: str, settings: Settings) -> dict[str, Any]:
    """What the log keeps of a decision: categories, scores, thresholds, versions; no words of the prompt."""
    findings = [{k: v for k, v in f.model_dump().items() if k != "span"} for f in decision.categories]
    kept = {"appeal_id", "category", "prompt_sha256", "language", "evasion", "output_check", "audience", "report"}
    content = decision.model_dump(mode="json", include={*kept, "policy_version", "policy_sha256"})
    content["categories"] = findings
    if settings.policy_keep_prompts:
        content["prompt"] = prompt
    return content


def _expire(records: Records, settings: Settings) -> None:
    """Drop what is older than the settings keep it, where this process has not done so lately."""
    now, database = time.monotonic(), database_url(settings)
    if now - _expired.get(database, -math.inf) >= _EXPIRE_EVERY:
        _expired[database] = now
        records.expire(settings.policy_retention_days)


def _judge(
    prompt: str,
    policy: Policy,
    records: Records,
    settings: Settings,
    user: str,
    shown: Mapping[str, float] | None,
) -> Decision:
    rules = policy.rules.file
    offences = records.count(user, rules.abuse.window_hours)
    decision = check(
        prompt,
        policy=policy,
        audience=settings.policy_audience,
        shift=rules.abuse.strict_shift if offences >= rules.abuse.strict_after else 0.0,
        shown=shown,
        guard=guard_from_settings(settings),
    )
    if decision.report:
        return decision
    review = records.outcome(decision.appeal_id, user=user)
    if review and review.outcome == "approved":
        text = rules.approved.in_language(decision.language)
        changed = "rewrite" if decision.rewritten_prompt is not None else "allow"
        return decision.model_copy(update={"action": changed, "reason": text, "output_check": "strict"})
    if decision.allowed and offences >= rules.abuse.review_after:
        finding = certain("evasion", "abuse", f"{offences} refusals or disguises in {rules.abuse.window_hours:g} hours")
        return decision.model_copy(
            update={
                "action": "review",
                "category": "evasion",
                "categories": [finding, *decision.categories],
                "reason": rules.watched.in_language(decision.language),
                "rewritten_prompt": None,
            }
        )
    return decision
