"""Whatever went wrong, as one line with its remedy, an exit code, and an object for ``--json``."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from countermark.cli.page import Page, Row, printable, show
from countermark.core.errors import CountermarkError, PolicyRefusedError, UsageError

if TYPE_CHECKING:
    from policy import Decision

DEBUG = "COUNTERMARK_DEBUG"


@dataclass(frozen=True)
class Failure:
    """A failure as the user gets it. ``decision`` is the policy's, where it refused."""

    code: str
    message: str
    remedy: str
    exit_code: int
    decision: Decision | None = None

    def as_json(self) -> dict[str, Any]:
        """``{"error": {"code", "message", "remedy"}}``, with ``decision`` beside them where the policy refused."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "remedy": self.remedy}
        if self.decision is not None:
            error["decision"] = self.decision.model_dump(mode="json")
        return {"error": error}


def failure_from(error: Exception) -> Failure:
    """Sort an exception into the exit codes; what nobody foresaw is an internal error."""
    if isinstance(error, CountermarkError):
        # The studio's refusal carries its decision. Its class lives beside torch, which is not imported for this.
        decision = getattr(error, "decision", None) if isinstance(error, PolicyRefusedError) else None
        return Failure(error.code, error.cause, error.remedy, error.exit_code, decision)
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "countermark"
        message = error.format_message().rstrip(".").replace("Value error, ", "")  # pydantic's name for any bad value
        remedy = f"See `{command} --help`."
        if message.startswith("No such option"):  # or a prompt or a file's name that looks like one
            remedy = f'See `{command} --help`; put -- before what is no option but begins with "-".'
        return Failure(UsageError.code, f"{message}.", remedy, UsageError.exit_code)
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        return Failure("system", f"{what}.", "Check the path, its permissions and the free space.", 4)
    what = f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0].rstrip(".")
    return Failure("internal", f"internal error, {what}.", f"Run again with {DEBUG}=1 for the traceback.", 4)


def show_failure(failure: Failure, error: Exception) -> None:
    """One line on standard error; a refusal adds what the policy says. With ``COUNTERMARK_DEBUG`` the traceback too."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    if failure.decision is None:
        print(f"countermark: {printable(failure.message)} {printable(failure.remedy)}", file=sys.stderr)
        return
    decision = failure.decision
    rows = [Row("category", decision.category or "none"), Row("policy", f"version {decision.policy_version}")]
    rows.append(Row("appeal id", decision.appeal_id))
    if decision.support_message:
        rows.append(Row("help", decision.support_message))
    show(Page("countermark: refused by policy.", decision.reason, tuple(rows), "bold red"), sys.stderr)
