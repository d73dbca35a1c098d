"""Try a policy out: run its own test cases, or see what a new version would change for a log of prompts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from countermark.core.errors import ConfigurationError, UsageError
from policy.assemble import Policy, load_policy
from policy.decision import Action, check, check_many
from policy.schema import Example, ExamplesFile, Folder


class Failed(BaseModel):
    """A test case that came out otherwise."""

    model_config = ConfigDict(frozen=True)

    example: Example
    action: Action
    category: str | None


class TrialResult(BaseModel):
    """What became of a policy's test cases."""

    model_config = ConfigDict(frozen=True)

    policy_version: str
    policy_sha256: str
    cases: int
    failed: list[Failed]


class Change(BaseModel):
    """A prompt about which two versions decide differently."""

    model_config = ConfigDict(frozen=True)

    prompt: str
    before: Action
    after: Action
    category_before: str | None
    category_after: str | None


class Difference(BaseModel):
    """What a new version of a policy would change for a log of prompts."""

    model_config = ConfigDict(frozen=True)

    before_sha256: str
    after_sha256: str
    prompts: int
    changes: list[Change]


def run_examples(path: Path) -> TrialResult:
    """Run the test cases that the policy at ``path`` names; raises `ConfigurationError` when it names none."""
    policy = load_policy(path)
    name = policy.rules.file.examples
    if name is None:
        raise ConfigurationError(f"{path} names no examples.", remedy="Add `examples: FILE` to it.")
    cases = Folder(path).read(name, ExamplesFile).examples
    failed = []
    for case in cases:
        decision = check(case.prompt, policy=policy, audience=case.audience)
        if decision.action != case.action or case.category not in {None, decision.category}:
            failed.append(Failed(example=case, action=decision.action, category=decision.category))
    return TrialResult(policy_version=policy.version, policy_sha256=policy.sha256, cases=len(cases), failed=failed)


def compare(before: Policy, after: Policy, prompts: Sequence[str], *, audience: str = "general") -> Difference:
    """Decide about every prompt under both policies."""
    changes = []
    pairs = zip(
        prompts,
        check_many(prompts, policy=before, audience=audience),
        check_many(prompts, policy=after, audience=audience),
        strict=True,
    )
    for prompt, old, new in pairs:
        if (old.action, old.category) != (new.action, new.category):
            change = Change(
                prompt=prompt,
                before=old.action,
                after=new.action,
                category_before=old.category,
                category_after=new.category,
            )
            changes.append(change)
    return Difference(before_sha256=before.sha256, after_sha256=after.sha256, prompts=len(prompts), changes=changes)


def read_prompts(lines: Iterable[str]) -> list[str]:
    """Prompts from lines of text, or from JSON lines with ``prompt`` or ``text``; empty lines are left out.

    Raises `UsageError` for a JSON line without a prompt, or when nothing is left.
    """
    prompts = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith("{"):
            try:
                row = json.loads(text)
            except ValueError:
                row = None
            if isinstance(row, dict):
                text = row.get("prompt") or row.get("text") or ""
                if not isinstance(text, str) or not text.strip():
                    raise UsageError(f"Line {number} has no prompt.", remedy='Give JSON lines with "prompt" or "text".')
        if text:
            prompts.append(text)
    if not prompts:
        raise UsageError("There is no prompt to check.", remedy="Give one prompt a line.")
    return prompts
