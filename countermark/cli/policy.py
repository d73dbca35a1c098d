"""``countermark policy`` and ``countermark review``: for those who run a policy, and ``check`` for whole files."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from countermark.cli.outcome import NEGATIVE, YES, Outcome
from countermark.cli.page import Page, Row, counted
from countermark.cli.progress import progress
from countermark.core.errors import PolicyRefusedError, UsageError
from countermark.core.settings import get_settings

policy = typer.Typer(help="The policy itself: what it is, its test cases, its log.", no_args_is_help=True)
review = typer.Typer(help="Prompts that wait for a person.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on standard output.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The appeal id.", show_default=False)]
Reviewer = Annotated[str, typer.Option("--by", help="Who decides.", show_default=False)]
Note = Annotated[str, typer.Option(help="Why.")]
_SHOWN = 60  # characters of a prompt on one line


class Report(BaseModel):
    """Anything that ``--json`` prints as a list."""

    items: list[BaseModel]

    def model_dump_json(self, *, indent: int | None = None, **_: object) -> str:
        """Each item with its own fields, not only those of the base class."""
        import json

        rows = [item.model_dump(mode="json") for item in self.items]
        return json.dumps({"items": rows}, indent=indent, ensure_ascii=False)


def check_file(name: str, audience: str, as_json: bool) -> Outcome:
    """Decide about every prompt of a file; ``-`` is standard input."""
    from policy import check_many, load_policy
    from policy.trial import read_prompts

    prompts = read_prompts(_lines(name))
    with progress(f"checking {counted(len(prompts), 'prompt')}"):
        decisions = check_many(prompts, policy=load_policy(get_settings().policy_file), audience=audience)
    rows = []
    for prompt, decision in zip(prompts, decisions, strict=True):
        if decision.action != "allow":
            rows.append(Row(decision.action, f"{decision.category}: {_short(prompt)}"))
    counts = Counter(decision.action for decision in decisions)
    sentence = ", ".join(f"{count} {action}" for action, count in sorted(counts.items()))
    code = YES if all(decision.allowed for decision in decisions) else PolicyRefusedError.exit_code
    page = Page(counted(len(prompts), "prompt"), f"{sentence}.", tuple(rows))
    return Outcome(page, code, Report(items=list(decisions)), as_json)


@policy.command()
def show(file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A policy.yaml.")] = None) -> Outcome:
    """Say which policy is in force: version, digest, audiences, categories with their strongest decision."""
    from policy import load_policy

    loaded = load_policy(file or get_settings().policy_file)
    rules = loaded.rules.file
    rows = [Row("digest", loaded.sha256), Row("audiences", ", ".join(rules.audiences))]
    rows += [Row(c.id, f"{c.title.en}: {c.action}, by {c.decided_by}") for c in rules.categories]
    return Outcome(Page(f"Policy {loaded.version}", "", tuple(rows)))


@policy.command()
def test(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A policy.yaml.")] = None, as_json: AsJson = False
) -> Outcome:
    """Run a policy's own test cases; exits with 1 when one comes out otherwise."""
    from policy.schema import BUNDLED
    from policy.trial import run_examples

    with progress("testing the policy"):
        result = run_examples(file or get_settings().policy_file or BUNDLED / "policy.yaml")
    rows = []
    for item in result.failed:
        wanted = f"{item.example.action} {item.example.category or ''}".strip()
        rows.append(Row("failed", f"{item.action} {item.category or ''}, not {wanted}: {item.example.prompt}"))
    headline = "The policy holds" if not result.failed else "The policy fails its test cases"
    sentence = f"{result.cases - len(result.failed)} of {result.cases} cases, version {result.policy_version}."
    style = "bold green" if not result.failed else "bold red"
    return Outcome(Page(headline, sentence, tuple(rows), style), NEGATIVE if result.failed else YES, result, as_json)


@policy.command()
def diff(
    old: Annotated[Path, typer.Argument(help="A policy.yaml.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="Another one.", show_default=False)],
    log: Annotated[Path, typer.Argument(help="Prompts: one a line, or JSON lines.", show_default=False)],
    *,
    audience: Annotated[str, typer.Option(help="Whose thresholds hold.")] = "general",
    as_json: AsJson = False,
) -> Outcome:
    """Show what would change for a log of prompts; exits with 1 when anything would."""
    from policy import load_policy
    from policy.trial import compare, read_prompts

    with progress("comparing"):
        prompts = read_prompts(_lines(str(log)))
        result = compare(load_policy(old), load_policy(new), prompts, audience=audience)
    rows = [
        Row(f"{c.before} -> {c.after}", f"{c.category_after or c.category_before}: {_short(c.prompt)}")
        for c in result.changes
    ]
    sentence = f"{len(result.changes)} of {result.prompts} decisions would change."
    return Outcome(Page("Difference", sentence, tuple(rows)), NEGATIVE if result.changes else YES, result, as_json)


@policy.command()
def upload(
    file: Annotated[Path, typer.Argument(help="A reference image or video.", show_default=False)],
    consent: Annotated[str | None, typer.Option(help="A consent token for this file.")] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Examine a reference image or video; exits with 3 when it is refused."""
    from policy.vision import check_upload

    with progress(f"examining {file}"):
        result = check_upload(file, settings=get_settings(), consent=consent)
    rows = [
        Row(f.category, f"{f.source} {f.score:.2f} (limit {f.threshold:.2f}) {f.span or ''}") for f in result.findings
    ]
    rows.append(Row("examined", f"{counted(result.frames, 'frame')} for {', '.join(result.examined)}"))
    headline, style = ("Accepted", "bold green") if result.allowed else ("Refused", "bold red")
    code = YES if result.allowed else PolicyRefusedError.exit_code
    return Outcome(Page(headline, result.reason, tuple(rows), style), code, result, as_json)


@policy.command()
def consent(
    file: Annotated[Path, typer.Argument(help="The upload it is for.", show_default=False)],
    person: Annotated[str, typer.Option(help="Who agreed.", show_default=False)],
    days: Annotated[float, typer.Option(help="How long it holds.")] = 30,
) -> Outcome:
    """Issue a consent token: the persons in this one file agreed to its use."""
    from countermark.core.digest import sha256_of
    from policy.consent import issue_consent

    token = issue_consent(sha256_of(file), person, settings=get_settings(), days=days)
    return Outcome(Page(token))


@policy.command()
def log(
    expire: Annotated[bool, typer.Option("--expire", help="Drop what is older than the retention allows.")] = False,
    as_json: AsJson = False,
) -> Outcome:
    """Verify the policy's log, and print it with --json; exits with 4 when it was altered."""
    from policy.records import open_records

    with open_records(get_settings()) as records:
        gone = records.expire(get_settings().policy_retention_days) if expire else 0
        count = records.verify()
        entries = records.entries() if as_json else []
    rows = (Row("dropped", str(gone)),) if expire else ()
    page = Page("The log is unbroken", f"{counted(count, 'entry')}, each bound to the one before.", rows, "bold green")
    return Outcome(page, YES, Report(items=list(entries)), as_json)


@review.command("list")
def list_reviews(
    decided: Annotated[bool, typer.Option("--all", help="Also what was decided.")] = False, as_json: AsJson = False
) -> Outcome:
    """List the prompts that wait for a person, oldest first."""
    from policy.records import open_records

    with open_records(get_settings()) as records:
        found = records.reviews(None if decided else "waiting")
    rows = []
    for item in found:
        text = _short(item.prompt) if item.prompt else f"{item.outcome} by {item.reviewer}"
        rows.append(Row(item.appeal_id, f"{item.decision['category']}: {text}"))
    return Outcome(Page(f"{len(found)} in the queue", "", tuple(rows)), YES, Report(items=list(found)), as_json)


@review.command()
def approve(appeal_id: Id, by: Reviewer, note: Note = "") -> Outcome:
    """Release a prompt: who asked with it may generate from it."""
    return _decide(appeal_id, by, note, approve=True)


@review.command()
def reject(appeal_id: Id, by: Reviewer, note: Note = "") -> Outcome:
    """Confirm a refusal."""
    return _decide(appeal_id, by, note, approve=False)


def _decide(appeal_id: str, by: str, note: str, *, approve: bool) -> Outcome:
    from policy.records import open_records

    with open_records(get_settings()) as records:
        done = records.decide(appeal_id, approve=approve, reviewer=by, note=note)
    return Outcome(Page("Released" if approve else "Rejected", f"{appeal_id}, for {counted(len(done), 'user')}."))


def _lines(name: str) -> list[str]:
    """The lines of a file; ``-`` is standard input. Raises `UsageError` for one that is not text."""
    try:
        # As bytes: text from standard input is read by the locale, of which some let through what is no UTF-8.
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        what = "Standard input" if name == "-" else name
        raise UsageError(f"{what} is not UTF-8 text.", remedy="Save it as UTF-8.") from error
    return text.splitlines()


def _short(prompt: str) -> str:
    text = " ".join(prompt.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
