"""Settings of the service, read from the environment (``COUNTERMARK_SERVICE_…``) and an optional ``.env`` file."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Location, Settings, unreadable_file, unusable_value


class ServiceSettings(BaseSettings):
    """What a deployment of the service may change; keys, registry and limits on media are in the core's `Settings`."""

    model_config = SettingsConfigDict(
        env_prefix="COUNTERMARK_SERVICE_", env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    host: str = Field(default="127.0.0.1", description="Address to bind; anything but loopback needs an API key.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to bind; 0 lets the system choose.")
    workers: int = Field(default=1, ge=0, le=256, description="Worker processes started beside the server.")
    examinations: int = Field(
        default_factory=lambda: min(os.cpu_count() or 1, 4),
        ge=1,
        le=64,
        description="Verifications, screenings and seals that one worker runs at once; it generates one video at once.",
    )
    files: Location | None = Field(
        default=None, description="Folder of uploads and videos, shared by all machines; default is inside the home."
    )
    store: str | None = Field(
        default=None,
        description="Object store (fsspec address) of uploads and results, where machines share no folder.",
    )

    max_upload_bytes: int = Field(default=2 * 1024**3, gt=0, description="Largest upload, enforced while it is read.")
    wait_seconds: float = Field(default=30.0, ge=0, le=600, description="How long a small upload is waited for.")
    image_wait_seconds: float = Field(
        default=300.0, ge=0, le=3600, description="How long a request for pictures waits for them."
    )
    wait_bytes: int = Field(
        default=32 * 1024**2,
        ge=0,
        description="Uploads up to this size are answered with the result, if it is in time.",
    )
    queue_limit: int = Field(default=1000, gt=0, description="Unfinished jobs a tenant may have; beyond that, 429.")
    tenant_concurrency: int = Field(default=8, gt=0, description="Jobs of one tenant that run at once, of each kind.")
    tenant_generations: int = Field(default=2, gt=0, description="Generations of one tenant that run at once.")
    daily_generations: int | None = Field(
        default=None, gt=0, description="Videos and requests for pictures that a tenant may create in 24 hours."
    )
    max_attempts: int = Field(default=3, gt=0, description="Workers that may die on a job before it counts as failed.")
    retention_hours: float = Field(
        default=24 * 30, gt=0, description="How long finished jobs and their files are kept."
    )

    models: dict[str, str] = Field(
        default={},
        description="Further models by name: `openai:MODEL@SIZES` on the server OPENAI_BASE_URL, or "
        "`open-weights:FOLDER_OR_NAME@SIZES` in the workers; SIZES are WIDTHxHEIGHT, with commas between.",
    )
    sources: dict[str, list[str]] = Field(
        default={}, description="Addresses of object stores or folders (fsspec) that tenants may screen in batches."
    )
    cors_origins: list[str] = Field(default=[], description="Other origins whose pages may call the API.")
    webhook_hosts: list[str] = Field(
        default=[], description="Hosts that webhooks may reach although their address is private or they lack TLS."
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    def files_dir(self, settings: Settings) -> Path:
        """Where uploads and videos are kept."""
        return (self.files or settings.home / "service").resolve()

    @property
    def retention(self) -> timedelta:
        """How long finished jobs and their files are kept."""
        return timedelta(hours=self.retention_hours)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name or an address) means this machine and no network."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def get_service_settings() -> ServiceSettings:
    """The process-wide settings, read once. Raises `ConfigurationError` that names the variable."""
    try:
        return ServiceSettings()
    except (UnicodeDecodeError, OSError) as error:
        raise unreadable_file(error) from error
    except SettingsError as error:  # it names the field whose value is no JSON, in words only
        field = re.search(r'field "(\w+)"', str(error))
        name = f"COUNTERMARK_SERVICE_{field[1] if field else ''}".upper()
        raise ConfigurationError(
            f"{name} is not usable: it is not JSON.", remedy="Correct it, or unset it for the default."
        ) from error
    except ValidationError as error:
        raise unusable_value("COUNTERMARK_SERVICE_", error) from error
