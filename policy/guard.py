"""An external guard model beside our own heads: any model behind an OpenAI-compatible chat endpoint.

Two dialects are read: Qwen3Guard (``Safety: Unsafe`` and ``Categories: ...``) and Llama Guard (``unsafe`` and ``S1,S2``
on the next line). What the guard calls unsafe is refused, what it calls controversial goes to a person; what it calls
safe changes nothing, for our own findings stand. A guard that is configured and does not answer stops everything.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from countermark.core.errors import ConfigurationError, CountermarkError
from countermark.core.settings import Settings
from policy.assemble import Policy
from policy.findings import Graded, certain

Dialect = Literal["qwen3guard", "llamaguard"]
_LIMIT = 1 << 20  # bytes of an answer that are read

# Names and codes of the models' own hazards, from their model cards, to our categories.
_QWEN = {
    "violent": "graphic_violence",
    "non-violent illegal acts": "illicit",
    "sexual content or sexual acts": "sexual",
    "pii": "privacy",
    "personally identifiable information": "privacy",
    "suicide & self-harm": "self_harm",
    "unethical acts": "hate",
    "politically sensitive topics": "political_deception",
    "copyright violation": "intellectual_property",
}
_LLAMA = {
    "S1": "graphic_violence",
    "S2": "illicit",
    "S3": "sexual",
    "S4": "minors_sexual",
    "S5": "private_likeness",
    "S7": "privacy",
    "S8": "intellectual_property",
    "S9": "illicit",
    "S10": "hate",
    "S11": "self_harm",
    "S12": "sexual",
    "S13": "political_deception",
}
_OTHER = "dangerous_acts"  # a hazard for which this policy has no category of its own


class GuardError(CountermarkError):
    """The configured external guard gave no usable verdict."""

    code = "guard"
    http_status: ClassVar[int] = 503


class Verdict(BaseModel):
    """What a guard said: ``hazards`` are in its own words."""

    model_config = ConfigDict(frozen=True)

    safety: Literal["safe", "controversial", "unsafe"]
    hazards: list[str] = []


def read_qwen3guard(text: str) -> Verdict:
    """Read Qwen3Guard's answer; raises `GuardError` when it is none."""
    safety = re.search(r"Safety:\s*(Safe|Unsafe|Controversial)", text)
    if not safety:
        raise _unreadable(text)
    line = re.search(r"Categories:\s*(.+)", text)
    named = [name.strip() for name in line[1].split(",")] if line else []
    return Verdict(safety=safety[1].lower(), hazards=[n for n in named if n.lower() != "none"])  # type: ignore[arg-type]


def read_llamaguard(text: str) -> Verdict:
    """Read Llama Guard's answer; raises `GuardError` when it is none."""
    lines = text.split()
    if not lines or lines[0].lower() not in {"safe", "unsafe"}:
        raise _unreadable(text)
    return Verdict(safety=lines[0].lower(), hazards=re.findall(r"S\d+", " ".join(lines[1:])))  # type: ignore[arg-type]


_READERS: dict[Dialect, Callable[[str], Verdict]] = {"qwen3guard": read_qwen3guard, "llamaguard": read_llamaguard}


class Guard:
    """A guard model at ``url`` (the base, such as ``http://127.0.0.1:8000/v1``)."""

    def __init__(
        self, url: str, model: str, *, dialect: Dialect = "qwen3guard", key: str = "", timeout: float = 10.0
    ) -> None:
        if not url.lower().startswith(("http://", "https://")):
            raise ConfigurationError(
                f"The guard's address {url!r} is not http(s).", remedy="Set COUNTERMARK_GUARD_URL."
            )
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._model, self._dialect, self._key, self._timeout = model, dialect, key, timeout

    def ask(self, prompt: str) -> Verdict:
        """The guard's verdict on ``prompt``; raises `GuardError` when there is none."""
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "temperature": 0,
            "max_tokens": 64,
        }
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers)  # noqa: S310 (checked above)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                content: Any = json.loads(answer.read(_LIMIT))
            text = content["choices"][0]["message"]["content"]
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise GuardError(
                f"The guard model gave no verdict ({type(error).__name__}: {error}).",
                remedy="Check the server at COUNTERMARK_GUARD_URL, or unset it to do without a guard.",
            ) from error
        return _READERS[self._dialect](str(text))

    def judge(self, prompt: str, policy: Policy) -> list[Graded]:
        """The guard's verdict as findings of ``policy``; none when it calls the prompt safe."""
        verdict = self.ask(prompt)
        if verdict.safety == "safe":
            return []
        known = policy.rules.categories
        table = _QWEN if self._dialect == "qwen3guard" else _LLAMA
        level: Literal["block", "review"] = "block" if verdict.safety == "unsafe" else "review"
        out: list[Graded] = []
        for hazard in verdict.hazards or ["unnamed"]:
            ours = table.get(hazard if self._dialect == "llamaguard" else hazard.lower(), _OTHER)
            category = ours if ours in known else next(iter(known))
            out.append((level, certain(category, "guard", hazard)))
        return out


def guard_from_settings(settings: Settings) -> Guard | None:
    """The guard that the settings name, None when they name none."""
    if not settings.guard_url:
        return None
    key = settings.guard_key.get_secret_value() if settings.guard_key else ""
    return Guard(
        settings.guard_url,
        settings.guard_model,
        dialect=settings.guard_dialect,
        key=key,
        timeout=settings.guard_timeout,
    )


def _unreadable(text: str) -> GuardError:
    shown = " ".join(text.split())[:80]
    return GuardError(
        f"The guard model's answer is not a verdict: {shown!r}.",
        remedy="Check that COUNTERMARK_GUARD_DIALECT fits the model.",
    )
