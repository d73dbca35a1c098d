"""One tree of errors. Each says what failed, why, and what to do about it.

The front doors (CLI, HTTP) map an error to an exit code or a status from the class attributes alone,
so a new error needs no change outside the module that raises it.
"""

from __future__ import annotations

from typing import ClassVar


class CountermarkError(Exception):
    """Base of every error this project raises on purpose.

    ``code`` is a stable machine-readable name, ``remedy`` one sentence that tells the user what to do.
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 4

    def __init__(self, cause: str, *, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.cause} {self.remedy}"


class UsageError(CountermarkError):
    """The call itself makes no sense: contradictory options, a missing or misplaced path."""

    code = "usage"
    http_status = 400
    exit_code = 2


class ConfigurationError(CountermarkError):
    """A setting, key file or policy file is unusable."""

    code = "configuration"
    exit_code = 2


class PolicyRefusedError(CountermarkError):
    """The prompt policy did not allow the request."""

    code = "policy_refused"
    http_status = 403
    exit_code = 3


class MediaError(CountermarkError):
    """The file cannot be read as video or picture: unreadable, empty, cut short, audio only, or of an unknown kind."""

    code = "media"
    http_status = 422


class MediaLimitError(MediaError):
    """The file is readable but larger, longer or heavier than the configured limits."""

    code = "media_limit"
    http_status = 413


class WatermarkError(CountermarkError):
    """A watermark could not be embedded, or did not read back after embedding."""

    code = "watermark"


class CredentialError(CountermarkError):
    """Keys or certificates are missing, unreadable, expired, or unfit for signing."""

    code = "credential"


class ManifestError(CountermarkError):
    """The C2PA manifest could not be written."""

    code = "manifest"


class TimeStampError(CountermarkError):
    """The time-stamp authority failed, and no lesser seal is allowed."""

    code = "time_stamp"


class RegistryError(CountermarkError):
    """The registry could not be read or written."""

    code = "registry"


class WeightsError(CountermarkError):
    """Model weights are missing or do not match their SHA-256."""

    code = "weights"


class GenerationError(CountermarkError):
    """The generator failed to produce frames."""

    code = "generation"
