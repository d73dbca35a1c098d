"""Settings, read from the environment (``COUNTERMARK_…``) and an optional ``.env`` file."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    SecretStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from countermark.core.errors import ConfigurationError


def _located(path: object) -> object:
    """A path as given, with ~ for the user's own folder: no shell expands it in an .env file."""
    if path == "":  # as a path it would be whatever folder this is run in, and keys would lie there
        raise ValueError("it is empty")
    try:
        return Path(path).expanduser() if isinstance(path, str | Path) else path
    except RuntimeError as error:  # no such user, or none known
        raise ValueError(f"{path} names no folder of a user") from error


def _reachable(address: str) -> str:
    """An address as given, if one can ask there; pydantic alone also takes what it would have to mend."""
    try:
        TypeAdapter(HttpUrl).validate_python(address)
    except ValidationError:
        whole = False
    else:
        whole = re.fullmatch(r"https?://[^\s\\]+", address, re.IGNORECASE) is not None
    if not whole:
        raise ValueError("it is no address that begins with https:// or http://")
    return address


Location = Annotated[Path, BeforeValidator(_located)]
WebAddress = Annotated[str, AfterValidator(_reachable)]


class Settings(BaseSettings):
    """Everything a deployment may change. Defaults suit one person on one machine."""

    model_config = SettingsConfigDict(env_prefix="COUNTERMARK_", env_file=".env", extra="ignore", frozen=True)

    home: Location = Field(
        default_factory=lambda: user_data_path("countermark"),
        description="Folder for keys, the registry and downloaded weights.",
    )
    database_url: str | None = Field(default=None, description="SQLAlchemy URL; default is SQLite inside `home`.")
    issuer: int = Field(default=1, ge=0, lt=2**12, description="Issuer number carried by the watermark.")
    watermark_device: str | None = Field(
        default=None, description="Torch device of the watermark's pixel work, such as cuda; none: numpy."
    )
    closed_loop_crf: int | None = Field(
        default=None,
        ge=18,
        le=51,
        description="H.264 rate factor that the watermark tries out and survives while it is embedded; none: no trial.",
    )
    noise_watermark: bool = Field(
        default=False, description="Videos of the bundled model are drawn from noise that is a watermark of its own."
    )
    generator_precision: Literal["float32", "bfloat16"] | None = Field(
        default=None,
        description="How exactly the bundled model computes; none: bfloat16 on a GPU that has it, float32 elsewhere.",
    )
    generator_compile: bool = Field(default=False, description="Whether the bundled model is compiled on first use.")
    generator_processes: int = Field(
        default=1, ge=1, le=64, description="Processes that share the work on one video, one a GPU (bundled model)."
    )
    generator_offload: Literal["none", "model", "sequential"] = Field(
        default="none",
        description="What of open weights waits in main memory until the GPU needs it: nothing, networks, or layers.",
    )
    generator_quantization: Literal["8bit", "4bit"] | None = Field(
        default=None, description="Bits of the large networks of open weights on a GPU; none: 16."
    )
    issuer_name: str = Field(default="Countermark local issuer", description="Organisation named in certificates.")

    max_pixels: int = Field(default=4096 * 2304, gt=0, description="Largest frame accepted, in pixels.")
    max_seconds: float = Field(default=7200.0, gt=0, description="Longest video accepted, in seconds.")
    max_bytes: int = Field(default=8 * 1024**3, gt=0, description="Largest file accepted, in bytes.")

    c2pa_spec: Literal["2.2", "2.4"] = Field(default="2.4", description="C2PA version that manifests follow.")
    training: Literal["allowed", "notAllowed", "constrained"] = Field(
        default="notAllowed", description="Use of generated video for training and data mining (CAWG)."
    )
    training_terms: str | None = Field(default=None, description="Terms of a constrained use, text or address.")
    signer: Literal["local", "files", "pkcs11", "kms"] = Field(
        default="local", description="Whose credentials sign: a local authority for trial, or real ones."
    )
    signer_chain: Location | None = Field(default=None, description="PEM file of certificates, the signer's first.")
    signer_key: Location | None = Field(default=None, description="PEM file of the private key (signer 'files').")
    signer_key_password: SecretStr | None = Field(default=None, description="Password of an encrypted key file.")
    pkcs11_module: Location | None = Field(default=None, description="Shared library of the token's maker.")
    pkcs11_token: str | None = Field(default=None, description="Label of the token.")
    pkcs11_key: str | None = Field(default=None, description="Label of the private key.")
    pkcs11_pin: SecretStr | None = Field(default=None, description="The token's user PIN.")
    kms_key: str | None = Field(default=None, description="Key id or ARN in AWS KMS.")

    time_stamp_url: WebAddress | None = Field(
        default=None, description="RFC 3161 time-stamp authority; default is none."
    )
    time_stamp: Literal["required", "preferred"] = Field(
        default="required", description="Whether nothing is sealed when the time-stamp authority fails."
    )
    manifest_url: WebAddress | None = Field(
        default=None, description="Address under which this registry serves manifests, for remote delivery."
    )

    resolution_fetch: bool = Field(
        default=False, description="Whether the resolution API fetches assets that others name (byReference)."
    )
    visible_label: str | None = Field(
        default=None, description="Words drawn into generated video at the start, such as 'AI生成'; default is none."
    )
    visible_label_seconds: float = Field(default=3.0, ge=2.0, description="How long the visible label stays.")
    visible_label_font: Location | None = Field(default=None, description="Font file for the visible label.")

    policy_file: Location | None = Field(default=None, description="Policy YAML; default is the bundled policy.")
    policy_audience: str = Field(default="general", description="Audience of the policy that holds for generating.")
    policy_keep_prompts: bool = Field(default=False, description="Write prompts into the policy's log.")
    policy_retention_days: float = Field(default=90.0, gt=0, description="How long the policy's log is kept.")
    guard_url: WebAddress | None = Field(
        default=None, description="Base URL of a guard model's OpenAI-compatible server."
    )
    guard_model: str = Field(default="Qwen3Guard-Gen-0.6B", description="Name of the guard model on that server.")
    guard_dialect: Literal["qwen3guard", "llamaguard"] = Field(default="qwen3guard", description="How it answers.")
    guard_key: SecretStr | None = Field(default=None, description="Bearer token of that server.")
    guard_timeout: float = Field(default=10.0, gt=0, description="Seconds to wait for the guard's verdict.")
    weights_dir: Location | None = Field(default=None, description="Folder searched first for model weights.")

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object, info: ValidationInfo) -> object:
        """Where there may be none, an empty variable says so, whatever the .env file says."""
        optional = info.field_name is not None and cls.model_fields[info.field_name].default is None
        return None if value == "" and optional else value

    @property
    def keys_dir(self) -> Path:
        """Folder of private keys and certificates."""
        return self.home / "keys"

    @property
    def trust_dir(self) -> Path:
        """Folder of trust lists."""
        return self.home / "trust"


@cache
def get_settings() -> Settings:
    """The process-wide settings, read once. Raises `ConfigurationError` that names the variable."""
    try:
        return Settings()
    except (UnicodeDecodeError, OSError) as error:
        raise unreadable_file(error) from error
    except ValidationError as error:
        raise unusable_value("COUNTERMARK_", error) from error


def unusable_value(prefix: str, error: ValidationError) -> ConfigurationError:
    """What is wrong with the first setting that is, by the name of its variable."""
    problem = error.errors()[0]
    name, why = f"{prefix}{problem['loc'][0]}".upper(), problem["msg"].removeprefix("Value error, ")
    return ConfigurationError(f"{name} is not usable: {why}.", remedy="Correct it, or unset it for the default.")


def unreadable_file(error: UnicodeDecodeError | OSError) -> ConfigurationError:
    """What is wrong where settings cannot be read at all: of the environment nothing is decoded or opened."""
    return ConfigurationError(
        f"The file .env in this folder cannot be read: {error}.", remedy="Correct it (UTF-8), or remove it."
    )
